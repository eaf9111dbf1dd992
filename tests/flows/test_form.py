"""The form of the flow in the UI: every parameter has a help text, bounds and a default, and bad values are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.schema_tools.validation import ValidationError, validate

from matinee.errors import ConfigError
from matinee.flows.nightly import nightly
from matinee.flows.retrain import retrain
from matinee.settings import Settings

FORM: dict[str, Any] = retrain.parameters.model_dump()


def test_every_parameter_has_a_help_text() -> None:
    silent = [name for name, told in FORM["properties"].items() if not told.get("description")]
    for name, section in FORM["definitions"].items():
        silent += [
            f"{name}.{field}" for field, told in section["properties"].items() if not told.get("description")
        ]
    assert not silent


def test_every_number_has_a_bound_and_a_default() -> None:
    for name, section in FORM["definitions"].items():
        for field, told in section["properties"].items():
            if name == "Settings":
                continue
            assert "default" in told or field in ("columns", "title_columns"), f"{name}.{field}"
            kinds = [told, *told.get("anyOf", [])]
            for kind in kinds:
                if kind.get("type") in ("integer", "number"):
                    bounds = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}
                    assert bounds & kind.keys(), f"{name}.{field}"
    assert FORM["required"] == ["ratings", "titles", "store"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ratings": []},
        {"settings": {"train": {"epochs": 0}}},
        {"settings": {"train": {"epoch": 3}}},
        {"settings": {"model": {"name": "doc"}}},
        {"store": None},
    ],
)
def test_a_bad_value_is_refused(wrong: dict[str, Any]) -> None:
    good = {"ratings": ["r.csv"], "titles": "t.csv", "store": "store", "test": [], "settings": Settings()}
    assert retrain.validate_parameters(good)["ratings"] == ["r.csv"]
    with pytest.raises(ParameterTypeError):
        retrain.validate_parameters(good | wrong)


@pytest.mark.parametrize(
    "start",
    [
        lambda settings: retrain.fn(["r.csv"], "t.csv", "store", settings=settings),
        lambda settings: nightly.fn("drop", "store", settings=settings),
    ],
)
def test_a_setting_without_effect_is_refused_before_anything_is_read(
    start: Callable[[Settings], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    useless = Settings.model_validate({"train": {"method": "gibbs", "epochs": 30}})
    with pytest.raises(ConfigError, match=r"train\.epochs has no effect"):
        start(useless)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["ratings", "test"])
def test_the_server_refuses_an_address_with_a_password_before_it_stores_the_run(name: str) -> None:
    good = {"ratings": ["a.csv"], "titles": "t.csv", "store": "s"}
    for source in (
        "postgresql://ann@db/shop?query=select 'a:b@c'",
        "postgresql://db:5432?query=select 'a@b'",
        "postgresql://db/shop?sslmode=require&query=select 'a?password=b&password=c'",
    ):
        validate({**good, name: [source]}, FORM, raise_on_error=True)
    for source in (
        "postgresql://ann:se:cr@et@db/shop?query=select 1",
        "PostGres://ann:secret@db/shop?query=select 1",
        "postgresql://ann@db/shop?sslmode=require&password=secret&query=select 1",
    ):
        with pytest.raises(ValidationError):
            validate({**good, name: [source]}, FORM, raise_on_error=True)
