"""The architecture: allowed imports between folders, light imports of releases, and `matinee` as the only package."""

import ast
import importlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
from code_trees import CODE, ROOT, imports_of, modules_of, tree_of

import matinee

# What each folder may import besides itself. A new arrow needs a good reason.
MAY_IMPORT: Final[Mapping[str, str]] = {
    "errors": "",
    "schemas": "",
    "formats": "",
    "splitmix64": "",
    "store": "errors formats schemas",
    "settings": "errors formats schemas",
    "containers": "errors schemas",
    "release": "containers errors formats schemas settings store",
    "ingest": "containers errors formats schemas settings store",
    "sample": "errors schemas splitmix64 store",
    "registry": "errors release store",
    "train": "errors formats release settings splitmix64 store",
    "recommend": "errors release schemas settings store",
    "split": "errors formats ingest release schemas settings splitmix64 store",
    "ops": "errors ingest store",
    "serve": "errors ops registry release store",
    "evaluate": "errors formats recommend registry release schemas settings split store train",
    "publish": "errors evaluate formats registry release schemas settings split store train",
    "monitor": "errors evaluate formats ingest registry release schemas settings store train",
    "maintenance": "errors formats ops registry release schemas store",
    "pipeline": "errors evaluate formats ingest monitor publish registry release sample settings split store train",
    "tasks": "errors evaluate formats ingest maintenance monitor pipeline publish recommend "
    "registry release schemas settings split store",
    "flows": "errors evaluate formats ingest monitor pipeline publish recommend registry release settings store "
    "tasks",
    "cli": "errors evaluate flows formats ingest maintenance monitor ops pipeline publish recommend registry "
    "release sample serve settings store",
}
LATER: Final = {name: module.removeprefix("matinee.") for name, module in matinee._LATER.items()}
MAY_IMPORT_PREFECT: Final = {"tasks", "flows", "ops", "cli"}
MOST_ROOMS, MOST_FLOORS, MOST_LINES = 24, 10, 300
NO_FRAMES = {"polars", "pandas", "pandera", "pyarrow"}
SERVERS = {"fastapi", "starlette", "uvicorn", "prometheus_client"}
NO_FRAMEWORK = (
    NO_FRAMES - {"pyarrow"}
    | SERVERS
    | {"torch", "prefect", "scipy", "sklearn", "matplotlib", "numba", "optuna", "obstore"}
)


def _wrong_arrows(code: Path) -> list[str]:
    wrong = []
    for room, path in modules_of(code):
        allowed = {*MAY_IMPORT.get(room, "").split(), room}
        for line, name in imports_of(path):
            top, _, rest = name.partition(".")
            there = LATER.get(rest, rest).partition(".")[0]
            is_for_all = there in allowed or rest == "__version__" or rest.endswith("Error")
            if top == "matinee" and not is_for_all:
                wrong.append(f"{path}:{line} {room} imports {there or 'all of matinee'}")
            is_prefect = top.startswith("prefect") and room not in MAY_IMPORT_PREFECT
            if top in {"flows", "tasks", "schemas"} or is_prefect:
                wrong.append(f"{path}:{line} {room} imports {top}")
        wrong += [f"{path}:{line} imports by a call" for line in _hidden_imports(path.read_text("utf-8"))]
    return wrong


@cache
def _hidden_imports(text: str) -> list[int]:
    """The lines of calls that import a module whose name another test cannot read; `import_module(name)` is allowed."""
    return [
        node.lineno
        for node in ast.walk(tree_of(text))
        if isinstance(node, ast.Call)
        and (name := ast.unparse(node.func).rpartition(".")[2]) in {"import_module", "__import__"}
        and (name == "__import__" or not node.args or _names_ours(node.args[0]))
    ]


def _names_ours(node: ast.expr) -> bool:
    """Whether an argument is a literal with a name of ours or of Prefect."""
    return isinstance(node, ast.Constant) and str(node.value).startswith(("matinee", "prefect"))


def test_each_folder_imports_only_what_the_table_allows() -> None:
    assert not _wrong_arrows(CODE)


def test_the_table_allows_no_more_than_is_imported() -> None:
    used: dict[str, set[str]] = {room: set() for room in MAY_IMPORT}
    for room, path in modules_of(CODE):
        tops = {name.split(".")[1] for _, name in imports_of(path) if name.startswith("matinee.")}
        used[room] |= tops & MAY_IMPORT.keys() - {room}
    assert {room: " ".join(sorted(rooms)) for room, rooms in used.items()} == dict(MAY_IMPORT)


def test_a_forbidden_import_is_found(tmp_path: Path) -> None:
    copy = tmp_path / "matinee"
    shutil.copytree(CODE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    forbidden = {
        "train/loop.py": "from matinee.evaluate import gate",
        "store/files.py": "def later() -> None:\n    import prefect",
        "ingest/reading/parser.py": "from matinee import release",
        "split/encode.py": "import tasks.encode",
        "store/locks.py": "from matinee import retrain",
        "split/step.py": "import matinee",
        "train/sgd.py": "from matinee import *",
        "train/baseline.py": "import prefect_shell",
        "train/blocks.py": "import importlib\nimportlib.import_module('matinee.evaluate.gate')",
        "_helper.py": "import prefect",
    }
    (copy / "_helper.py").touch()
    for file, line in forbidden.items():
        planted = copy / file
        planted.write_text(f"{planted.read_text('utf-8')}\n{line}\n", "utf-8")
    found = [each.partition(":")[0] for each in _wrong_arrows(copy)]
    assert sorted(found) == sorted(str(copy / file) for file in forbidden)


def test_the_table_has_no_circle_and_few_layers() -> None:
    floors: dict[str, int] = {}
    waiting = dict(MAY_IMPORT)
    while ready := {room for room, below in waiting.items() if floors.keys() >= set(below.split())}:
        for room in ready:
            floors[room] = 1 + max((floors[below] for below in waiting.pop(room).split()), default=0)
    assert not waiting, "these import one another"
    assert max(floors.values()) <= MOST_FLOORS
    assert {room for room, _ in modules_of(CODE)} <= MAY_IMPORT.keys()
    assert len(list(CODE.glob("[!_]*"))) - 1 <= MOST_ROOMS  # without py.typed


def test_no_file_has_more_than_300_lines() -> None:
    folders = ("bench", "deploy", "docs", "examples", "flows", "schemas", "src", "tasks", "tests")
    files = [
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "kernel" not in path.name
    ]
    assert {path.relative_to(ROOT).parts[0] for path in files} >= {"bench", "flows", "src", "tests"}
    assert not [path for path in files if len(path.read_text("utf-8").splitlines()) > MOST_LINES]


def test_models_do_not_import_data_frames() -> None:
    files = [*(CODE / "train/models").glob("*.py")]
    found = {name.partition(".")[0] for path in files for _, name in imports_of(path)}
    assert "torch" in found
    assert not found & NO_FRAMES


def test_the_release_part_imports_no_framework() -> None:
    code = "import sys, matinee.cli.main, matinee.cli.arguments, matinee.release.predict_file; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "matinee.release" in loaded
    assert not {name.partition(".")[0] for name in loaded} & NO_FRAMEWORK


def test_the_server_starts_without_the_pipeline() -> None:
    code = "import sys, matinee.cli.main, matinee.serve.server; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {name.partition(".")[0] for name in loaded} & (NO_FRAMEWORK - SERVERS)


@pytest.mark.parametrize("name", ["matinee", "matinee.flows", "matinee.tasks", "matinee.schemas"])
def test_every_installed_package_is_part_of_matinee(name: str) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve().is_relative_to(ROOT)


@pytest.mark.parametrize(
    "name", ["flows", "tasks", "schemas", "tests", "bench", "docs", "src", "conftest", "examples"]
)
def test_nothing_else_of_the_project_can_be_imported(name: str, tmp_path: Path) -> None:
    code = f"from importlib.util import find_spec; print(find_spec({name!r}))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(ROOT) not in found.stdout


def test_every_name_that_a_module_exports_exists() -> None:
    paths = [path for _, path in modules_of(CODE) if "__all__" in path.read_text("utf-8")]
    names = [".".join(["matinee", *path.relative_to(CODE).with_suffix("").parts]) for path in paths]
    modules = [importlib.import_module(name.removesuffix(".__init__")) for name in [*names, "matinee"]]
    assert len(modules) > 9
    missing = [
        f"{module.__name__}.{name}"
        for module in modules
        for name in module.__all__
        if not hasattr(module, name)
    ]
    assert not missing


def test_every_folder_of_the_library_is_packaged() -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    folders = {path.parent for room in CODE.iterdir() if room.is_dir() for path in room.rglob("__init__.py")}
    there = {".".join(["matinee", *folder.relative_to(CODE).parts]) for folder in folders}
    assert set(packaged) == there | {"matinee"}


def test_no_class_or_alias_is_defined_twice() -> None:
    places: dict[str, list[str]] = {}
    for room, path in modules_of(CODE):
        for node in tree_of(path.read_text("utf-8")).body if room != "serve" else []:  # it names JSON objects
            name = getattr(node, "name", None) if isinstance(node, ast.ClassDef) else None
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
            if name is not None and name[0].isupper() and not name.isupper():
                places.setdefault(name, []).append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
