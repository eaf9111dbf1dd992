"""The bill of materials has the wheel's dependencies at the locked versions. The lock has every declared package."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = {"numpy", "pyarrow", "pydantic", "safetensors"}


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "deploy" / "sbom.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bill(installed: dict[str, list[str]]) -> dict[str, Any]:
    """The bill of an environment in the format of cyclonedx-py, with version 1 of each project."""
    return {
        "metadata": {"component": {"bom-ref": "root-component"}},
        "components": [{"bom-ref": f"{name}==1", "name": name, "version": "1"} for name in installed],
        "dependencies": [],
    }


@pytest.fixture
def installed(sbom: ModuleType) -> dict[str, list[str]]:
    """The requirements of each project of an environment with the extras pipeline, sign and dev."""
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *extras["pipeline"], *extras["sign"], *extras["sql"], *extras["dev"]]
    found: dict[str, list[str]] = {name: [] for name in sbom.names(asked)}
    return found | {
        "pydantic": ["pydantic_core==1", "email-validator>=2; extra == 'email'"],
        "pydantic-core": [],
        "prefect": ["uvicorn[standard]>=0.3", "colorama; sys_platform == 'win32'"],
        "uvicorn": ["httptools; extra == 'standard'"],
        "httptools": [],
        "bandit": ["stevedore"],
        "stevedore": [],
    }


def test_the_bill_lists_the_base_as_required_and_no_development_tool(
    sbom: ModuleType, installed: dict[str, list[str]]
) -> None:
    locked = dict.fromkeys(installed, "1")
    made = sbom.of_the_wheel(bill(installed), PROJECT, installed=installed, locked=locked)
    scopes = {part["name"]: part["scope"] for part in made["components"]}
    assert {name for name, scope in scopes.items() if scope == "required"} == {*BASE, "pydantic-core"}
    assert {scopes[name] for name in ("prefect", "uvicorn", "httptools")} == {"optional"}
    assert not {"bandit", "stevedore"} & set(scopes)
    edges = {entry["ref"]: entry["dependsOn"] for entry in made["dependencies"]}
    assert edges["pydantic==1"] == ["pydantic-core==1"]
    assert {f"{name}==1" for name in BASE} < set(edges["root-component"])


def test_a_version_other_than_the_locked_one_is_refused(
    sbom: ModuleType, installed: dict[str, list[str]]
) -> None:
    locked = dict.fromkeys(installed, "1") | {"numpy": "2"}
    with pytest.raises(ValueError, match=r"numpy 1 is installed, requirements.lock names 2"):
        sbom.of_the_wheel(bill(installed), PROJECT, installed=installed, locked=locked)


def test_a_missing_dependency_is_refused(sbom: ModuleType, installed: dict[str, list[str]]) -> None:
    del installed["pyarrow"]
    with pytest.raises(ValueError, match="pyarrow is not installed"):
        sbom.of_the_wheel(bill(installed), PROJECT, installed=installed, locked={})


def test_the_lock_pins_every_declared_package(sbom: ModuleType) -> None:
    locked = sbom.pins((ROOT / "requirements.lock").read_text())
    assert sbom.names(PROJECT["dependencies"]) == BASE
    for extra, requirements in PROJECT["optional-dependencies"].items():
        assert sbom.names(requirements) <= set(locked), extra


def test_the_readme_lists_each_target_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    table = (ROOT / "README.md").read_text().partition("| `make` |")[2]
    rows = [row.split("|")[1] for row in table.splitlines() if row.count("|") > 1]
    listed = {name for row in rows for name in re.findall("`([a-z-]+)`", row)}
    assert targets == listed
