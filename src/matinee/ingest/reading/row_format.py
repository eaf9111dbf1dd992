"""How the lines of a file may be split, and how its rows are, where these differ from the header."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.prelude import Prelude
from matinee.ingest.reading.rows import BLANKS, LineForm, are_most, is_wrapped, split_row
from matinee.ingest.reading.unnamed_columns import lacks_a_name
from matinee.schemas.delimiters import DELIMITERS
from matinee.settings.ingest import IngestSettings

_NAMES: Final = {"\t": "tabs"}
_ROW_NUMBER: Final = "(row number)"


class FoundColumns(NamedTuple):
    """The columns of a file, and how its lines are split."""

    form: LineForm
    columns: Mapping[str, int]
    names: list[str]
    has_header: bool
    remarks: tuple[str, ...] = ()


def possible_forms(prelude: Prelude, settings: IngestSettings, *, is_text: bool) -> list[LineForm]:
    """The forms that lines may have, the usual ones first.

    Of JSON lines and tables, which are no text, only other lines are in quotes as a whole.
    """
    if prelude.delimiter:
        return [LineForm(prelude.delimiter)]
    if settings.delimiter == "blanks":
        return list(BLANKS)
    chosen = [*DELIMITERS.values()] if settings.delimiter == "auto" else [DELIMITERS[settings.delimiter]]
    forms = [LineForm(delimiter) for delimiter in chosen]
    if is_text and any(map(is_wrapped, _lines(prelude))):
        forms += [LineForm(delimiter, kernel.QUOTED_LINES) for delimiter in chosen]
    return [*forms, *BLANKS] if settings.delimiter == "auto" else forms


def with_form_of_rows(found: FoundColumns, prelude: Prelude, forms: Sequence[LineForm]) -> FoundColumns:
    """The columns, split as the rows are; a remark if the header is split in another way."""
    width = len(found.names)
    other = _form_of_rows(found, prelude, forms)
    if len(split_row(prelude.texts[0], *other)) == width:
        return found._replace(form=other)
    if not found.has_header:
        return found
    remark = f"its header is delimited by {name_of(found.form)}, and its rows are by {name_of(other)}"
    return found._replace(form=other, remarks=(*found.remarks, remark))


def _form_of_rows(found: FoundColumns, prelude: Prelude, forms: Sequence[LineForm]) -> LineForm:
    form, needed = found.form, max(found.columns.values()) + 1
    wrapped = LineForm(form.delimiter, kernel.QUOTED_LINES)
    if wrapped in forms and any(
        is_wrapped(line) and len(split_row(line, *form)) < needed <= len(split_row(line, *wrapped))
        for line in _lines(prelude)
    ):
        return wrapped
    rows = prelude.texts[1:]
    if not rows or are_most(len(split_row(row, *form)) >= needed for row in rows):
        return form
    width = len(found.names)
    others = (other for other in forms if are_most(len(split_row(row, *other)) == width for row in rows))
    return next(others, form)


def with_row_names(found: FoundColumns, texts: Sequence[str]) -> FoundColumns:
    """The columns of a table whose rows begin with a number that the header does not name, as R writes them."""
    if not lacks_a_name([split_row(text, *found.form) for text in texts], len(found.names)):
        return found
    columns = {column: place + 1 for column, place in found.columns.items()}
    remark = "its rows begin with a running number, for which the header has no name"
    return found._replace(
        columns=columns, names=[_ROW_NUMBER, *found.names], remarks=(*found.remarks, remark)
    )


def name_of(form: LineForm) -> str:
    """The delimiter of a form, for messages."""
    return "blanks" if form == BLANKS[-1] else _NAMES.get(form.delimiter, f"'{form.delimiter}'")


def _lines(prelude: Prelude) -> list[str]:
    return [*prelude.texts, *(prelude.more() if b'"' in prelude.rest else ())]
