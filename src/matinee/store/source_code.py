"""Digests of source code, which are part of the name of a step's folder.

The rule: a change that can change what a step writes changes the digest of the step's code, and no other change does.

- A module counts by its syntax tree, without comments, docstrings, log lines, reports of progress, and the words of
  errors. Its name and its path do not count, so that a moved module changes no digest.
- An import counts by the module that defines the imported name. `from matinee.ingest import plan` leads to the module
  that defines `plan`, not to the whole package. Imports of imported modules count as well.
- numba, numpy, scikit-learn, scipy and torch count by version if they are imported.
- The modules in `NOT_CODE` do not count. Their values are in the digest already, or they only store, show or describe
  results.
- A function that is passed to a step counts too. The plan adds the code of the module that defines it.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping, Set
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

NOT_CODE: Final = frozenset(
    {
        "matinee.errors",
        "matinee.evaluate.list_tables",
        "matinee.evaluate.plots",
        "matinee.formats",
        "matinee.ingest.checks.warnings",
        "matinee.release.checks",
        "matinee.release.files",
        "matinee.release.folder",
        "matinee.release.manifest",
        "matinee.release.signature",
        "matinee.publish.report",
        "matinee.settings.device",
        "matinee.settings.evaluation",
        "matinee.settings.ingest",
        "matinee.settings.model",
        "matinee.settings.ranking",
        "matinee.settings.training",
        "matinee.store.checksums",
        "matinee.store.code_digests",
        "matinee.store.database_address",
        "matinee.store.digests",
        "matinee.store.disk_errors",
        "matinee.store.documents",
        "matinee.store.file_kinds",
        "matinee.store.files",
        "matinee.store.identity",
        "matinee.store.locks",
        "matinee.store.output",
        "matinee.store.paths",
        "matinee.store.remote",
        "matinee.store.run_locks",
        "matinee.store.source_code",
        "matinee.store.store",
        "matinee.store.system",
        "matinee.store.user_cache",
        "matinee.store.versions",
        "matinee.store.progress",
        "matinee.store.progress_shown",
    }
)
_PROGRESS: Final = ("progress", "matinee.store.progress")  # the name and the module that steps report to
_REPORTS: Final = ("log.", "progress.")  # statements that call these compute nothing
_PACKAGES: Final = ("matinee",)
LIBRARIES: Final = {
    "numba": "numba",
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
}


class SourceCode:
    """The modules of some packages, read once.

    Args:
        folders: The folder of each package, by its name.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)
        self._read: dict[str, _Module] = {}
        # Each is asked thousands of times about a few hundred modules.
        self._file, self._counts = cache(self._find_file), cache(self._is_counted)

    def digests(self, module: str) -> list[str]:
        """The sorted digests of a module and of its imports, with the versions of libraries.

        It is empty for a module outside the packages.
        """
        found: set[str] = set()
        known: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name not in known and self._counts(name):
                known.add(name)
                read = self._module(name)
                names = sorted(f"{bound} = {self._bare(source)}" for bound, source in read.imports)
                found.add(_sha256("\n".join([read.text, *names])))
                found |= {f"{library} {_version(library)}" for library in read.libraries}
                waiting += [source for _, source in read.imports]
        return sorted(found)

    def files(self) -> list[Path]:
        """All files of code, in a fixed order."""
        return sorted(file for folder in self._folders.values() for file in folder.rglob("*.py"))

    def _is_counted(self, module: str) -> bool:
        parts = module.split(".")
        ours = (".".join(parts[: end + 1]) for end in range(len(parts)))
        return NOT_CODE.isdisjoint(ours) and self._file(module) is not None

    def _bare(self, module: str) -> str:
        """The digest of a module without its imports."""
        return self._module(module).bare if self._counts(module) else ""

    def _module(self, name: str) -> "_Module":
        if name not in self._read:
            source = self._source(name)
            bound = [each for each in self._imports(source) if each != _PROGRESS]
            tops = {module.partition(".")[0] for _, module in bound}
            self._read[name] = _Module(
                text=source.code,
                bare=_sha256(source.code),
                imports=[(name, module) for name, module in bound if self._file(module) is not None],
                libraries={LIBRARIES[top] for top in tops & LIBRARIES.keys()},
            )
        return self._read[name]

    def _imports(self, source: "_Source") -> Iterator[tuple[str, str]]:
        """Each name that is imported, and the module that it comes from."""
        for module, name, bound in source.imports:
            if module is None:
                yield bound, name
            else:
                definer = self._definer(module, name)
                # A module that is imported whole may be renamed; a name in one may not.
                yield bound if definer == f"{module}.{name}" else f"{name} as {bound}", definer

    def _definer(self, module: str, name: str) -> str:
        """The module from which `from module import name` gets the name: a module in it, itself, or one it imports."""
        file = self._file(module)
        if file is None or file.name != "__init__.py":
            return module
        if self._file(f"{module}.{name}") is not None:
            return f"{module}.{name}"
        for source, imported, bound in self._source(module).imports:
            if source is not None and bound == name:
                return self._definer(source, imported)
        return module

    def _source(self, module: str) -> "_Source":
        file = self._file(module)
        assert file is not None, module  # nosec B101 # for mypy: the caller looked for it
        return _parse(file.read_text("utf-8"), frozenset(self._folders))

    def _find_file(self, module: str) -> Path | None:
        """The file of a module, `__init__.py` for a package; None for one that is not ours."""
        package, *names = module.split(".")
        if package not in self._folders:
            return None
        place = self._folders[package].joinpath(*names)
        return next(
            (file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()), None
        )


class _Module(NamedTuple):
    text: str  # the code alone
    bare: str  # its digest
    imports: list[tuple[str, str]]  # of ours: the name that is bound, the module it comes from
    libraries: set[str]  # those that count, as they are called where they are installed


class _Source(NamedTuple):
    """What the text of a module says by itself."""

    code: str  # without what changes no result
    # Of `from A import B as C`: A, B, C; of `import B`: None, B, B.
    imports: list[tuple[str | None, str, str]]


@cache
def _parse(text: str, packages: frozenset[str]) -> _Source:
    tree = ast.parse(text)
    imports: list[tuple[str | None, str, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(None, alias.name, alias.asname or alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports += [(node.module, alias.name, alias.asname or alias.name) for alias in node.names]
    return _Source(ast.unparse(_OnlyCode(packages).visit(tree)), imports)


class _OnlyCode(ast.NodeTransformer):
    """Removes from a syntax tree what changes no result."""

    def __init__(self, ours: Set[str]) -> None:
        self._ours = ours

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings, log lines and reports of progress go."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        is_report = isinstance(node.value, ast.Call) and ast.unparse(node.value.func).startswith(_REPORTS)
        return None if is_text or is_report else node

    def visit_For(self, node: ast.For) -> ast.AST:
        """A loop that only reports is one that does nothing."""
        self.generic_visit(node)
        if not node.body:
            node.body = [ast.Pass()]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What is raised stays, and its words go."""
        return ast.Raise(exc=node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        """Imports of ours go: their names are counted with the digests of what they lead to."""
        return self._without_ours(node, [alias.name for alias in node.names])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """As `visit_Import`."""
        return self._without_ours(node, [node.module or ""])

    def _without_ours(self, node: ast.AST, modules: list[str]) -> ast.AST | None:
        return None if any(name.partition(".")[0] in self._ours for name in modules) else node


@cache
def installed() -> SourceCode:
    """The code that this process runs."""
    specs = {package: find_spec(package) for package in _PACKAGES}
    return SourceCode(
        {name: Path(spec.origin).parent for name, spec in specs.items() if spec and spec.origin}
    )


@cache
def _version(library: str) -> str:
    return version(library)  # parses a file at each call


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
