"""Settings: precedence, and what a person is told about a wrong one."""

import json
from pathlib import Path

import pytest

from matinee.errors import ConfigError
from matinee.recipes import RECIPES
from matinee.settings import Settings
from matinee.settings_text import read_settings, setting_names


def test_set_wins_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"train": {"epochs": 3, "seed": 9}}))
    settings = read_settings(preset="fast", file=file, assignments=["train.epochs=5", "model.name=mlp"])
    assert (settings.train.epochs, settings.train.seed, settings.model.name) == (5, 9, "mlp")


def test_toml_and_lists_of_columns(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[ingest]\nscale = "1-10"\n')
    settings = read_settings(file=file, assignments=["ingest.columns=user_id=Who,rating=Stars"])
    assert settings.ingest.scale == "1-10"
    assert settings.ingest.columns == {"user_id": "Who", "rating": "Stars"}


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("train.epochs=-1", r"train\.epochs was given -1: .*greater than or equal to 1"),
        ("train.epoch=3", r"train\.epoch is not known; the nearest is train\.epochs"),
        ("trian.epochs=3", r"trian is not known; the nearest is train"),
        ("split.strategy=random", r"split\.strategy was given 'random'.*'stratified'"),
        ("gate.tolerance=nan", r"gate\.tolerance"),
        ("train.epochs", "expected SECTION.NAME=VALUE"),
        ("epochs=3", "expected SECTION.NAME=VALUE"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_way_out(assignment: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_settings(assignments=[assignment])


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"split\.seed.*train\.epochs"):
        read_settings(assignments=["split.seed=-1", "train.epochs=0"])


def test_an_unreadable_file_and_an_unknown_preset(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_settings(file=tmp_path / "bad.json")
    with pytest.raises(ConfigError, match="could not be read"):
        read_settings(file=tmp_path / "none.json")
    with pytest.raises(ConfigError, match="fast"):
        read_settings(preset="faster")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_leaves_nothing_open_and_resolving_twice_changes_nothing(name: str) -> None:
    resolved = read_settings(assignments=[f"model.name={name}"]).resolved()
    assert None not in {
        value
        for field, value in resolved.train.model_dump().items()
        if field not in ("trace_every", "sampler_rank", "chains", "sweeps", "burn_in")
    }
    assert resolved.model.embedding_size is not None
    assert resolved.resolved() == resolved


def test_every_setting_has_its_help() -> None:
    for name in setting_names():
        section, _, field = name.partition(".")
        assert Settings.model_fields[section].annotation.model_fields[field].description, name


def test_test_files_and_the_strategy_go_together() -> None:
    assert Settings().for_test_files(["test.csv"]).split.strategy == "given"
    assert Settings().for_test_files([]).split.strategy == "stratified"
    with pytest.raises(ConfigError, match="--test"):
        read_settings(assignments=["split.strategy=given"]).for_test_files([])
    with pytest.raises(ConfigError, match="shuffle"):
        read_settings(assignments=["split.strategy=shuffle"]).for_test_files(["test.csv"])
