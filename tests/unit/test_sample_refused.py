"""Samples that are refused: impossible sizes, and folders with other files, which stay as they are."""

from pathlib import Path

import pytest

from matinee.errors import ConfigError, StoreError
from matinee.sample import write_sample


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"ratings": 999}, "ratings is 999; expected 1,000 to"),
        ({"ratings": -1}, "ratings is -1"),
        ({"ratings": 1000, "dirty": 0.6}, "dirty is 0.6; expected 0 to 0.5"),
        ({"ratings": 1000, "dirty": float("nan")}, "dirty is nan"),
        ({"ratings": 1000, "seed": -1}, "seed is -1"),
        ({"ratings": 1000, "users": 0, "movies": -5}, "users is 0.*movies is -5"),
        ({"ratings": 1001, "users": 100, "movies": 10}, "expected 100 to 1,000"),
        ({"ratings": 1000, "users": 1001}, "Each user rates at least one"),
    ],
)
def test_an_impossible_sample_is_refused(tmp_path: Path, call: dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        write_sample(tmp_path / "out", **call)
    assert not (tmp_path / "out").exists()


def test_a_sample_replaces_only_files_of_an_earlier_sample(tmp_path: Path) -> None:
    write_sample(tmp_path, ratings=1000, format="netflix")
    (tmp_path / "notes.txt").write_text("mine")
    write_sample(tmp_path, ratings=1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "movie_titles.csv",
        "notes.txt",
        "ratings.csv",
        "truth.json",
    ]
    (tmp_path / "truth.json").unlink()
    before = (tmp_path / "ratings.csv").read_bytes()
    with pytest.raises(ConfigError, match="not from an earlier sample"):
        write_sample(tmp_path, ratings=2000)
    assert (tmp_path / "ratings.csv").read_bytes() == before


def test_a_failed_write_keeps_the_earlier_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sample(tmp_path, ratings=1000)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "ratings.csv"))

    monkeypatch.setattr("matinee.sample.content.write_csv", fail)
    with pytest.raises(StoreError, match="No space left"):
        write_sample(tmp_path, ratings=2000)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigError, match="can't be written"):
        write_sample(tmp_path / "out", ratings=1000)


@pytest.mark.parametrize("name", ["ratings.csv", "movie_titles.csv", "combined_data_1.txt"])
@pytest.mark.parametrize("truth", ["", "{}", '{"version": 1}'])
def test_an_invalid_truth_file_does_not_allow_overwriting(name: str, truth: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / "truth.json").write_text(truth)
    with pytest.raises(ConfigError, match="not from an earlier sample"):
        write_sample(tmp_path, ratings=1000)
    assert (tmp_path / name).read_text() == "mine"


def test_a_foreign_partial_folder_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ratings.csv").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".matinee-sample.partial").symlink_to(tmp_path / "mine")
    with pytest.raises((ConfigError, StoreError)):
        write_sample(tmp_path / "out", ratings=1000)
    (tmp_path / "out" / ".matinee-sample.partial").unlink()
    half = tmp_path / "out" / ".matinee-sample.partial"
    half.mkdir()
    (half / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="left as they are"):
        write_sample(tmp_path / "out", ratings=1000)
    assert (half / "thesis.txt").read_text() == (tmp_path / "mine" / "ratings.csv").read_text() == "mine"
    (half / "thesis.txt").rename(half / "ratings.csv")  # as after a killed call
    write_sample(tmp_path / "out", ratings=1000)
    assert not half.exists()
