"""The modules of the library, with their syntax trees and imports, for tests of the code itself."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ROOT / "src/matinee"


@cache
def modules_of(code: Path) -> list[tuple[str, Path]]:
    """Each module with its folder, or with its own name. rglob does not follow the links flows, tasks and schemas."""
    rooms = sorted(path for path in code.iterdir() if path.is_dir() and path.name != "__pycache__")
    files = [
        (path.stem, path) for path in sorted(code.glob("*.py")) if path.stem not in {"__init__", "__main__"}
    ]
    return [(room.name, path) for room in rooms for path in sorted(room.resolve().rglob("*.py"))] + files


@cache
def tree_of(text: str) -> ast.Module:
    """The syntax tree of a text, for all tests."""
    return ast.parse(text)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every import, also in functions and under TYPE_CHECKING."""
    for number, level, name in _imported(path.read_text("utf-8")):
        assert level == 0, f"{path}:{number} is a relative import"
        yield number, name


@cache
def _imported(text: str) -> list[tuple[int, int, str]]:
    found = []
    for node in ast.walk(tree_of(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, 0, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, node.level, f"{node.module}.{name.name}") for name in node.names]
    return found
