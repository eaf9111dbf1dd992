"""The house: imports go one way, the light part stays light, and four packages are all that is installed."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = {"flows": 3, "tasks": 2, "matinee": 1, "schemas": 0}
FOLDERS = {
    "flows": ROOT / "flows",
    "tasks": ROOT / "tasks",
    "matinee": ROOT / "src/matinee",
    "schemas": ROOT / "schemas",
}
NO_FRAMES = {"polars", "pandas", "pandera", "pyarrow"}
NO_FRAMEWORK = NO_FRAMES - {"pyarrow"} | {"torch", "prefect", "sklearn", "matplotlib", "numba"}


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_one_way(layer: str) -> None:
    wrong = []
    for path in FOLDERS[layer].rglob("*.py"):
        for line, name in _imports(path):
            there = name.partition(".")[0]
            upward = LAYERS.get(there, -1) > LAYERS[layer]
            if upward or (there == "prefect" and LAYERS[layer] < LAYERS["tasks"]):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong


def test_models_know_no_data_frames() -> None:
    files = [*(ROOT / "src/matinee/models").glob("*.py")]
    found = {name.partition(".")[0] for path in files for _, name in _imports(path)}
    assert "torch" in found
    assert not found & NO_FRAMES


def test_the_light_part_waits_for_no_framework() -> None:
    code = "import sys, matinee, flows.cli, flows.arguments, matinee.pairs; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "matinee.release" in loaded
    assert not {name.partition(".")[0] for name in loaded} & NO_FRAMEWORK


@pytest.mark.parametrize("name", LAYERS)
def test_each_package_is_ours(name: str) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent == FOLDERS[name]


@pytest.mark.parametrize("name", ["tests", "bench", "docs", "src", "conftest"])
def test_nothing_else_of_the_project_can_be_imported(name: str, tmp_path: Path) -> None:
    code = f"from importlib.util import find_spec; print(find_spec({name!r}))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(ROOT) not in found.stdout


def test_every_folder_of_the_library_is_packaged() -> None:
    packaged = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    )
    there = {f"matinee.{path.parent.name}" for path in (ROOT / "src/matinee").glob("*/__init__.py")}
    assert packaged == there | LAYERS.keys()
