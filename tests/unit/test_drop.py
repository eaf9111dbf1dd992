"""The drop folder: which files are complete, which are set aside, and when nothing is new."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

from matinee.errors import ConfigError, DataError
from matinee.ingest.inbox.drop import look, set_aside
from matinee.ingest.inbox.intake import Intake, remember, take_in, write_table_for_people
from matinee.settings import Settings
from matinee.store import Store

HOUR = 3600


def _names(paths: Iterable[Path]) -> list[str]:
    return [path.name for path in paths]


def test_unfinished_files_are_ignored(tmp_path: Path) -> None:
    for name in ("whole.csv", ".hidden.csv", "a.csv.part", "b.TMP", "c.crdownload", "refused/old.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    now = (tmp_path / "whole.csv").stat().st_ctime + HOUR
    with (tmp_path / "open.csv").open("w") as out:
        out.write("a row\n")
        out.flush()
        os.utime(tmp_path / "open.csv", (0, 0))
        dropped = look(tmp_path, settle_seconds=5, now=now)
        assert _names(dropped.complete) == ["whole.csv"]
    assert _names(look(tmp_path, settle_seconds=5, now=now).complete) == ["open.csv", "whole.csv"]


def test_a_file_that_changes_during_the_check_is_unfinished(tmp_path: Path) -> None:
    grows, stays, new = (tmp_path / name for name in ("grows.csv", "stays.csv", "new.csv"))
    grows.write_text("a")
    stays.write_text("a")

    def meanwhile(seconds: float) -> None:
        assert seconds == 5
        grows.write_text("ab")
        new.write_text("a")

    dropped = look(tmp_path, settle_seconds=5, sleep=meanwhile)
    assert _names(dropped.complete) == ["stays.csv"]
    assert _names(dropped.unfinished) == ["grows.csv", "new.csv"]


def test_a_missing_drop_folder_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Create it"):
        look(tmp_path / "drop", settle_seconds=0)


def test_broken_files_are_set_aside_and_unchanged_files_are_nothing_new(sample: Path, tmp_path: Path) -> None:
    drop, store = tmp_path / "drop", Store.open(tmp_path / "store")
    drop.mkdir()

    def intake(**ingest: float) -> Intake:
        settings = Settings.model_validate({"ingest": ingest})
        return take_in(store, drop, titles="movie_titles.csv", settings=settings, settle_seconds=0)

    assert not intake().new
    shutil.copy(sample / "movie_titles.csv", drop)
    text = (sample / "ratings.csv").read_text()
    (drop / "good.csv").write_text(text)
    few = text.splitlines(keepends=True)[:40]  # one reject in so few rows exceeds the limit
    (drop / "few.csv").write_text("".join(few) + "1,2,wrong,2005-01-01\n")
    (drop / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00cut off")
    (drop / "empty.csv").touch()
    (drop / "notes.txt").write_text("Ratings of May follow.\n")
    (drop / "header.csv").write_text("userID,movieID,rating\n")
    found = intake()
    assert found.new and _names(map(Path, found.ratings)) == ["good.csv"]
    refused = {path.name for path in (drop / "refused").iterdir()}
    wrong = {"few.csv", "cut.csv.gz", "empty.csv", "notes.txt", "header.csv"}
    assert wrong | {f"{name}.report.txt" for name in wrong} <= refused
    assert ",rating,rating_not_a_number" in (drop / "refused" / "few.csv.rejects.csv").read_text()
    report = (drop / "refused" / "few.csv.report.txt").read_text()
    assert "few.csv.rejects.csv" in report and str(store.root) not in report

    remember(store, found)
    assert not intake().new
    assert intake(max_reject_fraction=0.5).new
    (drop / "more.csv").write_text(text)
    assert intake().new


def test_broken_or_missing_titles_are_replaced_by_the_last_readable_ones(
    sample: Path, tmp_path: Path
) -> None:
    drop, store = tmp_path / "drop", Store.open(tmp_path / "store")
    drop.mkdir()
    shutil.copy(sample / "ratings.csv", drop / "may.csv")
    titles = drop / "movie_titles.csv"

    def intake() -> Intake:
        return take_in(store, drop, titles=titles.name, settings=Settings(), settle_seconds=0)

    with pytest.raises(ConfigError, match=titles.name):
        intake()
    titles.write_text("\n")
    with pytest.raises(DataError, match="blank"):
        intake()
    shutil.copy(sample / titles.name, drop)
    whole = intake()
    assert whole.titles == str(titles) and whole.no_titles is None

    titles.write_text("\n")
    broken = intake()
    assert broken.mark == whole.mark, "the same ratings and titles as before"
    assert Path(broken.titles).read_bytes() == (sample / titles.name).read_bytes()
    assert [*broken.refused] == [str(drop / "refused" / f"{titles.name}.report.txt")]
    missing = intake()
    assert missing.mark == whole.mark and not missing.refused
    assert missing.no_titles and "titles of an earlier run" in missing.says()
    titles.write_text("1,2003,Another Name\n")
    assert intake().mark != whole.mark


def test_a_table_of_rejects_is_safe_in_spreadsheets_and_terminals(tmp_path: Path) -> None:
    raw = ['=HYPERLINK("http://evil")', "-1+1", "\x1b[2J", "6,8,9"]
    write_table_for_people(pl.DataFrame({"line": [1, 2, 3, 4], "raw": raw}), tmp_path / "rejects.csv")
    assert (tmp_path / "rejects.csv").read_text().splitlines() == [
        "line,raw",
        '1,"\'=HYPERLINK(""http://evil"")"',
        "2,'-1+1",
        "3,\\x1b[2J",
        '4,"6,8,9"',
    ]


def test_a_report_has_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "evil\x1b[2J.csv"
    path.touch()
    report = set_aside(tmp_path, path, reason="odd\x07")
    assert not {char for char in report.read_text() if char < " "} - {"\n"}


def test_stores_and_links_into_them_are_ignored_and_the_night_continues(sample: Path, tmp_path: Path) -> None:
    drop, store, other = (
        tmp_path / "drop",
        Store.open(tmp_path / "store"),
        tmp_path / "drop" / "sub" / "backup",
    )
    (store.root / "partitions").mkdir()
    other.parent.mkdir(parents=True)
    Store.open(other)
    for name in ("ratings.csv", "movie_titles.csv"):
        shutil.copy(sample / name, drop)
    shutil.copy(sample / "ratings.csv", other / "inside.csv")
    shutil.copy(sample / "ratings.csv", store.root / "partitions" / "its.csv")
    (drop / "link.csv").symlink_to(store.root / "partitions" / "its.csv")
    (drop / "link2.csv").symlink_to(other / "inside.csv")
    found = take_in(store, drop, titles="movie_titles.csv", settings=Settings(), settle_seconds=0)
    assert _names(map(Path, found.ratings)) == ["ratings.csv"] and found.new
    assert "leads out of the drop folder" in (drop / "refused" / "link.csv.report.txt").read_text()
    assert "link into the store" in (drop / "refused" / "link2.csv.report.txt").read_text()
    assert (drop / "refused" / "link2.csv").is_symlink()
    assert "neither read nor moved" in found.refused[str(other)] and (other / "inside.csv").is_file()
    for inside in (other, other / "sub"):
        inside.mkdir(exist_ok=True)
        with pytest.raises(ConfigError, match="one is inside the other"):
            take_in(store, inside, titles="movie_titles.csv", settings=Settings(), settle_seconds=0)


def test_titles_are_not_written_through_a_link_and_not_read_from_a_store(
    sample: Path, tmp_path: Path
) -> None:
    drop, store, foreign = tmp_path / "drop", Store.open(tmp_path / "store"), tmp_path / "foreign"
    for folder in (drop, foreign):
        folder.mkdir()
    for name in ("ratings.csv", "movie_titles.csv"):
        shutil.copy(sample / name, drop)

    def intake() -> Intake:
        return take_in(store, drop, titles="movie_titles.csv", settings=Settings(), settle_seconds=0)

    (store.root / "titles").symlink_to(foreign)
    with pytest.raises(ConfigError, match="symbolic link"):
        intake()
    assert not list(foreign.iterdir())
    (store.root / "titles").unlink()
    assert not intake().refused
    shutil.copy(sample / "movie_titles.csv", store.root / "mine.csv")
    (drop / "movie_titles.csv").unlink()
    (drop / "movie_titles.csv").symlink_to(store.root / "mine.csv")
    found = intake()
    assert "does not exist" in str(found.no_titles), "the titles kept last are taken"
    assert "leads out of the drop folder" in "".join(found.refused.values())
