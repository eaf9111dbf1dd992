"""Stores of earlier versions are read, retrained and migrated. tests/stores has one for each format of a release."""

import tarfile
from pathlib import Path

import pytest
from calls import Answer

import matinee
from matinee.cli.main import main
from matinee.settings.parse import read_settings
from matinee.store.identity import MARKER

STORES = Path(__file__).parents[1] / "stores"


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the ratings, the titles and the store of an earlier version; it is the current folder."""
    with tarfile.open(STORES / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return Path(request.param)


@pytest.mark.parametrize(
    ("old", "schema_version"), [("ratings", 1), ("plays", 2), ("text", 3)], indirect=["old"]
)
def test_a_store_of_an_earlier_version_is_read_and_its_next_run_announced(
    old: Path, schema_version: int, answer_of: Answer
) -> None:
    store = old / "store"
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    said = answer_of("migrate", "--store", str(store), "--dry-run")
    assert said["releases"] == [{"version": "v0001", "schema_version": schema_version}]
    assert said["unknown"] == ""
    assert said["computed_again"], "the code of some step has changed since"
    assert ("train" in said["computed_again"]) == (old.name != "plays"), "plays have no training"
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before

    release = matinee.load(store)
    user = release.users.ids[0]
    assert len(release.recommend(user, 3)) == 3
    if release.predicts:
        assert 1 <= release.predict([user], [release.movies.ids[0]])[0] <= 5
    assert main(["releases", "--store", str(store), "--verify", "--json"]) == 0


@pytest.mark.parametrize("old", ["ratings"], indirect=True)
def test_after_a_run_of_this_version_nothing_is_computed_again(old: Path, answer_of: Answer) -> None:
    settings = read_settings(file=old / "store/releases/v0001/settings.json")
    run = matinee.retrain(old / "ratings.csv", old / "movie_titles.csv", old / "store", settings=settings)
    assert run.release is not None
    for gone in (False, True):  # files that are no longer there are taken as unchanged
        if gone:
            (old / "ratings.csv").unlink()
        assert answer_of("migrate", "--store", str(old / "store"))["computed_again"] == []


@pytest.mark.parametrize("old", ["plays"], indirect=True)
def test_the_marker_is_added_and_a_later_format_is_refused(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = old / "store"
    (store / MARKER).unlink()
    for arguments, there in ((["--dry-run"], False), ([], True)):
        assert main(["migrate", "--store", str(store), *arguments]) == 0
        assert "lacks its marker" in capsys.readouterr().out
        assert (store / MARKER).exists() is there
    (store / MARKER).write_text('{"kind": "matinee-store", "version": 2}')
    for call in (["migrate"], ["prune"], ["rollback"]):
        assert main([*call, "--store", str(store)]) == 1
        assert "has format 2" in capsys.readouterr().err
