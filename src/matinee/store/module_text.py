"""The syntax tree of a module without what changes no result, for `matinee.store.source_code`."""

import ast
import builtins
from collections.abc import Set
from functools import cache
from typing import Final, NamedTuple

_LOGGING: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_ERRORS: Final = frozenset(name for name in dir(builtins) if name.endswith("Error"))


class Import(NamedTuple):
    """`from module import name as bound`; without a module, `import name`."""

    module: str | None
    name: str
    bound: str


class ModuleText(NamedTuple):
    """What a module says by itself."""

    code: str  # without what changes no result
    imports: list[Import]


@cache
def parse_module(text: str, packages: frozenset[str]) -> ModuleText:
    """The code of a module, with marks for imports of the packages, and its imports."""
    tree = ast.parse(text)
    imports = [each for node in ast.walk(tree) for each in _imports_of(node)]
    errors = {each.bound for each in imports if each.module == "matinee.errors"}
    return ModuleText(f"{ast.unparse(_OnlyCode(packages, errors).visit(tree))}\n", imports)


def _imports_of(node: ast.AST) -> list[Import]:
    if isinstance(node, ast.Import):
        return [Import(None, alias.name, alias.asname or alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [Import(node.module, alias.name, alias.asname or alias.name) for alias in node.names]
    return []


class _OnlyCode(ast.NodeTransformer):
    """Removes from a syntax tree what changes no result."""

    def __init__(self, ours: Set[str], errors: Set[str]) -> None:
        self._ours, self._errors = ours, errors

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings, log lines and reports of progress go."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        is_report = isinstance(node.value, ast.Call) and _is_report(node.value.func)
        return None if is_text or is_report else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """The log of a module goes."""
        is_log = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "logging.getLogger"
        return None if is_log else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The words of Matinee's errors go."""
        if isinstance(node.func, ast.Name) and node.func.id in self._errors:
            return ast.Call(func=node.func, args=[], keywords=[])
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """The words of a failure go."""
        node.msg = None
        return self.generic_visit(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        """A loop that only reports is one that does nothing."""
        self.generic_visit(node)
        if not node.body:
            node.body = [ast.Pass()]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What is raised stays, and its words go."""
        is_ours_or_pythons = (
            isinstance(node.exc, ast.Call)
            and isinstance(node.exc.func, ast.Name)
            and node.exc.func.id in self._errors | _ERRORS
        )
        if is_ours_or_pythons:
            assert isinstance(node.exc, ast.Call)  # nosec B101 # for mypy
            return ast.Raise(exc=node.exc.func)
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST | list[ast.stmt] | None:
        """Imports of ours become marks, which `SourceCode` replaces by digests; that of logging goes."""
        if [alias.name for alias in node.names] == ["logging"]:
            return None
        return self._marks(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        """As `visit_Import`."""
        return self._marks(node)

    def _marks(self, node: ast.Import | ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        imports = _imports_of(node)
        if not any((each.module or each.name).partition(".")[0] in self._ours for each in imports):
            return node
        return [ast.Expr(ast.parse(f"__imported__{tuple(each)!r}", mode="eval").body) for each in imports]


def _is_report(function: ast.expr) -> bool:
    """Whether a call writes to the log or reports progress, and computes nothing."""
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return False
    name = function.value.id
    return name == "progress" or (name == "log" and function.attr in _LOGGING)
