"""The scale of the store decides which dropped files are on another one; the number of their rows never does."""

import json
from pathlib import Path

import pytest

from matinee import ingest
from matinee.errors import DataError
from matinee.ingest.inbox.intake import Intake, take_in
from matinee.settings import Settings
from matinee.settings.ingest import IngestSettings
from matinee.store import Store
from matinee.store.row_kinds import scale_of

TITLES = "movie_titles.csv"


def _file(path: Path, highest: int, rows: int) -> Path:
    lines = (f"{k},{k % 9},{1 + k % highest}\n" for k in range(rows))
    path.write_text("userID,movieID,rating\n" + "".join(lines))
    return path


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / TITLES).write_text("".join(f"{k},2003,Film {k}\n" for k in range(9)))
    return folder


def _store(tmp_path: Path, drop: Path, highest: int = 5) -> Store:
    """A store whose last dataset has ratings from 1 to `highest`."""
    store = Store.open(tmp_path / "store")
    source = _file(tmp_path / "known.csv", highest, 300)
    store.ensure(ingest.plan(store, ratings=[source], titles=drop / TITLES, settings=IngestSettings()))
    return store


def _night(store: Store, drop: Path, scale: str = "auto") -> Intake:
    settings = Settings.model_validate({"ingest": {"scale": scale}})
    return take_in(store, drop, titles=TITLES, settings=settings, settle_seconds=0)


def _names(drop: Path) -> set[str]:
    return {path.name for path in drop.iterdir()} - {TITLES}


@pytest.mark.parametrize(
    ("held", "wrong", "rows"), [(5, 10, 30_000), (5, 100, 30_000), (10, 5, 30_000), (5, 10, 300)]
)
def test_a_file_on_another_scale_than_the_store_is_refused_however_large(
    held: int, wrong: int, rows: int, drop: Path, tmp_path: Path
) -> None:
    store = _store(tmp_path, drop, held)
    _file(drop / "good.csv", held, 300)
    _file(drop / "good2.csv", held, 400)
    _file(drop / "wrong.csv", wrong, rows)
    found = _night(store, drop)
    assert [Path(path).name for path in found.ratings] == ["good.csv", "good2.csv"]
    assert _names(drop) == {"good.csv", "good2.csv", "refused"}
    ((report, reason),) = found.refused.items()
    assert f"wrong.csv has ratings on the scale 1-{wrong}, and the store has 1-{held}." in reason
    assert f"set ingest.scale=1-{max(wrong, held)} and put the file back" in Path(report).read_text()
    assert not _night(store, drop).refused
    planned = ingest.plan(
        store, ratings=[*map(Path, found.ratings)], titles=drop / TITLES, settings=IngestSettings()
    )
    assert scale_of_made(store, planned) == [1, held], "the dataset of the night has the store's scale"


def scale_of_made(store: Store, planned: object) -> list[int]:
    made = store.ensure(planned)  # type: ignore[arg-type]
    return list(json.loads((store.root / made.location / "manifest.json").read_text())["scale"])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])  # it shares a partition with the other file, or not
def test_a_file_of_numbers_that_are_no_ratings_takes_no_other_file_with_it(
    order: tuple[int, ...], drop: Path, tmp_path: Path
) -> None:
    store = _store(tmp_path, drop)
    _file(drop / "good.csv", 5, 500)
    numbers = (-(2**63), -1, 0, 7, 2**31, 2**63)
    rows = [("userID", "movieID", "rating"), *((k, k % 9, numbers[k % len(numbers)]) for k in range(120))]
    (drop / "numbers.csv").write_text("".join(",".join(str(row[k]) for k in order) + "\n" for row in rows))
    found = _night(store, drop)
    assert [Path(path).name for path in found.ratings] == ["good.csv"]
    ((_, reason),) = found.refused.items()
    assert "numbers.csv has ratings on the scale -1-7, and the store has 1-5." in reason


def test_small_files_that_share_a_partition_are_told_apart(drop: Path, tmp_path: Path) -> None:
    store = _store(tmp_path, drop)
    for k in range(24):  # more than a few small files are read together
        _file(drop / f"{k:02}.csv", 10 if k % 3 == 0 else 5, 200 + k)
    found = _night(store, drop)
    wrong = {f"{k:02}.csv.report.txt" for k in range(0, 24, 3)}
    assert {Path(report).name for report in found.refused} == wrong
    assert len(found.ratings) == 16


@pytest.mark.parametrize("rows", [(200, 30_000), (30_000, 200)])
def test_a_first_night_with_two_scales_moves_nothing_and_names_the_files(
    rows: tuple[int, int], drop: Path, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "store")
    _file(drop / "five.csv", 5, rows[0])
    _file(drop / "ten.csv", 10, rows[1])
    with pytest.raises(
        DataError, match=r"different rating scales.*Nothing was moved.*ingest\.scale=1-10"
    ) as caught:
        _night(store, drop)
    assert "five.csv (1-5)" in str(caught.value)
    assert "ten.csv (1-10)" in str(caught.value)
    assert _names(drop) == {"five.csv", "ten.csv"}
    assert len(_night(store, drop, "1-10").ratings) == 2


def test_a_drop_folder_that_is_wholly_on_another_scale_stops_the_night(drop: Path, tmp_path: Path) -> None:
    store = _store(tmp_path, drop)
    for name in ("a.csv", "b.csv"):
        _file(drop / name, 10, 300)
    with pytest.raises(DataError, match=r"scale 1-5 of the store: .*a\.csv \(1-10\).*ingest\.scale=1-10"):
        _night(store, drop)
    assert _names(drop) == {"a.csv", "b.csv"}
    assert len(_night(store, drop, "1-10").ratings) == 2


def test_few_rows_at_the_lower_end_and_half_stars_are_on_the_scale_of_the_store(
    drop: Path, tmp_path: Path
) -> None:
    store = _store(tmp_path, drop, 10)
    _file(drop / "few.csv", 5, 60)
    assert _night(store, drop).new
    (drop / "few.csv").unlink()
    _file(drop / "good.csv", 10, 300)
    (drop / "half.csv").write_text("userID,movieID,rating\n" + "1,1,0.5\n1,2,9.5\n1,3,7.5\n" * 3)
    assert not _night(store, drop).refused


def test_the_champion_decides_before_other_releases_and_datasets(drop: Path, tmp_path: Path) -> None:
    store = _store(tmp_path, drop)
    assert scale_of(store.root) == (1, 5)
    for version, scale in (("v0001", [1, 10]), ("v0002", [1, 100])):
        folder = store.root / "releases" / version
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"scale": scale}))
    assert scale_of(store.root) == (1, 100)
    (store.root / "champion.json").write_text('{"version": "v0001"}')
    assert scale_of(store.root) == (1, 10)
    (store.root / "champion.json").write_text('{"version": ')
    assert scale_of(store.root) == (1, 100), "a damaged pointer is reported by what uses it"
