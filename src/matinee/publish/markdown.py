"""Markdown for the card of a release and the pages of a run. Text from a user's file is never markup."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from matinee.errors.text import shown
from matinee.evaluate.list_tables import example_says, example_table
from matinee.formats.example_lists import ExampleList
from matinee.publish.report.numbers import column_texts

_TEXT_LENGTH: Final = 4_000  # characters of untrusted text
_BAR_WIDTH: Final = 30
# What Markdown, HTML or GitHub takes for markup inside a line. All else stays as it is, to be read as plain text too.
# Escaped with backslashes, because the UI shows HTML entities literally.
_MARKUP: Final = re.compile(
    r"[\\`*\[\]<|~$]"
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # not inside a word
    r"|&(?=#?[A-Za-z0-9]+;)"  # an entity
    r"|:(?!\s|$|\d+(?![\w:+-]))"  # an address or an emoji, not the end of a clause or a time
    r"|(?<!\w)@|@(?=[\w-]*\.\w)"  # a person, or an address of e-mail
    r"|(?<=(?<![A-Za-z0-9])www)\.",
    re.IGNORECASE,
)
# A heading, a quotation, an item or a rule, if a paragraph starts with it; the second is the number of an item.
_START: Final = re.compile(r"#(?=#{0,5}(?:\s|$))|>|[-+](?=[\s-]|$)")
_NUMBER: Final = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")


def escape(text: object) -> str:
    r"""Escape untrusted text as a paragraph of Markdown on one line.

    >>> escape("# 2: nDCG@10 of <b>")
    '\\# 2: nDCG@10 of \\<b>'
    """
    line = _escape_inside(text).lstrip(" ")  # four spaces are code
    return f"\\{line}" if _START.match(line) else _NUMBER.sub(r"\1\\", line)


def _escape_inside(text: object) -> str:
    """Escape untrusted text inside a line, such as in the cell of a table."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", str(text))
    return _MARKUP.sub(r"\\\g<0>", shown(line, _TEXT_LENGTH))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; numbers are right-aligned, all cells are escaped."""
    names = list(head)
    columns = [_cells(column) for column in zip(*rows, strict=True)]
    body = list(zip(*columns, strict=True))
    right = [
        bool(body) and all(re.fullmatch(r"[-+0-9.,]*%?", row[i]) for row in body) for i in range(len(names))
    ]
    lines = [names, ["---:" if is_number else "---" for is_number in right], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(path: Path) -> str:
    """A PNG embedded in the Markdown: the UI serves no files of the store."""
    name = path.stem.replace("_", " ")
    return f"![{name}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"


def page(title: str, *sections: str) -> str:
    return "\n\n".join([f"# {title}", *(section for section in sections if section)]) + "\n"


def _cells(column: Sequence[object]) -> list[str]:
    is_ours = [value is None or isinstance(value, int | float) for value in column]
    texts = zip(column, column_texts(column), is_ours, strict=True)
    return [text if ours else _escape_inside(value) for value, text, ours in texts]


def bars(name: str, counts: Mapping[str, int]) -> str:
    """Counts as a table with one bar per row."""
    if not counts:
        return ""
    most, total = max(counts.values()) or 1, sum(counts.values()) or 1
    rows = [
        (f"{value}", rows, f"{100 * rows / total:.1f}%", "█" * round(_BAR_WIDTH * rows / most))
        for value, rows in counts.items()
    ]
    return table([name, "ratings", "share", ""], rows)


def example_sections(user: ExampleList) -> list[str]:
    """One user of the lists of ten: a sentence, and the list with reasons."""
    return [escape(example_says(user)), table(*example_table(user))]
