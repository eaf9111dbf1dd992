"""Objects whose values may be anything are few."""

import ast

import pytest
from code_trees import CODE, modules_of, tree_of

MOST_UNTYPED = 15  # objects whose values may be anything: JSON, and calls of Prefect and of servers


def _untyped_objects(text: str) -> list[int]:
    """The lines of annotations whose keys are texts and whose values may be anything, such as `dict[str, Any]`.

    An alias for such a type counts wherever it is used.
    """
    tree = tree_of(text)
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
        for _, path in modules_of(CODE)
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
