"""The scale follows from the values, their limits and their steps. Rejected or odd values are reported."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from matinee import ingest
from matinee.errors import DataError
from matinee.ingest.rating_counts import MOST_VALUES, add_counts, distribution
from matinee.ingest.rating_scale import narrowest_scale
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

STARS = {1: 300, 2: 700, 3: 1900, 4: 2000, 5: 1000}


@pytest.mark.parametrize(
    ("counts", "scale"),
    [
        (STARS, "1-5"),
        (STARS | {0: 4, 6: 4, 9: 4, -1: 4, 5.5: 4, 100: 4}, "1-5"),  # typing errors
        (STARS | {1.5: 70, 2.5: 200, 3.5: 500, 4.5: 350, 0.5: 57}, "0.5-5"),  # as in MovieLens 10M
        (STARS | {1.5: 70, 2.5: 200, 3.5: 500, 4.5: 350, 0.5: 2}, "0.5-5"),
        (STARS | {0: 30}, "0-5"),
        (STARS | {6: 20, 7: 12, 8: 5, 9: 2}, "1-10"),
        (STARS | {value / 10: 5 for value in range(1, 50)}, "0-5"),
        (dict.fromkeys(range(1, 11), 100) | {-1: 200}, "1-10"),  # -1 for "not rated"
        ({value / 7: 1 for value in range(-69, 70)} | {99: 80}, "-10-10"),  # 99 for the same
        (STARS | {99: 300}, "1-5"),
        (STARS | {99: 20, 9: 300}, "1-5"),
        (STARS | {98: 200, 99: 300, 50: 2}, "1-5"),
        (STARS | {-1: 300, 0: 40}, "0-5"),
        (STARS | {-99: 300, -1: 300, 999: 300}, "1-5"),
        (STARS | {6: 300}, "1-10"),  # ambiguous: a warning says that no rating is above 6
        (STARS | {1.5: 70, 2.5: 200, 3.5: 500, 4.5: 350, 0.5: 57, 9: 400}, "0.5-5"),
        (dict.fromkeys(range(1, 11), 100) | {0: 3, 99: 60}, "0-10"),
        (dict.fromkeys(range(1, 11), 100) | {0: 60, 99: 60}, "0-10"),
        ({value / 10: 9 for value in range(10, 51)} | {9: 40}, "1-5"),
        ({6: 9, 7: 9, 8: 9, 9: 9, 1: 9}, "1-10"),
        ({1: 9, 5: 9, 6: 9, 7: 9, 8: 9, 10: 3}, "1-10"),
        ({0: 9, 6: 9, 7: 9, 8: 9, 9: 9, 10: 9}, "0-10"),
        (dict.fromkeys((20, 40, 60, 80, 100), 9), "1-100"),
        (dict.fromkeys((0, 25, 50, 75, 100), 9), "0-100"),
        (dict.fromkeys((5, 10, 90, 95, 100), 9), "1-100"),
        (dict.fromkeys((60, 61, 62, 63, 64, 100), 9), "1-100"),
        (dict.fromkeys(range(101), 9) | {0: 40}, "0-100"),
        ({-1: 10, 1: 30}, "-1-1"),
        ({0: 10, 1: 30}, "0-1"),
        ({value / 10: 3 for value in range(11)}, "0-1"),
        ({-3: 5, -2: 5, 0: 9, 1: 5, 7: 2}, "-3-7"),
        ({17770: 10, 12: 1, 3: 1}, "1-100"),  # ids: the rows are refused
        ({3: 1}, "1-5"),
        ({}, "1-5"),
    ],
)
def test_the_scale_follows_from_the_values(counts: dict[float, int], scale: str) -> None:
    assert narrowest_scale(Counter(counts)) == scale


def test_values_of_a_continuous_scale_are_counted_in_bounded_memory() -> None:
    counts: Counter[float] = Counter()
    add_counts(counts, {value / 100_000: 1 for value in range(-20_000, 20_000)})
    assert len(counts) <= MOST_VALUES
    assert counts.total() == 40_000
    assert sum(distribution(counts, Counter({0.1: 7}), (-1, 1)).values()) == pytest.approx(39_993)


def make(folder: Path, *files: list[str], **setting: Any) -> Any:
    folder.mkdir(exist_ok=True)
    paths = []
    for number, values in enumerate(files):
        path = folder / f"{number}.csv"
        rows = [f"{row},{row % 7},{value}" for row, value in enumerate(values)]
        path.write_text("\n".join(["user,movie,rating", *rows, ""]))
        paths.append(path)
    titles = folder / "titles.csv"
    titles.write_text("".join(f"{movie},2003,T\n" for movie in range(8)))
    store = Store.open(folder / "store")
    settings = IngestSettings.model_validate(setting)
    dataset = store.ensure(ingest.plan(store, ratings=paths, titles=titles, settings=settings))
    return store.manifest("datasets", dataset.digest)


@pytest.mark.parametrize(
    ("values", "settings", "scale", "warning"),
    [
        (
            ["3", "4"] * 300 + ["9"] * 3,
            {},
            [1, 5],
            "not on the scale 1-5 and occur more than once were rejected: 9 (3 rows)",
        ),
        (["-7.5", "2.25", "9"] * 9, {}, [-10, 10], "The rating scale -10-10 was inferred"),
        (["-7.5", "2.25", "9"] * 9, {"scale": "-10-10"}, [-10, 10], ""),
        (["4"] * 9, {}, [1, 5], "All ratings are 4: there is nothing to learn"),
        (["0"] * 9 + ["7", "10"], {}, [0, 10], "9 of 11 ratings are 0"),
        (["0"] * 50 + ["5", "7", "10"] * 40, {}, [0, 10], "50 of 170 ratings are 0"),
        (["1", "2", "3", "4", "5", "6"] * 20, {}, [1, 10], "No rating is above 6, and the rating scale 1-10"),
        (["1", "1", "2", "40"] * 20, {}, [1, 100], "If they are numbers of plays or ids"),
        (
            ["3", "3.2"] * 9,
            {"scale": "1-5:0.5", "max_reject_fraction": 1},
            [1, 5],
            "more than once were rejected: 3.2 (9 rows)",
        ),
    ],
)
def test_odd_ratings_cause_a_warning(
    values: list[str], settings: dict[str, Any], scale: list[float], warning: str, tmp_path: Path
) -> None:
    manifest = make(tmp_path, values, **settings)
    assert manifest["scale"] == scale
    assert any(warning in each for each in manifest["warnings"]) if warning else not manifest["warnings"]


def test_files_on_different_scales_are_refused(tmp_path: Path) -> None:
    five, ten = list("12345") * 20, [str(1 + row % 10) for row in range(100)]
    with pytest.raises(DataError, match=r"different rating scales: .*0.csv \(1-5\); .*1.csv \(1-10\)"):
        make(tmp_path / "a", five, ten)
    with pytest.raises(
        DataError, match=r"0.csv, .* and 81 more \(1-5\); .*101.csv \(1-10\); .*102.csv \(either\)"
    ):
        make(tmp_path / "e", *[five] * 101, ten, ["3"])  # small files share a partition
    assert make(tmp_path / "b", five, ten, scale="1-10")["scale"] == [1, 10]
    assert make(tmp_path / "c", list("12345"), ten)["scale"] == [1, 10], "too few rows to tell"
    assert make(tmp_path / "d", five, ["0.5", "1.5", "2.5", "5"] * 20)["scale"] == [0.5, 5], "one scale"


@pytest.mark.parametrize("scale", ["5-1", "1", "1-x", "1-5:0", "1-5-9", "0-1e9"])
def test_an_invalid_scale_is_refused(scale: str) -> None:
    with pytest.raises(ValueError, match="expected auto or LOW-HIGH"):
        IngestSettings.model_validate({"scale": scale})
