"""A file of movie ids, one per line, that lists are narrowed to."""

from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.release.idmap import Id
from matinee.schemas.headers import TITLE_ALIASES, plain_name
from matinee.schemas.integers import parse_int64
from matinee.store.files import read_plain

_LIMIT: Final = 1 << 28  # bytes: a million ids have ten
_SHOWN: Final = 40  # characters of a line that is not an id


def read_movie_ids(path: Path, *, is_text: bool = False) -> list[Id]:
    """Read movie ids, one per line; the first line may be a column name.

    Args:
        path: The file.
        is_text: Whether the release has text ids of movies.

    Raises:
        ConfigError: The file can't be read, a line is not an id, or there is none.
    """
    try:
        lines = read_plain(path, limit=_LIMIT).decode("utf-8-sig", "replace").splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"The file of movie ids {path} can't be read: {why}. Check the path.") from None
    found: list[Id] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if is_text:
            is_name = number == 1 and plain_name(line) in TITLE_ALIASES["movie_id"]
            found += [line] if line and not is_name else []
        elif (movie_id := parse_int64(line)) is not None and movie_id >= 0:
            found.append(movie_id)
        elif line and not (number == 1 and line.replace("_", "").isalpha()):
            raise ConfigError(
                f"Line {number} of {path} is {shown(line, _SHOWN)!r}; expected a movie id, a whole number, per line."
            )
    if not found:
        raise ConfigError(f"{path} has no movie ids; expected one per line.")
    return found
