"""Generates sample data: Netflix-like ratings with planted structure, titles, and the ground truth.

The ground truth includes the best RMSE that a model without dates can reach, as a reference for trained models.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import shown
from matinee.sample.content import RATINGS, TITLES, Sample, SampleFormat, Truth
from matinee.sample.planted import default_movies, default_users
from matinee.store.checksums import sync_folder
from matinee.store.disk_errors import writing_out
from matinee.store.files import write_json
from matinee.store.locks import lock_folder
from matinee.store.paths import check_place

__all__ = ["Truth", "write_sample"]

_TRUTH = "truth.json"
_FRESH = ".matinee-sample.partial"
_OWN_FILES = (RATINGS, TITLES, "combined_data_*.txt", "ratings.jsonl", "ratings.inter", "ratings.parquet")
# Below the first there is nothing to learn from; above the last ones the tables of users and movies get big.
_BOUNDS = {
    "ratings": (1_000, 2_000_000_000),
    "users": (1, 50_000_000),
    "movies": (1, 1_000_000),
    "seed": (0, 2**32 - 1),
    "dirty": (0, 0.5),
}


def write_sample(
    out: Path,
    *,
    ratings: int,
    users: int | None = None,
    movies: int | None = None,
    seed: int = 0,
    format: SampleFormat = "csv",  # noqa: A002 - the option's name on the command line
    dirty: float = 0.0,
    feedback: Literal["explicit", "implicit"] = "explicit",
    ids: Literal["integer", "text"] = "integer",
) -> Truth:
    """Write ratings, `movie_titles.csv` and `truth.json` into `out`, in place of an earlier sample there.

    With `feedback=implicit`, the same users choose the same movies on the same days, and `ratings.csv` has no ratings.
    With `ids=text`, the same users and movies have text ids of several kinds.

    `ratings` clean rows are written, and with `dirty` > 0 bad ones in addition, until they are that share of all
    rows; each kind at least once. `best_rmse` is what the expected rating given user and movie scores on the rows
    written: realized, not expected, so that it includes the noise of exactly the rows that a model is evaluated on.

    Args:
        out: The folder, which is made if it is absent.
        ratings: Number of clean rows.
        users: Number of users; in proportion to the ratings if None.
        movies: Number of movies; in proportion to the ratings if None.
        seed: Random seed; the same one gives the same bytes.
        format: Format of the ratings.
        dirty: Share of bad rows.
        feedback: Ratings, or plays.
        ids: Kind of the ids.

    Returns:
        The ground truth, as in `truth.json`.

    Raises:
        ConfigError: A value is out of bounds, `users` * `movies` pairs can't hold `ratings`, or `out` cannot be
            written or holds such files from elsewhere.
        StoreError: Writing fails. Then no file is left.
    """
    check_place(out)
    _check_bounds(ratings=ratings, users=users, movies=movies, seed=seed, dirty=dirty)
    users = default_users(ratings) if users is None else users
    movies = default_movies(ratings) if movies is None else movies
    _check_room(ratings, users=users, movies=movies)
    sample = Sample(ratings, users, movies, seed, format, dirty, feedback, ids)
    sample.check_format()
    with _fresh_folder(out) as fresh:
        truth = sample.write(fresh)
        _replace(out, fresh, truth)
    return truth


def _check_bounds(**values: float | None) -> None:
    faults = [
        f"{name} is {value:,}; expected {_BOUNDS[name][0]:,} to {_BOUNDS[name][1]:,}."
        for name, value in values.items()
        if value is not None and not _BOUNDS[name][0] <= value <= _BOUNDS[name][1]
    ]
    if faults:
        raise ConfigError("No sample was written: " + " ".join(faults))


def _check_room(ratings: int, *, users: int, movies: int) -> None:
    if not users <= ratings <= users * movies:
        raise ConfigError(
            f"No sample was written: {ratings:,} ratings do not fit {users:,} users and {movies:,} movies. Each "
            f"user rates at least one movie and none twice, so expected {users:,} to {users * movies:,} ratings. "
            "Change one of the three numbers."
        )


@contextlib.contextmanager
def _fresh_folder(out: Path) -> Iterator[Path]:
    """An empty folder within `out`, for this process only; removed afterwards."""
    fresh = out / _FRESH
    try:
        fresh.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The sample can't be written to {out}: {getattr(error, 'strerror', None) or error}. "
            "Give a folder that this user may write to."
        ) from None
    try:
        with lock_folder(fresh), writing_out(out):
            _refuse_foreign_partial(fresh)
            try:
                _refuse_foreign_files(out)
                _clear(fresh)
                yield fresh
            finally:
                _clear(fresh)
                fresh.rmdir()
    except OSError as error:
        raise StoreError(
            f"{error.filename or out} could not be written: {error.strerror or error}. Free space and permissions of "
            f"{out} are the usual causes; nothing half-written is left."
        ) from error


def _refuse_foreign_partial(fresh: Path) -> None:
    """Refuse a partial folder with anything but the files of an interrupted sample."""
    own = set(_own_files(fresh))
    if fresh.is_symlink() or any(path not in own or not _is_plain(path) for path in fresh.iterdir()):
        raise ConfigError(
            f"{fresh} contains files that are not from an interrupted sample. They were left as they are. Give another "
            "folder, or move them away."
        )


def _refuse_foreign_files(out: Path) -> None:
    found = _own_files(out)
    if found and not (_is_sample(out) and all(map(_is_plain, found))):
        raise ConfigError(
            f"{out} holds {shown(', '.join(path.name for path in found))} but no valid {_TRUTH}, so these files "
            "are not from an earlier sample and are left as they are. Give another folder, or move them away."
        )


def _is_sample(out: Path) -> bool:
    try:
        Truth.model_validate_json((out / _TRUTH).read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _replace(out: Path, fresh: Path, truth: Truth) -> None:
    """Replace an earlier sample's files; `truth.json` is removed first and written last."""
    sync_folder(fresh)
    (out / _TRUTH).unlink(missing_ok=True)
    for path in _own_files(out):
        path.unlink()
    for path in sorted(fresh.iterdir()):
        path.rename(out / path.name)
    write_json(out / _TRUTH, truth.model_dump())


def _own_files(out: Path) -> list[Path]:
    return sorted(path for pattern in _OWN_FILES for path in out.glob(pattern))


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
