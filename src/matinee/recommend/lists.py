"""The recommend step: writes a release's lists for all users, or for some, to one Parquet file.

Scores are computed for a few users and movies at a time: they stay in the cache, and memory does not grow with users.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from matinee.errors import ConfigError
from matinee.recommend.capped_search import CappedSearch, mask_of
from matinee.recommend.list_rows import rows_of_codes, rows_of_ids
from matinee.recommend.lists_schema import lists_schema, text_columns
from matinee.recommend.saved_lists import Lists, SavedLists, keep_lists
from matinee.recommend.search import KernelSearch, Search, TorchSearch, has_vectors
from matinee.release import Release
from matinee.release.idmap import Id
from matinee.release.narrowing import Narrowing
from matinee.schemas.recommendations import recommendations_schema
from matinee.settings import RecommendSettings
from matinee.settings.device import choose_device
from matinee.store import progress
from matinee.store.digests import bytes_digest, code_digest, digest_of
from matinee.store.disk_errors import writing_out
from matinee.store.output import check_output, writing_to
from matinee.store.system import available_cores

TOP = "matinee.top"  # of a file's metadata: how many movies were asked for
NARROWED = "matinee.narrowed"  # the same, in a file of narrowed lists
_ALL = Narrowing()
_GROUP = 1 << 16  # users of a row group, at most
_ROWS = 1 << 18  # of a row group, at most, where users are named; their lists are Python's objects meanwhile
_BYTES_PER_ROW = (
    200  # of a list while its row group is made: codes, columns, titles, the copy that is checked
)


class Recommended(BaseModel):
    """What was written."""

    model_config = ConfigDict(frozen=True)

    release: str
    users: int
    rows: int
    out: str
    seconds: float
    unknown: int = 0  # users unknown to the release, who get popular movies


def recommend_all(
    release: Release,
    *,
    out: Path,
    top: int,
    settings: RecommendSettings,
    threads: int = 0,
    narrowing: Narrowing = _ALL,
) -> Recommended:
    """Write the `top` best unseen movies of every user of the release, as `Release.recommend` orders them.

    Lists that an interrupted call finished are reused.

    Args:
        release: The release.
        out: The Parquet file, which appears when it is complete.
        top: Length of a list, at most.
        settings: Memory and device.
        threads: CPU threads; 0 for all cores.
        narrowing: Which movies may be listed.

    Returns:
        What was written.

    Raises:
        ConfigError: `out` can't be written, `top` is below 1 or the narrowing leaves no movie.
    """
    _check_top(top)
    target = check_output(out, ours=True)
    started = time.perf_counter()
    asked, top = top, min(top, len(release.movies))
    users, device = len(release.users), _device(release, settings)
    size = int(np.clip((settings.memory_mb << 20) // (2 * _BYTES_PER_ROW * top), 1, _GROUP))
    groups = [range(first, min(first + size, users)) for first in range(0, users, size)]
    digest = _digest_of_lists(release, narrowing, top=top, size=size, device=device)
    search = _search(release, top, narrowing=narrowing, device=device, memory_mb=settings.memory_mb)
    rows = 0
    with (
        _translate_disk_errors(out),
        keep_lists(target, digest) as saved,
        _writing(out, release, asked, narrowed=narrowing != _ALL) as write,
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(1 if device else threads or available_cores()) as pool,
    ):
        found = zip(groups, _find(search, groups, saved, pool), strict=True)
        progress.begin("making lists", total=users, unit="users")
        for group, (best, codes) in found:
            rows += write(rows_of_codes(release, np.arange(group.start, group.stop), best, codes))
    return _result(release, out, users=users, rows=rows, started=started)


def _digest_of_lists(
    release: Release, narrowing: Narrowing, *, top: int, size: int, device: str | None
) -> str:
    """The digest of all that decides the lists. Raises ConfigError if the narrowing leaves no movie."""
    allowed = _allowed(release, narrowing)
    return digest_of(
        code=code_digest(__name__),
        files=release.manifest.files,
        top=top,
        size=size,
        device=device,
        allowed=None if allowed is None else bytes_digest(allowed.tobytes()),
        limits=[narrowing.per_franchise, narrowing.per_year],
    )


def recommend_some(
    release: Release, user_ids: Sequence[Id], *, out: Path, top: int, narrowing: Narrowing = _ALL
) -> Recommended:
    """Write the lists of some users, each once. A user that the release does not know gets popular movies.

    Args:
        release: The release.
        user_ids: The users, in the order of the lists.
        out: The Parquet file, which appears when it is complete.
        top: Length of a list, at most.
        narrowing: Which movies may be listed.

    Returns:
        What was written, with the number of unknown users.

    Raises:
        ConfigError: `out` can't be written, `top` is below 1 or the narrowing leaves no movie.
    """
    _check_top(top)
    _allowed(release, narrowing)
    started, user_ids = time.perf_counter(), list(dict.fromkeys(user_ids))
    size = max(_ROWS // max(min(top, len(release.movies)), 1), 1)  # users of a row group
    rows = 0
    progress.begin("making lists", total=len(user_ids), unit="users")
    with _writing(out, release, top, narrowed=narrowing != _ALL) as write:
        for first in range(0, max(len(user_ids), 1), size):
            rows += write(rows_of_ids(release, user_ids[first : first + size], top, narrowing=narrowing))
            progress.reach(first + size)
    unknown = int(np.count_nonzero(release.users.find(user_ids, "user") < 0))
    return _result(release, out, users=len(user_ids), rows=rows, started=started, unknown=unknown)


def _find(
    search: Search, groups: Sequence[range], saved: SavedLists, pool: ThreadPoolExecutor
) -> Iterator[Lists]:
    """Iterate over the lists of each group, saved or new; the next group is searched while the caller writes one."""

    def begin(group: range) -> Callable[[], Lists]:
        if (kept := saved.load(group.start)) is not None:
            progress.reach(group.stop)
            return lambda: kept
        starts = range(group.start, group.stop, search.users_at_a_time)
        found = [
            pool.submit(search, slice(start, min(start + search.users_at_a_time, group.stop)))
            for start in starts
        ]

        def finish() -> Lists:
            parts = []
            for part, start in zip(found, starts, strict=True):
                parts.append(part.result())
                progress.reach(start + len(parts[-1][1]))
            scores, codes = zip(*parts, strict=True)
            lists = np.concatenate(scores), np.concatenate(codes)
            saved.save(group.start, lists)
            return lists

        return finish

    waiting: deque[Callable[[], Lists]] = deque()
    for group in groups:
        waiting.append(begin(group))
        if len(waiting) == 2:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


def _search(
    release: Release, top: int, *, narrowing: Narrowing, device: str | None, memory_mb: int
) -> Search:
    """The search for lists of a length, which a narrowing may cut."""
    allowed = mask_of(release, narrowing)

    def make(length: int) -> Search:
        if device is None:
            return KernelSearch(release, length, allowed=allowed)
        return TorchSearch(release, length, device=device, memory_mb=memory_mb, allowed=allowed)

    return CappedSearch(release, top, narrowing=narrowing, make=make) if narrowing.caps else make(top)


def _allowed(release: Release, narrowing: Narrowing) -> NDArray[np.bool_] | None:
    """The movies that may be listed; None for all. Raises ConfigError when there is none."""
    allowed = mask_of(release, narrowing)
    if allowed is not None and not allowed.any():
        raise ConfigError(
            f"None of the {len(allowed):,} movies of release {release.version} is left for the lists: "
            f"{narrowing.describe()}. Allow more ids or years."
        )
    return allowed


def _device(release: Release, settings: RecommendSettings) -> str | None:
    """The GPU to search on, or None for the CPU: models without factors are searched there.

    Raises ConfigError when a GPU is asked for and there is none.
    """
    if not has_vectors(release):
        return None
    device = choose_device(settings.device, setting="recommend.device")
    return device if device == "cuda" else None


@contextlib.contextmanager
def _writing(out: Path, release: Release, top: int, *, narrowed: bool) -> Iterator[Callable[[pa.Table], int]]:
    """A function that writes a row group and returns its rows; the file appears once it is whole."""
    schema = lists_schema(release).with_metadata(
        {"matinee.release": release.version, NARROWED if narrowed else TOP: str(top)}
    )

    checked = recommendations_schema(texts=text_columns(release))

    def write(table: pa.Table) -> int:
        checked.validate(pl.DataFrame(table))
        writer.write_table(table.cast(schema))
        return int(table.num_rows)

    with writing_to(out, ours=True) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        yield write


@contextlib.contextmanager
def _translate_disk_errors(out: Path) -> Iterator[None]:
    """Translate disk errors of the saved lists into an error that names `out`."""
    try:
        with writing_out(out):
            yield
    except OSError as error:
        raise ConfigError(f"{out} could not be written: {error.strerror or error}.") from error


def _result(
    release: Release, out: Path, *, users: int, rows: int, started: float, unknown: int = 0
) -> Recommended:
    return Recommended(
        release=release.version,
        users=users,
        rows=rows,
        out=str(out),
        seconds=round(time.perf_counter() - started, 3),
        unknown=unknown,
    )


def _check_top(top: int) -> None:
    if top < 1:
        raise ConfigError(f"Lists of {top} movies were requested; expected 1 or more.")
