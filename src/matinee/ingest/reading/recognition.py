"""Recognizes the dialect of a rating file from its first lines: delimiter, quoting, header, columns, dates.

A file that is not recognized is refused with what was found and what was expected. `ingest.columns`,
`ingest.delimiter` and `ingest.dates` override the detection.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading.columns import (
    date_columns,
    find_columns,
    given_columns,
    is_data,
    place_columns,
    without_left_out,
)
from matinee.ingest.reading.date_forms import has_dates, recognize_dates, refuse_digits
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.not_ratings import explain_header, refuse_pairs
from matinee.ingest.reading.plays import (
    NEEDED,
    expected_rows,
    look_like_text_plays,
    looks_like_plays,
    name_netflix_plays,
    read_as_plays,
)
from matinee.ingest.reading.prelude import Prelude, read_prelude
from matinee.ingest.reading.row_format import FoundColumns, possible_forms, with_form_of_rows, with_row_names
from matinee.ingest.reading.rows import (
    BLANKS,
    MORE_THAN_HALF,
    MOST,
    LineForm,
    are_most,
    is_decimal_id,
    look_like_text_ratings,
    looks_like_ratings,
    split_row,
)
from matinee.ingest.reading.unnamed_columns import (
    grouped_rating,
    has_row_numbers,
    is_numbering,
    refuse_float_ids,
)
from matinee.schemas.delimiters import DELIMITERS
from matinee.schemas.names import SIDES
from matinee.settings.ingest import IngestSettings
from matinee.store.file_kinds import refuse_other_kinds

_SAMPLED_LINES: Final = 50
_MOVIE_LINE: Final = re.compile(r"[+-]?\d+[ \t]*:[ \t]*", re.ASCII)
_USUAL_NAMES: Final = "its header has none of the names of ingest.columns, so the usual names were read"
_USUAL_ORDER: Final = "it has no header, so ingest.columns was not used, and its columns are read as "


def recognize(head: bytes, settings: IngestSettings, *, label: str, is_text: bool = True) -> Dialect:
    """Recognize the dialect of a rating file.

    Args:
        head: The first HEAD_BYTES of the file, or all of it.
        settings: May fix the delimiter, the columns and the order of dates.
        label: The name of the file in messages.
        is_text: Whether it was text, and not JSON lines or a table of another form.

    Raises:
        DataError: It is not a rating file.

    """
    wanted = expected_rows(settings)
    refuse_other_kinds(head, label, expected=wanted)
    prelude = read_prelude(head, sampled=_SAMPLED_LINES, label=label, expected=wanted)
    texts = prelude.texts
    plays = settings.feedback == "implicit"
    if _MOVIE_LINE.fullmatch(texts[0]):
        if not plays:
            refuse_pairs(texts, label)
        named = name_netflix_plays(texts) if plays else ("user_id", "rating", "date")
        placed = {name: place for place, name in enumerate(named) if not (plays and name == "rating")}
        found = FoundColumns(LineForm(","), without_left_out(placed, settings), list(named), has_header=False)
        return _describe(found, prelude, settings, label=label, netflix=True)
    found = _recognize_columns(prelude, possible_forms(prelude, settings, is_text=is_text), settings, label)
    if plays:
        found = found._replace(columns=read_as_plays(found.columns, found.names, label))
    return _describe(found, prelude, settings, label=label)


def recognize_header(text: str, below: Sequence[str], dialect: Dialect, label: str) -> Dialect | None:
    """The dialect of the rows below a line within a file; None if the line is not a header.

    Raises DataError if it names users and movies and no rating: another kind of file follows.
    """
    settings = dialect.settings
    needed = set(NEEDED[settings.feedback])
    for form in (dialect.form, *(LineForm(delimiter) for delimiter in DELIMITERS.values())):
        names = split_row(text.removeprefix("\ufeff"), *form)
        columns = _find_again(names, settings, label)
        if needed <= columns.keys():
            found = FoundColumns(form, columns, names, has_header=True)
            if settings.feedback == "implicit":
                found = found._replace(columns=read_as_plays(columns, names, label))
            prelude = Prelude([text, *below], dialect.line_end, 0, 0, 0, dialect.comment)
            fresh = _describe(found, prelude, settings, label=label)
            dated = any(len(split_row(line, *form)) > columns.get("date", len(names)) for line in below)
            return replace(
                fresh,
                skip_bytes=dialect.skip_bytes,
                skip_lines=dialect.skip_lines,
                dates=fresh.dates if dated else dialect.dates,
            )
        if columns.keys() >= set(SIDES):
            raise DataError(
                f"{label}: a line within the file is the header '{shown(text, 80)}', without a column for the rating. "
                "Expected one kind of rows: several files may have been joined. Separate them."
            )
    _refuse_unknown_names(text, below, dialect, label)
    return None


def _refuse_unknown_names(text: str, below: Sequence[str], dialect: Dialect, label: str) -> None:
    """Raise DataError for a header with unknown names, and with a known one in another place than the rows above."""
    names = split_row(text, *dialect.form)
    found = _find_again(names, dialect.settings, label)
    moved = any(dialect.columns.get(name, place) != place for name, place in found.items())
    are_names = all(name.strip() for name in names) and not any(map(str.isdigit, text))
    if below and moved and are_names and len(names) >= len(dialect.columns):
        raise DataError(
            f"{label}: a line within the file is probably a header, '{shown(text, 80)}', with unknown names and in "
            "another order than above it. Expected one order: several files may have been joined. Separate them."
        )


def _find_again(names: Sequence[str], settings: IngestSettings, label: str) -> dict[str, int]:
    """The columns of a second header: by the given names, or else by alias; numbers are those of the first."""
    given = {name: text for name, text in given_columns(settings).items() if not text.isdecimal()}
    if len(names) < len(NEEDED[settings.feedback]) or any(map(str.isdecimal, names)):
        return {}
    try:
        found = find_columns(names, given, label)
        aliased = find_columns(names, {name: "" for name, text in given.items() if not text}, label)
    except DataError:
        return {}
    return found if len(found) >= len(aliased) else aliased


def _recognize_columns(
    prelude: Prelude, forms: Sequence[LineForm], settings: IngestSettings, label: str
) -> FoundColumns:
    texts, given = prelude.texts, given_columns(settings)
    needed = set(NEEDED[settings.feedback])
    headers = {form: split_row(texts[0], *form) for form in forms}
    found = {form: find_columns(header, given, label) for form, header in headers.items()}
    usual = [form for form in forms if form not in BLANKS] or forms
    best = max(usual, key=lambda form: (len(found[form]), len(headers[form])))
    by_number = any(name.isdecimal() for name in given.values())
    remarks: tuple[str, ...] = ()
    named = {column for column, name in given.items() if name and not by_number}
    if needed <= named and not any(named & columns.keys() for columns in found.values()):
        given = {column: name for column, name in given.items() if not name}
        found = {form: find_columns(header, given, label) for form, header in headers.items()}
        remarks = (_USUAL_NAMES,)
    if by_number and any(needed <= found[form].keys() for form in usual):
        found = {form: found[form] if form in usual else {} for form in forms}  # blanks may be in texts
    for form in (best, *forms):
        rows = [split_row(text, *form) for text in texts[:2]]
        if needed <= found[form].keys() and not (by_number and is_data(rows, found[form])):
            columns = FoundColumns(form, found[form], headers[form], has_header=True, remarks=remarks)
            return with_row_names(with_form_of_rows(columns, prelude, forms), texts[1:])
    fits = looks_like_plays if settings.feedback == "implicit" else looks_like_ratings
    for form in forms:
        row = headers[form]
        # A header of column numbers may have an empty name for the column of row numbers.
        numbers = row[1:] if len(row) > 1 and not row[0].strip() else row
        if (by_number and needed <= found[form].keys()) or fits(numbers):
            return _without_header(prelude, (form, *forms), given, settings, label)
    fit = look_like_text_plays if settings.feedback == "implicit" else look_like_text_ratings
    for lines, least in ((texts, MOST), ([*texts, *prelude.more()], MORE_THAN_HALF)):
        fitting = [form for form in forms if fit([split_row(text, *form) for text in lines], least)]
        if fitting := [form for form in fitting if form not in BLANKS] or fitting[:1]:
            # A comma may be in a date or a decimal number of rows with another delimiter.
            form = max(fitting, key=lambda form: len(headers[form]))
            return _without_header(prelude, (form, *forms), given, settings, label)
    rows = [split_row(text, *best) for text in texts]
    raise DataError(explain_header(rows, found[best], texts, settings, label, line=prelude.lines + 1))


def _without_header(
    prelude: Prelude,
    forms: Sequence[LineForm],
    given: Mapping[str, str],
    settings: IngestSettings,
    label: str,
) -> FoundColumns:
    """The columns of a file whose first line is a row: by a comment above it, by number, or by position.

    The first of the forms splits that line.
    """
    form = forms[0]
    rows = [split_row(text, *form) for text in prelude.texts]
    is_header = is_numbering(rows)
    remarks = []
    if is_header:
        remarks.append(
            f"its first line ({shown(prelude.texts[0], 40)}) has the numbers of the columns and is not a row"
        )
        rows = rows[1:]
    commented = _commented_header(prelude, form, given, len(rows[0]), label)
    if commented is not None and set(NEEDED[settings.feedback]) <= commented.columns.keys():
        return commented
    numbered = has_row_numbers(rows) and not any(given.values())
    if numbered and not is_header:
        remarks.append("its first column is a running number of the rows, which is left out")
    places = place_columns([row[numbered:] for row in rows], given, settings.feedback, label)
    places = {column: place + numbered for column, place in places.items()}
    if not any(given.values()) and any(settings.columns.values()):
        remarks.append(f"{_USUAL_ORDER}{', '.join(places)}")
    names = [f"column {number}" for number in range(1, len(rows[0]) + 1)]
    found = FoundColumns(form, places, names, is_header, tuple(remarks))
    return with_form_of_rows(found, prelude, forms)


def _commented_header(
    prelude: Prelude, form: LineForm, given: Mapping[str, str], width: int, label: str
) -> FoundColumns | None:
    """The columns of a header that is a comment above rows without another."""
    for text in reversed(prelude.comments):
        names = split_row(text, *form)
        if len(names) == width:
            return FoundColumns(form, find_columns(names, given, label), names, has_header=False)
    return None


def _describe(
    found: FoundColumns, prelude: Prelude, settings: IngestSettings, *, label: str, netflix: bool = False
) -> Dialect:
    """The dialect, with what the first rows show: dates, ids such as 113.0, delimiters at the end of lines."""
    found, rows = _with_dates(found, prelude, settings)
    width = len(found.names)
    written = _column(rows, "date", found)
    dates, is_open = recognize_dates(written, settings.dates)
    refuse_digits(written, label)
    for name in SIDES:
        refuse_float_ids(_column(rows, name, found), label)
    if grouped := grouped_rating(_column(rows, "rating", found)):
        remark = f"ratings such as {grouped} are read with a decimal comma, as {grouped.replace(',', '.')}"
        found = found._replace(remarks=(*found.remarks, remark))
    return Dialect(
        found.form.delimiter,
        tuple(found.names),
        found.columns,
        prelude.line_end,
        prelude.header_stop if found.has_header else prelude.begin,
        prelude.lines + found.has_header,
        netflix=netflix,
        plays=settings.feedback == "implicit",
        rewritten=found.form.rewritten,
        dates=dates,
        order_is_open=is_open,
        decimal_ids=tuple(name for name in SIDES if are_most(map(is_decimal_id, _column(rows, name, found)))),
        empty_more=are_most(len(row) > width and not "".join(row[width:]).strip() for row in rows),
        comment=prelude.comment,
        remarks=found.remarks,
        settings=settings,
    )


def _with_dates(
    found: FoundColumns, prelude: Prelude, settings: IngestSettings
) -> tuple[FoundColumns, list[list[str]]]:
    """The columns and the first rows: more of them, and another column of dates, if the first ones show no date."""
    rows = [split_row(text, *found.form) for text in prelude.texts[found.has_header :]]
    if "date" not in found.columns:
        return found, rows
    written = _column(rows, "date", found)
    if has_dates(written) and not recognize_dates(written, settings.dates)[1]:
        return found, rows
    rows += [split_row(text, *found.form) for text in prelude.more()]
    if "date" in settings.columns or not found.has_header or has_dates(_column(rows, "date", found)):
        return found, rows
    for place in date_columns(found.names):
        other = found._replace(columns={**found.columns, "date": place})
        if has_dates(_column(rows, "date", other)):
            empty, filled = (shown(found.names[at].strip()) for at in (found.columns["date"], place))
            remark = f"the column '{empty}' is empty in its first rows, so dates were read from '{filled}'"
            return other._replace(remarks=(*found.remarks, remark)), rows
    return found, rows


def _column(rows: Sequence[Sequence[str]], name: str, found: FoundColumns) -> list[str]:
    place = found.columns.get(name)
    return [] if place is None else [row[place] for row in rows if len(row) > place]
