"""Judges the files of folders and archives: each is ratings, something else that is known, or an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.other_files import kind_by_content, kind_by_name
from matinee.ingest.reading.recognition import recognize
from matinee.settings.ingest import IngestSettings

_LISTED: Final = 6
_LONGEST_REASON: Final = 160
_WITHOUT_NAMES: Final = "column 1"  # of the first column of a file without a header


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read: of another kind, or one that could not be read and may hold ratings."""

    name: str
    reason: str
    is_fault: bool

    def __str__(self) -> str:
        reason = shown(self.reason, _LONGEST_REASON)
        return reason if self.is_fault else f"{shown(self.name)} ({reason})"


def judge(
    head: bytes, name: str, settings: IngestSettings, *, label: str, is_text: bool = True
) -> Dialect | LeftOut:
    """The dialect of a rating file among others, or what the file is instead.

    Args:
        head: The first bytes of its text.
        name: Its name, which counts where the content could be several things.
        settings: How to read it.
        label: Its name in messages.
        is_text: Whether it was text, and not JSON lines or a table of another form.
    """
    try:
        dialect = recognize(head, settings, label=label, is_text=is_text)
    except DataError as error:
        if kind := kind_by_content(head) or kind_by_name(name):
            return LeftOut(name, kind, is_fault=False)
        return fault(name, error)
    if dialect.names[0] == _WITHOUT_NAMES and (kind := kind_by_name(name)):
        return LeftOut(name, kind, is_fault=False)
    return dialect


def fault(name: str, error: Exception) -> LeftOut:
    """A file that could not be read; the reason is the first sentence of the error, which names the file."""
    return LeftOut(name, re.split(r"\.\s+(?=[A-Z])", str(error))[0].rstrip("."), is_fault=True)


def refuse_faults(found: Sequence[LeftOut], settings: IngestSettings, *, label: str) -> None:
    """Raise DataError if files of a folder or an archive could not be read, unless `ingest.unreadable=skip`."""
    faults = [each for each in found if each.is_fault]
    if faults and settings.unreadable == "error":
        files = "A file" if len(faults) == 1 else f"{len(faults):,} files"
        raise DataError(
            f"{files} of {label} could not be read as ratings but may contain some: {list_files(faults)}. Correct or "
            "remove them, name columns with ingest.columns, or leave such files out with ingest.unreadable=skip."
        )


def list_files(found: Sequence[LeftOut]) -> str:
    """Files with their reasons, for a message."""
    more = len(found) - _LISTED
    return "; ".join(map(str, found[:_LISTED])) + (f"; and {more:,} more" if more > 0 else "")
