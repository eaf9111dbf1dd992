"""What a nightly run takes: what lies complete in the drop folder and can be read, and whether it is new.

What was worked through last stands in the store's nightly.json: with the same files and settings nothing is to do. The
last titles that could be read are kept beside it: a broken title file costs a night nothing but new names.
"""

import contextlib
import filecmp
import shutil
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from matinee import ingest
from matinee.errors import ConfigError, DataError, StoreError
from matinee.errors.text import shown, spreadsheet_cell
from matinee.inbox.drop import Dropped, beside, look, place_of_refused, set_aside
from matinee.settings import Settings
from matinee.settings.ingest import LIMITS
from matinee.store import Store
from matinee.store.digests import digest_of
from matinee.store.disk_errors import writing
from matinee.store.documents import DONE, Mark, read_as
from matinee.store.files import replacing, write_json
from matinee.store.identity import refuse_link
from matinee.store.paths import KEPT_TITLES, check_apart, source_check

KEPT = KEPT_TITLES
_LEFT_ALONE = (
    "{path} is a Matinee store. It was not looked into and stays where it is. Move it out of the drop folder."
)
_CELL = 10_000  # characters of a rejected line that are shown; rejects.parquet has all


class Intake(BaseModel):
    """What a nightly run found."""

    model_config = ConfigDict(frozen=True)

    ratings: list[str]
    titles: str
    no_titles: str | None = None  # why the titles are those of an earlier run
    mark: str | None  # of files and settings together; None without ratings
    new: bool
    unfinished: list[str] = []
    refused: dict[str, str] = {}  # the report of each file that was set aside, and the reason

    def says(self) -> str:
        """What was found, in a sentence or two."""
        told = [f"{len(self.ratings):,} rating files" if self.ratings else "No rating file is complete"]
        told += [f"{len(self.unfinished):,} still being written: left alone"] if self.unfinished else []
        told += [f"{len(self.refused):,} set aside: see {self._reports()}"] if self.refused else []
        told += ["the titles are those of the last run that could read some"] if self.no_titles else []
        return "; ".join(told) + "."

    def _reports(self) -> str:
        return ", ".join(shown(report, _CELL) for report in self.refused)


def take_in(store: Store, drop: Path, *, titles: str, settings: Settings, settle_seconds: float) -> Intake:
    """Look through the drop folder, set aside what can't be read, and tell what a dataset would be made of now.

    `titles` is a path, relative ones within the drop folder. Where it is missing or broken, the last that could be
    read is taken; before there is one, that raises ConfigError or DataError. Raises ConfigError when the folder is not
    there.
    """
    check_apart(store.root, drop=drop)
    _check_name(drop)
    dropped = look(drop, settle_seconds=settle_seconds)
    refused = dict(_put_aside(drop, path, reason=reason) for path, reason in dropped.odd.items())
    refused |= {shown(path): _LEFT_ALONE.format(path=shown(path)) for path in dropped.stores}
    named = drop / titles
    ratings = [path for path in dropped.complete if path != named]
    if named in dropped.unfinished or not ratings:
        taken, fault, mark = named, None, None
    else:
        taken, fault = _readable(store, named, settings)
        faults = ingest.find_unreadable(ratings) | _links_into_stores(store, ratings)
        refused |= dict(_put_aside(drop, path, reason=reason) for path, reason in faults.items() if reason)
        ratings = [path for path in ratings if path not in faults]
        mark = _mark(store, ratings, taken, settings)
    if mark is not None and not _is_done(store, mark):
        screening = ingest.screen(store, ratings, settings=settings.ingest)
        refused |= dict(_set_aside(drop, screening, path) for path in screening.refused)
        ratings = screening.accepted
        mark = _mark(store, ratings, taken, settings)
    if fault and dropped.is_unchanged(named):
        refused |= dict([_put_aside(drop, named, reason=fault)])
    return Intake(
        ratings=[str(path) for path in ratings],
        titles=str(taken),
        no_titles=fault,
        mark=mark,
        new=mark is not None and not _is_done(store, mark),
        unfinished=_unfinished(dropped),
        refused=refused,
    )


def _links_into_stores(store: Store, paths: list[Path]) -> dict[Path, str]:
    """The links that lead into a store, and why they are not taken: its tables are no ratings that came in."""
    store_of = source_check(store.root)
    found = {path: store_of(path) for path in paths if path.is_symlink()}
    return {
        path: f"{shown(path)} is a link into the store {shown(place)}. Put the file itself here."
        for path, place in found.items()
        if place
    }


def _check_name(drop: Path) -> None:
    try:
        str(drop).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"The name of the drop folder {shown(drop)} is not UTF-8, and tables can't hold it. Rename it."
        ) from None


def remember(store: Store, intake: Intake) -> None:
    """Note that a run has worked this through: the gate has passed or held what came of it."""
    with writing(store.root):
        write_json(store.root / DONE, {"mark": intake.mark})


def _set_aside(drop: Path, screening: ingest.Screening, path: Path) -> tuple[str, str]:
    """Move a refused file, its rejects beside it: prune does not know that somebody wants to look at them."""
    reason = screening.refused[path]
    if path in screening.rejects:
        with contextlib.suppress(OSError):  # the refusal counts, and the store keeps the rejects for a while
            kept = beside(place_of_refused(drop, path), ".rejects.csv")
            with replacing(kept) as fresh:
                write_table_for_people(pl.read_parquet(screening.rejects[path]), fresh)
            reason = reason.replace(str(screening.rejects[path]), str(kept))
    return _put_aside(drop, path, reason=reason)


def _put_aside(drop: Path, path: Path, *, reason: str) -> tuple[str, str]:
    """The report of a file that was set aside, and the reason; the file itself where it can't be moved.

    No file may end the night: one that stays is refused again the next time.
    """
    try:
        return str(set_aside(drop, path, reason=reason)), reason
    except OSError as error:
        reason += f" It could not be set aside ({error.strerror or error}) and stays where it is: remove it by hand."
        return shown(path), reason


def write_table_for_people(table: pl.DataFrame, out: Path) -> None:
    """Write a CSV that may be opened in a terminal or a spreadsheet: neither obeys what a cell holds."""
    safe = pl.col(pl.String).map_elements(lambda text: spreadsheet_cell(shown(text, _CELL)), pl.String)
    table.with_columns(safe).write_csv(out)


def _readable(store: Store, titles: Path, settings: Settings) -> tuple[Path, str | None]:
    """The title file, which is kept for other nights; where it can't be read, the one kept last, and why."""
    kept = store.root / KEPT / titles.name
    try:
        check_apart(store.root, sources=[titles])
        if not _is_same(titles, kept):
            ingest.check_titles(titles, settings.ingest)
            with writing(store.root):
                kept.parent.mkdir(exist_ok=True)
                refuse_link(kept.parent)
                with replacing(kept) as fresh:
                    shutil.copyfile(titles, fresh)
    except (ConfigError, DataError) as error:
        if not kept.exists():
            raise
        return kept, str(error)
    return titles, None


def _is_same(titles: Path, kept: Path) -> bool:
    try:
        return filecmp.cmp(titles, kept, shallow=False)
    except OSError:  # one of them is not there, or can't be read: whoever reads it says so
        return False


def _mark(store: Store, ratings: list[Path], titles: Path, settings: Settings) -> str | None:
    if not ratings:
        return None
    planned = ingest.plan(store, ratings=ratings, titles=titles, settings=settings.ingest)
    meant = settings.spelled_out().model_dump(mode="json", exclude={"ingest": set(LIMITS)})
    return digest_of(dataset=planned.digest, settings=meant)


def _is_done(store: Store, mark: str) -> bool:
    try:
        return read_as(store.root / DONE, Mark).mark == mark
    except StoreError:  # absent or damaged: the run finds each step done by itself
        return False


def _unfinished(dropped: Dropped) -> list[str]:
    return [shown(path) for path in dropped.unfinished if not path.name.startswith(".")]
