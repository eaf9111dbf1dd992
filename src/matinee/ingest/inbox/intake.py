"""What a nightly run reads: the complete and readable files of the drop folder, and whether they are new.

nightly.json in the store records the files and settings of the last run; a run with the same ones has nothing to do.
The store also keeps the last readable titles file, so that a broken titles file does not stop a run.
"""

import contextlib
import filecmp
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from matinee import ingest
from matinee.errors import ConfigError, DataError, StoreError
from matinee.errors.text import shown, spreadsheet_cell
from matinee.ingest.inbox.drop import Dropped, beside, look, place_of_refused, set_aside
from matinee.settings import Settings
from matinee.settings.ingest import LIMITS
from matinee.store import Store
from matinee.store.digests import digest_of
from matinee.store.disk_errors import writing
from matinee.store.documents import DONE, Mark, read_as
from matinee.store.files import replacing, write_json
from matinee.store.identity import refuse_link
from matinee.store.paths import KEPT_TITLES, check_apart, source_check
from matinee.store.remote import pull_file, push_file, will_push

Refused = Callable[[str, str], None]  # gets the report of a refused file, and the reason

KEPT = KEPT_TITLES
_LEFT_ALONE = "{path} is a Matinee store. It was neither read nor moved. Move it out of the drop folder."
_CELL = 10_000  # maximum characters of a rejected line; rejects.parquet has the whole line


class Intake(BaseModel):
    """What a nightly run found in the drop folder."""

    model_config = ConfigDict(frozen=True)

    ratings: list[str]
    databases: int = 0  # whose rows are read besides
    titles: str
    no_titles: str | None = None  # why the titles are those of an earlier run
    mark: str | None  # of files and settings together; None without ratings
    new: bool
    unfinished: list[str] = []
    refused: dict[str, str] = {}  # the report of each refused file, and the reason

    def says(self) -> str:
        """What was found, in one sentence."""
        files = "1 rating file" if len(self.ratings) == 1 else f"{len(self.ratings):,} rating files"
        parts = [files if self.ratings else "No rating file is complete"]
        parts += (
            ["the rows of a database" if self.databases == 1 else f"the rows of {self.databases:,} databases"]
            if self.databases
            else []
        )
        parts += [f"{len(self.unfinished):,} still being written"] if self.unfinished else []
        parts += [f"{len(self.refused):,} set aside: see {self._reports()}"] if self.refused else []
        parts += ["titles of an earlier run are used"] if self.no_titles else []
        return "; ".join(parts) + "."

    def _reports(self) -> str:
        return ", ".join(shown(report, _CELL) for report in self.refused)


def _ignore(report: str, reason: str) -> None:
    """Listen to nothing."""


def take_in(
    store: Store,
    drop: Path,
    *,
    titles: str,
    settings: Settings,
    settle_seconds: float,
    rows: Sequence[Path] = (),
    on_refused: Refused = _ignore,
) -> Intake:
    """Find the files for a dataset in the drop folder, and set aside those that can't be read.

    Args:
        store: The store of the run.
        drop: The drop folder.
        titles: Path of the titles file, relative to the drop folder. If it is missing or broken, the last readable
            titles file is used.
        settings: Settings of the run.
        settle_seconds: Time without changes after which a file is complete.
        rows: Files with the rows of databases, which are read besides the dropped files.
        on_refused: Called with report and reason as soon as a file is set aside, so also if an error follows.

    Returns:
        The files, and whether they are new.

    Raises:
        ConfigError: The folder does not exist, or there is no titles file.
        DataError: The titles file is broken and there is no earlier one, the rows of a database are refused, or the
            files are on different scales and the store does not decide.
    """
    check_apart(store.root, drop=drop)
    _check_name(drop)
    dropped = look(drop, settle_seconds=settle_seconds)
    night = _Night(store, drop, settings, dropped, rows, on_refused)
    night.refuse_odd()
    named = drop / titles
    ratings = [path for path in dropped.complete if path != named]
    taken, fault, mark = named, None, None
    if named not in dropped.unfinished and (ratings or rows):
        taken, fault = _readable(store, named, settings)
        ratings = night.without_unreadable(ratings)
        mark = _mark(store, [*ratings, *rows], taken, settings)
    if mark is not None and not _is_done(store, mark):
        ratings = night.screen(ratings, taken)
        mark = _mark(store, [*ratings, *rows], taken, settings)
    if fault:
        night.put_aside(named, fault)
    return Intake(
        ratings=[str(path) for path in ratings],
        databases=len(rows),
        titles=str(taken),
        no_titles=fault,
        mark=mark,
        new=mark is not None and not _is_done(store, mark),
        unfinished=_unfinished(dropped),
        refused=night.refused,
    )


@dataclass
class _Night:
    """Sets files of a drop folder aside, and keeps the reports."""

    store: Store
    drop: Path
    settings: Settings
    dropped: Dropped
    rows: Sequence[Path]
    listener: Refused
    refused: dict[str, str] = field(default_factory=dict)

    def refuse_odd(self) -> None:
        """Set aside what is no readable file. Stores stay where they are."""
        for path, reason in self.dropped.odd.items():
            self._say(*_put_aside(self.drop, path, reason=reason))
        for path in self.dropped.stores:
            self._say(shown(path), _LEFT_ALONE.format(path=shown(path)))

    def without_unreadable(self, ratings: list[Path]) -> list[Path]:
        """The files that can be read at all."""
        faults = ingest.find_unreadable(ratings) | _links_into_stores(self.store, ratings)
        for path, reason in faults.items():
            if reason:
                self.put_aside(path, reason)
        return [path for path in ratings if path not in faults]

    def screen(self, ratings: list[Path], titles: Path) -> list[Path]:
        """The files that are accepted; their rejects are written next to the others.

        Raises DataError if the rows of a database are refused, or if the store does not decide between scales.
        """
        screening = ingest.screen(
            self.store, [*ratings, *self.rows], settings=self.settings.ingest, titles=titles
        )
        for path in self.rows:
            if path in screening.refused:
                raise DataError(screening.refused[path])
        for path, reason in screening.refused.items():
            self.put_aside(path, reason, rejects=screening.rejects.get(path))
        return [path for path in screening.accepted if path not in self.rows]

    def put_aside(self, path: Path, reason: str, *, rejects: Path | None = None) -> None:
        """Set a file aside, unless it has changed: then the reason may be about another file."""
        if not self.dropped.is_unchanged(path):
            return
        if rejects is not None:
            reason = _write_rejects(self.drop, path, rejects, reason)
        self._say(*_put_aside(self.drop, path, reason=reason))

    def _say(self, report: str, reason: str) -> None:
        self.refused[report] = reason
        self.listener(report, reason)


def _links_into_stores(store: Store, paths: list[Path]) -> dict[Path, str]:
    """The links that point into a store, with the reason of their refusal: tables of a store are not new ratings."""
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
            f"The name of the drop folder {shown(drop)} is not UTF-8 and can't be written to tables. Rename it."
        ) from None


def remember(store: Store, intake: Intake) -> None:
    """Record that a run is done with these files and settings: the gate has decided on its candidate."""
    with writing(store.root):
        will_push(store.root, DONE)
        write_json(store.root / DONE, {"mark": intake.mark})
    push_file(store.root, DONE)


def _write_rejects(drop: Path, path: Path, rejects: Path, reason: str) -> str:
    """Write the rejects of a file for people, because prune removes those in the store; returns the reason."""
    with contextlib.suppress(OSError):  # not essential: the store has the rejects too, until prune
        kept = beside(place_of_refused(drop, path), ".rejects.csv")
        with replacing(kept) as fresh:
            write_table_for_people(pl.read_parquet(rejects), fresh)
        return reason.replace(str(rejects), str(kept))
    return reason


def _put_aside(drop: Path, path: Path, *, reason: str) -> tuple[str, str]:
    """Set a file aside; returns its report and the reason. If it can't be moved, the file stands for the report.

    A file that stays does not stop the run; the next run refuses it again.
    """
    try:
        return shown(set_aside(drop, path, reason=reason), _CELL), shown(reason, _CELL)
    except OSError as error:
        reason += f" It could not be moved ({error.strerror or error}). Remove it by hand."
        return shown(path), reason


def write_table_for_people(table: pl.DataFrame, out: Path) -> None:
    """Write a CSV that is safe in a terminal and in a spreadsheet: cells have no control characters and no formulas."""
    safe = pl.col(pl.String).map_elements(lambda text: spreadsheet_cell(shown(text, _CELL)), pl.String)
    table.with_columns(safe).write_csv(out)


def _readable(store: Store, titles: Path, settings: Settings) -> tuple[Path, str | None]:
    """The titles file, which is copied to the store; if it can't be read, the last copy and the reason."""
    kept = store.root / KEPT / titles.name
    pull_file(store.root, f"{KEPT}/{titles.name}")
    try:
        check_apart(store.root, sources=[titles])
        if not _is_same(titles, kept):
            ingest.check_titles(titles, settings.ingest, store=store)
            with writing(store.root):
                kept.parent.mkdir(exist_ok=True)
                refuse_link(kept.parent)
                with replacing(kept) as fresh:
                    shutil.copyfile(titles, fresh)
            push_file(store.root, f"{KEPT}/{titles.name}")
    except (ConfigError, DataError) as error:
        if not kept.exists():
            raise
        return kept, str(error)
    return titles, None


def _is_same(titles: Path, kept: Path) -> bool:
    try:
        return filecmp.cmp(titles, kept, shallow=False)
    except OSError:  # a missing or unreadable file is reported when it is read
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
    except StoreError:  # absent or damaged; the run then finds each step finished
        return False


def _unfinished(dropped: Dropped) -> list[str]:
    return [shown(path) for path in dropped.unfinished if not path.name.startswith(".")]
