"""Settings: precedence, and errors about wrong settings."""

import json
import os
import re
from pathlib import Path
from typing import get_args

import pytest

from matinee.cli.main import main
from matinee.errors import ConfigError
from matinee.schemas.delimiters import DELIMITERS
from matinee.settings import Settings
from matinee.settings.ingest import DelimiterName
from matinee.settings.parse import read_settings, setting_names
from matinee.settings.presets import RECIPES


def test_set_overrides_the_file_and_the_file_overrides_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"train": {"epochs": 3, "seed": 9}}))
    settings = read_settings(preset="fast", file=file, assignments=["train.epochs=5", "model.name=mlp"])
    assert (settings.train.epochs, settings.train.seed, settings.model.name) == (5, 9, "mlp")


def test_toml_files_and_column_names_are_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[ingest]\nscale = "1-10"\n')
    settings = read_settings(file=file, assignments=["ingest.columns=user_id=Who,rating=Stars"])
    assert settings.ingest.scale == "1-10"
    assert settings.ingest.columns == {"user_id": "Who", "rating": "Stars"}


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("train.epochs=-1", r"train\.epochs was given -1; expected 1 or more\."),
        ("train.epoch=3", r"train\.epoch is not known; the nearest is train\.epochs"),
        ("trian.epochs=3", r"trian is not known; the nearest is train"),
        ("split.strategy=random", r"split\.strategy was given 'random'.*'stratified'"),
        ("gate.tolerance=nan", r"gate\.tolerance"),
        ("train.epochs=many", r"train\.epochs was given 'many'; expected a whole number\."),
        ("model.biases=maybe", r"expected true or false"),
        ("train=3", "expected SECTION.NAME=VALUE"),
        ("train.epochs", "expected SECTION.NAME=VALUE"),
        ("epochs=3", "expected SECTION.NAME=VALUE"),
        ("ingest.columns=date", "expected NAME=COLUMN"),
        ("ingest.columns=rating=A,rating=B", "rating is given twice"),
    ],
)
def test_the_error_of_a_wrong_setting_names_it_and_gives_advice(assignment: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_settings(assignments=[assignment])


def test_a_fault_between_a_preset_and_a_setting_names_what_the_preset_sets() -> None:
    with pytest.raises(
        ConfigError, match=r"train\.epochs has no effect.*Preset accurate sets train\.method=gibbs"
    ):
        read_settings(preset="accurate", assignments=["train.epochs=3"])


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigError, match=r"split\.seed.*train\.epochs"):
        read_settings(assignments=["split.seed=-1", "train.epochs=0"])


def test_an_unreadable_file_and_an_unknown_preset_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_settings(file=tmp_path / "bad.json")
    with pytest.raises(ConfigError, match="could not be read"):
        read_settings(file=tmp_path / "none.json")
    with pytest.raises(ConfigError, match="fast"):
        read_settings(preset="faster")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_resolves_completely(name: str) -> None:
    resolved = read_settings(assignments=[f"model.name={name}"]).resolved()
    assert None not in {*resolved.train.model_dump().values(), *resolved.model.model_dump().values()}
    assert resolved.written().resolved() == resolved


@pytest.mark.parametrize(
    ("assignments", "told"),
    [
        (
            ["train.sweeps=10"],
            r"train\.sweeps has no effect with train\.method=sgd .*set train\.method=gibbs",
        ),
        (["model.name=mlp", "train.sweeps=10"], r"train\.sweeps .*train\.method=adagrad .*Leave it out\.$"),
        (["train.method=gibbs", "train.epochs=3"], r"train\.epochs .*gibbs.*set train\.method=sgd"),
        (["train.method=gibbs", "train.patience=9"], r"train\.patience .*gibbs.*sgd, adagrad, adam"),
        (["model.hidden_size=8"], r"model\.hidden_size .*model\.name=dot; it is for mlp, neumf"),
        (["model.name=linear", "model.biases=false"], r"model\.biases .*set model\.name=dot"),
        (["model.name=mlp", "train.method=sgd"], "only the dot model"),
        (["train.method=gibbs", "train.burn_in=80"], r"burn_in is 80 and train\.sweeps is 75"),
        (["train.sweeps=10", "model.dropout=0.5"], r"model\.dropout has.*train\.sweeps has"),
    ],
)
def test_a_setting_that_the_method_does_not_use_is_refused(assignments: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_settings(assignments=assignments)


@pytest.mark.parametrize(
    "name", ["model.name=mlp", "train.method=gibbs", "train.method=adam", "ingest.feedback=implicit"]
)
def test_settings_stored_in_a_release_can_be_used_again(name: str, tmp_path: Path) -> None:
    kept = read_settings(assignments=[name]).spelled_out()
    (tmp_path / "settings.json").write_text(kept.model_dump_json())
    assert read_settings(file=tmp_path / "settings.json") == kept
    assert kept.resolved() == read_settings(assignments=[name]).resolved()


def test_settings_without_effect_in_an_older_release_are_dropped() -> None:
    kept = Settings.model_validate({"train": {"sweeps": 10, "method": "sgd"}, "model": {"dropout": 0.5}})
    assert kept.resolved() == Settings().resolved()


def test_every_setting_has_a_help_text() -> None:
    for name in setting_names():
        section, _, field = name.partition(".")
        assert Settings.model_fields[section].annotation.model_fields[field].description, name


def test_test_files_are_used_only_with_the_strategy_given() -> None:
    assert Settings().for_test_files(["test.csv"]).split.strategy == "given"
    assert Settings().for_test_files([]).split.strategy == "stratified"
    with pytest.raises(ConfigError, match="--test"):
        read_settings(assignments=["split.strategy=given"]).for_test_files([])
    with pytest.raises(ConfigError, match="shuffle"):
        read_settings(assignments=["split.strategy=shuffle"]).for_test_files(["test.csv"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("deep.json", b'{"train": ' + b"[" * 100_000, "nested too deeply"),
        ("deep.toml", b"train = " + b"[" * 100_000, "nested too deeply"),
        ("nan.json", b'{"train": {"learning_rate": NaN}}', "NaN is not a number"),
        ("inf.toml", b"[train]\nlearning_rate = inf", "finite"),
        ("huge.json", b'{"train": {"epochs": ' + b"9" * 5000 + b"}}", "a number of 5,000 digits"),
        ("hex.toml", b"[train]\nepochs = 0x" + b"f" * 5000, "a number with too many digits"),
        ("twice.json", b'{"train": {"epochs": 1, "epochs": 2}}', "epochs is given twice"),
        ("latin.json", b'{"train": "\xff"}', "not UTF-8"),
        ("long.json", b" " * (1 << 21), "larger than 1 MB"),
        ("dots.toml", b'"train.epochs" = 5', 'Setting "train.epochs" is not known'),
        ("line.toml", b'"train\\nepochs" = 5', r'Setting "train\nepochs" is not known'),
        ("escape.json", b'{"\\u001b[31m": 1}', r'Setting "\u001b[31m" is not known'),
        (
            "many.json",
            b'{"a0": 1' + b"".join(b',"a%d": 1' % each for each in range(1, 50)) + b"}",
            "30 other",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_hostile_settings_file_is_reported_in_one_sentence(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(says)) as told:
        read_settings(file=tmp_path / name)
    assert str(told.value).isprintable()
    assert len(str(told.value)) <= 4_100


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"train": {"epochs": 3}}')
    assert read_settings(file=tmp_path / "bom.json").train.epochs == 3


def test_settings_are_read_from_plain_files_and_shell_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(ConfigError, match="could not be read"):
            read_settings(file=path)
    reading, writing = os.pipe()
    os.write(writing, b'{"train": {"epochs": 3}}')
    os.close(writing)
    assert read_settings(file=Path(f"/dev/fd/{reading}")).train.epochs == 3
    os.close(reading)


@pytest.mark.parametrize(
    "text",
    [
        *("train.epochs", "=1", ".=1", "train.=1", ".epochs=1", "train.epochs=1_0", "train.epochs=١٢"),
        *("train.learning_rate=nan", "train.learning_rate=-Infinity", "train.ep\x1bochs=1", "@file"),
    ],
)
def test_an_unusual_number_in_an_assignment_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="was not understood"):
        read_settings(assignments=[text])


def test_the_later_of_two_assignments_wins() -> None:
    assert read_settings(assignments=["train.epochs=1", "train.epochs=2"]).train.epochs == 2


def test_the_verb_lists_the_settings_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in listed if "." in line.partition(" ")[0]} == set(setting_names())
    assert next(line for line in listed if line.startswith("train.sweeps")).split()[1] == "–"

    assert (
        main(["settings", "gate.tolerance", "sweeps", "--preset", "accurate", "--set", "train.sweeps=99"])
        == 0
    )
    shown = capsys.readouterr().out
    assert (
        "gate.tolerance\n  value    0.002\n  values   number, ≥ 0, ≤ 10\n  meaning  Maximum amount" in shown
    )
    assert "train.sweeps\n  value    99\n" in shown

    assert main(["settings", "gate", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out).values()
    assert {each["name"].partition(".")[0] for each in facts} == {"gate"}
    assert main(["settings", "train.epoch"]) == 2
    assert "the nearest is train.epochs" in capsys.readouterr().err
    assert main(["settings", "--set", "train.sweeps=9"]) == 2  # refused as by a run


@pytest.mark.parametrize(
    ("assignments", "name"),
    [
        (["split.last_n=2"], "last_n"),
        (["split.strategy=last_n", "split.test_fraction=0.2"], "test_fraction"),
        (["split.strategy=temporal", "split.seed=7"], "seed"),
        (["split.strategy=given", "split.last_n=2"], "last_n"),
    ],
)
def test_settings_that_the_split_ignores_are_refused(assignments: list[str], name: str) -> None:
    with pytest.raises(ConfigError, match=f"split.{name} has no effect with split.strategy"):
        read_settings(assignments=assignments)


def test_test_files_leave_no_share_to_choose() -> None:
    chosen = read_settings(assignments=["split.test_fraction=0.2"])
    with pytest.raises(ConfigError, match=r"split.strategy=given \(set by --test\)"):
        chosen.for_test_files(["test.csv"])
    assert read_settings(assignments=["split.seed=7"]).for_test_files(["test.csv"]).split.seed == 7


def test_settings_without_effect_are_listed_with_a_dash() -> None:
    def listed(*assignments: str) -> set[str]:
        return set(setting_names()) - set(read_settings(assignments=assignments).values())

    assert listed() >= {"split.last_n", "train.sweeps", "model.dropout"}
    assert listed("split.strategy=last_n") >= {"split.test_fraction", "split.seed"}
    assert listed("ingest.feedback=implicit") >= {
        "gate.tolerance",
        "model.name",
        "train.epochs",
        "release.storage",
    }
    assert not listed("ingest.feedback=implicit") & {"gate.ranking_tolerance", "train.refit", "split.seed"}


def test_every_delimiter_can_be_set() -> None:
    assert get_args(DelimiterName) == ("auto", *DELIMITERS, "blanks")


def test_the_method_of_the_settings_of_a_release_can_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    for written, change in (
        (["train.seed=3", "train.epochs=9"], "train.method=adam"),
        (["train.seed=3"], "train.method=gibbs"),
        (["train.method=gibbs", "train.seed=3"], "train.method=sgd"),
        (["train.seed=3"], "model.name=mlp"),
        (["model.name=mlp", "train.seed=3"], "model.name=dot"),
    ):
        file.write_text(read_settings(assignments=written).spelled_out().model_dump_json())
        found = read_settings(file=file, assignments=[change])
        chosen = [each for each in written if not each.startswith(change.partition("=")[0])]
        assert found.spelled_out() == read_settings(assignments=[*chosen, change]).spelled_out()
    file.write_text(read_settings(assignments=["train.epochs=9"]).spelled_out().model_dump_json())
    with pytest.raises(ConfigError, match=r"train\.epochs has no effect"):  # somebody has chosen it
        read_settings(file=file, assignments=["train.method=gibbs"])
