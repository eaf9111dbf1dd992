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
# All other characters have no meaning in Markdown or HTML inside a line.
# Escaped with backslashes, because the UI shows HTML entities literally.
_MARKUP = re.compile(r"[!-$&*:-@\[-`{-~]")


def escape(text: object) -> str:
    """Escape untrusted text for Markdown, on one line, also for a table cell."""
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
    return [text if ours else escape(value) for value, text, ours in texts]


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
