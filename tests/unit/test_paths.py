"""Store, sources, drop folder and outputs do not contain each other, also through links. No path is empty."""

from pathlib import Path

import pytest

from matinee.cli.main import main as matinee
from matinee.errors import ConfigError
from matinee.ingest.inbox.intake import take_in
from matinee.ops.up import main as up
from matinee.pipeline import retrain
from matinee.settings import Settings
from matinee.store import Store
from matinee.store.paths import check_apart, check_place, holds


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """Two folders of data, one of which contains a store, and links to them."""
    Store.open(tmp_path / "data" / "store")
    (tmp_path / "data" / "r.csv").write_text("")
    (tmp_path / "data" / "store" / "titles").mkdir()
    (tmp_path / "data" / "store" / "titles" / "t.csv").write_text("")
    (tmp_path / "apart").mkdir()
    for name, target in (("to_data", "data"), ("to_store", "data/store"), ("to_apart", "apart")):
        (tmp_path / name).symlink_to(tmp_path / target)
    (tmp_path / "apart" / "linked.csv").symlink_to(tmp_path / "data" / "store" / "matinee-store.json")
    (tmp_path / "apart" / "store").symlink_to(tmp_path / "data" / "store")
    return tmp_path


MIXED = {
    "the store itself": "data/store",
    "a folder that holds it": "data",
    "a link to such a folder": "to_data",
    "a link to the store": "to_store",
    "a file in it": "data/store/matinee-store.json",
    "a file in it that is not there yet": "data/store/new/r.csv",
    "a detour": "apart/../data/store/../store",
    "a link to a file in it": "apart/linked.csv",
    "a glob that matches it": "data/*",
    "a glob within it": "data/store/*.json",
    "a glob over all folders": "**/*.json",
    "a glob that matches a link to it": "apart/st*",
}
APART = {
    "files beside the store by a glob": "data/*.csv",
    "another folder": "to_apart",
    "a glob without a match": "data/*.nothing",
    "the titles that a night kept": "data/store/titles/t.csv",
    "a path that is not there": "nothing/r.csv",
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("store", ["data/store", "to_store", "apart/store"])
def test_a_source_that_contains_the_store_or_is_inside_it_is_refused(
    name: str, store: str, ground: Path
) -> None:
    with pytest.raises(ConfigError, match="one is inside the other"):
        check_apart(ground / store, sources=[str(ground / "apart" / "none.csv"), str(ground / MIXED[name])])


@pytest.mark.parametrize("name", APART)
def test_sources_outside_of_the_store_are_accepted(name: str, ground: Path) -> None:
    check_apart(ground / "to_store", sources=[ground / APART[name]])


@pytest.mark.parametrize("drop", ["data", "to_data", "data/store", "data/store/drop", "apart/store/releases"])
def test_a_drop_folder_and_a_store_must_not_contain_each_other(drop: str, ground: Path) -> None:
    store = Store(ground / "data" / "store")
    with pytest.raises(ConfigError, match="he drop folder"):
        take_in(store, ground / drop, titles="t.csv", settings=Settings(), settle_seconds=0)
    assert not list(ground.rglob("refused"))


@pytest.mark.parametrize("store", ["drop/store", "drop"])
def test_make_up_refuses_folders_that_contain_each_other(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matinee.ops.up.signal.signal", lambda *_: None)
    with pytest.raises(ConfigError, match="one is inside the other"):
        up(["--drop", str(tmp_path / "drop"), "--store", str(tmp_path / store)])
    assert not list(tmp_path.iterdir())


def test_a_program_creates_no_store_in_its_sources(ground: Path) -> None:
    with pytest.raises(ConfigError, match="one is inside the other"):
        retrain(ground / "data", None, ground / "data" / "new")
    with pytest.raises(ConfigError, match="is empty"):
        retrain("", None, ground / "new")
    assert not list(ground.rglob("new"))


@pytest.mark.parametrize("text", ["", " ", "\t\n", "a\0b"])
def test_an_empty_path_is_refused(text: str, tmp_path: Path) -> None:
    calls = [
        lambda: check_apart(text),
        lambda: check_apart(tmp_path, drop=text),
        lambda: check_apart(tmp_path, sources=[text]),
        lambda: check_place(text),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match=r"is empty|null byte"):
            call()


@pytest.mark.parametrize(
    "out", ["data/store/out.csv", "to_store/releases/out.csv", "apart/store", "to_data/r.csv"]
)
def test_an_output_in_a_store_or_equal_to_an_input_is_refused(out: str, ground: Path) -> None:
    with pytest.raises(ConfigError, match=r"is inside the store|is also an input"):
        check_place(ground / out, inputs=[ground / "data" / "r.csv"])


def test_outputs_elsewhere_are_accepted(ground: Path) -> None:
    for out in ("out.csv", "data/out.csv", "to_apart/out.csv"):
        check_place(ground / out, inputs=[ground / "data" / "r.csv"])


def test_names_with_the_same_prefix_do_not_contain_each_other(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    assert not holds(tmp_path / "store", tmp_path / "store-2" / "r.csv")
    assert holds(tmp_path / "store", tmp_path / "store" / "r.csv")


def test_an_error_about_an_option_ends_in_one_full_stop(capsys: pytest.CaptureFixture[str]) -> None:
    assert matinee(["prune", "--store", ""]) == 2
    said = capsys.readouterr().err
    assert "is empty" in said
    assert ".. " not in said
