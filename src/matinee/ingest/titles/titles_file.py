"""The titles file that a call names; for a folder, the error names the titles in it."""

import contextlib
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError, DataError
from matinee.errors.text import shown
from matinee.ingest.reading.members import read_heads
from matinee.ingest.reading.other_files import kind_by_content
from matinee.ingest.reading.sources import Source, source_of
from matinee.settings.ingest import IngestSettings
from matinee.store.paths import PATH_LENGTH

_LISTED: Final = 3
_MOST_TRIED: Final = 200  # files of a folder


def titles_source(path: Path, settings: IngestSettings) -> Source:
    """The titles file at `path`.

    Raises ConfigError if it does not exist or is a folder.
    """
    if not path.is_dir():
        return source_of(path)
    names = [each.name for each in sorted(path.iterdir())[:_MOST_TRIED] if _holds_titles(each, settings)]
    advice = (
        f"Give a file in it: {shown(', '.join(names[:_LISTED]))}." if names else "Give the file with titles."
    )
    raise ConfigError(f"The titles file {shown(path, PATH_LENGTH)} is a folder. Expected one file. {advice}")


def _holds_titles(path: Path, settings: IngestSettings) -> bool:
    if not path.is_file() or path.name.startswith("."):
        return False
    with contextlib.suppress(ConfigError, DataError, OSError):
        return any(
            kind_by_content(member.head) == "titles" for member in read_heads(source_of(path), settings)
        )
    return False
