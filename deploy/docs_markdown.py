"""Reads and writes Markdown, for the scripts of the documentation and their tests."""

import inspect
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

_LINK: Final = re.compile(r"\]\((?P<path>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")
_CODE: Final = re.compile(r"`[^`]*`")
_FENCE: Final = re.compile(r"(?P<indent> *)(?P<mark>```+|~~~+) *(?P<language>[\w-]*)")


class Block(NamedTuple):
    """A fenced code block of a document."""

    line: int  # of its first line of code
    language: str  # empty if none is named
    code: str
    span: tuple[int, int]  # offsets in the document, fences included


def blocks(text: str) -> Iterator[Block]:
    """The fenced code blocks of a Markdown text."""
    offset, opened = 0, None
    code: list[str] = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, start, code = (fence, number + 1), offset, []
        elif opened is not None:
            first, begins = opened
            if fence and fence["mark"].startswith(first["mark"]) and not fence["language"]:
                yield Block(begins, first["language"], "".join(code), (start, offset + len(line)))
                opened = None
            else:
                code.append(line.removeprefix(first["indent"]))
        offset += len(line)


def links(text: str) -> Iterator[re.Match[str]]:
    """The links of a Markdown text to files of the project or to anchors, except links in code blocks."""
    spans = [block.span for block in blocks(text)]
    for link in _LINK.finditer(text):
        is_code = any(first <= link.start() < last for first, last in spans)
        if not is_code and "://" not in link[0] and "mailto:" not in link[0]:
            yield link


def target_of(source: str, link: str) -> str:
    """The file that a link leads to, relative to the project. A link that is only an anchor leads to its document."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link)) if link else source


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Cells are Markdown on one line; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def without_escapes(text: str) -> str:
    """Remove the backslash before bars in code spans of tables. The forge needs it, but mkdocs shows it."""
    lines = (
        _CODE.sub(lambda span: span[0].replace("\\|", "|"), line) if line.startswith("|") else line
        for line in text.split("\n")
    )
    return "\n".join(lines)


def first_paragraph(described: Any) -> str:
    """The first paragraph of an object's docstring, which is not inherited; empty without a docstring."""
    return inspect.cleandoc(described.__dict__.get("__doc__") or "").partition("\n\n")[0]


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
