"""The architecture: allowed imports between folders, light imports of releases, and `matinee` as the only package."""

import ast
import importlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]
CODE = ROOT / "src/matinee"
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
MAY_IMPORT_PREFECT: Final = {"tasks", "flows", "ops", "cli"}
MOST_ROOMS, MOST_FLOORS, MOST_LINES = 24, 10, 300
MOST_UNTYPED = 15  # objects whose values may be anything: JSON, and calls of Prefect and of servers
NO_FRAMES = {"polars", "pandas", "pandera", "pyarrow"}
SERVERS = {"fastapi", "starlette", "uvicorn", "prometheus_client"}
NO_FRAMEWORK = (
    NO_FRAMES - {"pyarrow"}
    | SERVERS
    | {"torch", "prefect", "scipy", "sklearn", "matplotlib", "numba", "optuna", "obstore"}
)


@cache
def _modules(code: Path) -> list[tuple[str, Path]]:
    """Each module with its folder, or with its own name. rglob does not follow the links flows, tasks and schemas."""
    rooms = sorted(path for path in code.iterdir() if path.is_dir() and path.name != "__pycache__")
    files = [(path.stem, path) for path in sorted(code.glob("[!_]*.py"))]
    return [(room.name, path) for room in rooms for path in sorted(room.resolve().rglob("*.py"))] + files


@cache
def _tree(text: str) -> ast.Module:
    """The syntax tree of a text, for all tests."""
    return ast.parse(text)


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import, also in functions and under TYPE_CHECKING."""
    for number, level, name in _imported(path.read_text("utf-8")):
        assert level == 0, f"{path}:{number} is a relative import"
        yield number, name


@cache
def _imported(text: str) -> list[tuple[int, int, str]]:
    found = []
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, 0, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, node.level, f"{node.module}.{name.name}") for name in node.names]
    return found


def _wrong_arrows(code: Path) -> list[str]:
    wrong = []
    for room, path in _modules(code):
        allowed = {*MAY_IMPORT[room].split(), room}
        for line, name in _imports(path):
            top, _, rest = name.partition(".")
            there = rest.partition(".")[0]
            if top == "matinee" and there in MAY_IMPORT and there not in allowed:
                wrong.append(f"{path}:{line} {room} imports {there}")
            if top in {"flows", "tasks", "schemas"} or (top == "prefect" and room not in MAY_IMPORT_PREFECT):
                wrong.append(f"{path}:{line} {room} imports {top}")
    return wrong


def test_each_folder_imports_only_what_the_table_allows() -> None:
    assert not _wrong_arrows(CODE)


def test_the_table_allows_no_more_than_is_imported() -> None:
    used: dict[str, set[str]] = {room: set() for room in MAY_IMPORT}
    for room, path in _modules(CODE):
        tops = {name.split(".")[1] for _, name in _imports(path) if name.startswith("matinee.")}
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
    }
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
    assert {room for room, _ in _modules(CODE)} <= MAY_IMPORT.keys()
    assert len(list(CODE.glob("[!_]*"))) - 1 <= MOST_ROOMS  # without py.typed


def test_no_file_has_more_than_300_lines() -> None:
    folders = ("bench", "deploy", "docs", "examples", "flows", "schemas", "src", "tasks", "tests")
    files = [
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "kernel" not in path.name
    ]
    assert {path.relative_to(ROOT).parts[0] for path in files} >= {"bench", "flows", "src", "tests"}
    assert not [path for path in files if len(path.read_text("utf-8").splitlines()) > MOST_LINES]


def _untyped_objects(text: str) -> list[int]:
    """The lines of annotations whose keys are texts and whose values may be anything, such as `dict[str, Any]`.

    An alias for such a type counts wherever it is used.
    """
    tree = _tree(text)
    lines = [node.lineno for node in ast.walk(tree) if _is_untyped(node)]
    aliases = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_untyped(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in aliases]
    return sorted(lines + [node.lineno for node in named if isinstance(node.ctx, ast.Load)])


def _is_untyped(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)):
        return False
    kind, value = ast.unparse(node.value).rpartition(".")[2], ast.unparse(node.slice.elts[-1])
    return kind.lower().endswith(("dict", "mapping", "document")) and value in {"Any", "object"}


def test_objects_without_a_type_are_few_and_at_the_edge_of_json() -> None:
    found = {
        f"{path.relative_to(path.parents[1])}": lines
        for _, path in _modules(CODE)
        if (lines := _untyped_objects(path.read_text("utf-8")))
    }
    assert sum(map(len, found.values())) <= MOST_UNTYPED, found


@pytest.mark.parametrize(
    "line",
    [
        "facts: dict[str, Any] = {}",
        "def read() -> list[Mapping[str, object]]: ...",
        "class Document(dict[str, Any]): ...",
        "def read(*, names: typing.MutableMapping[str, Any] | None): ...",
    ],
)
def test_an_object_without_a_type_is_found(line: str) -> None:
    assert _untyped_objects(f"import os\n{line}\n") == [2]


def test_an_alias_of_an_object_without_a_type_counts_at_each_use() -> None:
    text = "Facts = dict[str, Any]\ndef read() -> Facts: ...\nmodel: dict[str, JsonValue]\n"
    assert _untyped_objects(text) == [1, 2]


def test_models_do_not_import_data_frames() -> None:
    files = [*(CODE / "train/models").glob("*.py")]
    found = {name.partition(".")[0] for path in files for _, name in _imports(path)}
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
    paths = [path for _, path in _modules(CODE) if "__all__" in path.read_text("utf-8")]
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
    for room, path in _modules(CODE):
        for node in _tree(path.read_text("utf-8")).body if room != "serve" else []:  # it names JSON objects
            name = getattr(node, "name", None) if isinstance(node, ast.ClassDef) else None
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
            if name is not None and name[0].isupper() and not name.isupper():
                places.setdefault(name, []).append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
