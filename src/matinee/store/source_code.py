"""Digests of source code, which are part of the name of a step's folder.

The rule: a change that can change what a step writes changes the digest of the step's code, and no other change does.

- A module counts by its syntax tree, without comments, docstrings, log lines, reports of progress, and the words of
  Matinee's and Python's own errors. Its name and its path do not count, so that a moved module changes no digest.
- An import counts where it stands, by the module that defines the imported name. `from matinee.ingest import plan`
  leads to the module that defines `plan`, not to the whole package. Imports of imported modules count as well.
- numba, numpy, scikit-learn, scipy and torch count by version if they are imported.
- The modules in `NOT_CODE` do not count. Their values are in the digest already, or they only store, show or describe
  results.
- A function that is passed to a step counts too. The plan adds the code of the module that defines it.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from matinee.store.module_text import Import, ModuleText, parse_module

NOT_CODE: Final = frozenset(
    {
        "matinee.errors",
        "matinee.evaluate.list_tables",
        "matinee.evaluate.plots",
        "matinee.formats",
        "matinee.ingest.checks.warnings",
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
        "matinee.store.files",
        "matinee.store.identity",
        "matinee.store.locks",
        "matinee.store.module_text",
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
_WORDS: Final = (
    "matinee.errors",
    "matinee.store.progress",
)  # what is imported from them says something, and computes nothing
_MARK: Final = re.compile(r"(?m)(?:^ *__imported__\(.*\)\n?)+")  # lines of the text for imports of ours
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
        self._texts: dict[Path, str] = {}

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
                found.add(_sha256(_MARK.sub(self._named, read.text)))
                found |= {f"{library} {_version(library)}" for library in read.libraries}
                waiting += read.imports
        return sorted(found)

    def files(self) -> list[Path]:
        """All files of code, in a fixed order. A folder of a package may be a link, which rglob does not follow."""
        places = [place for folder in self._folders.values() for place in sorted(folder.iterdir())]
        nested = [file for place in places if place.is_dir() for file in place.resolve().rglob("*.py")]
        return sorted([*nested, *(place for place in places if place.suffix == ".py")])

    def read_all(self) -> list[tuple[Path, str]]:
        """The text of each file. From then on the digests are those of these texts, whatever is edited meanwhile."""
        return [(file, self._text(file)) for file in self.files()]

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
            leads_to = [self._leads_to(each) for each in source.imports]
            tops = {module.partition(".")[0] for module in leads_to}
            self._read[name] = _Module(
                text=source.code,
                bare=_sha256(_MARK.sub("", source.code)),
                imports=[module for module in leads_to if self._file(module) is not None],
                libraries={LIBRARIES[top] for top in tops & LIBRARIES.keys()},
            )
        return self._read[name]

    def _leads_to(self, imported: "Import") -> str:
        """The module that an import leads to."""
        return imported.name if imported.module is None else self._definer(imported.module, imported.name)

    def _named(self, lines: re.Match[str]) -> str:
        """Imports of ours, one after the other, with the digests of the modules that they lead to instead of names."""
        found = [
            Import(*ast.literal_eval(line.strip().removeprefix("__imported__")))
            for line in lines[0].splitlines()
        ]
        names = {text for each in found if (text := self._text_of(each))}
        return "".join(f"{text}\n" for text in sorted(names))

    def _text_of(self, imported: "Import") -> str:
        """What counts of an import; empty for one of words."""
        module, name, bound = imported
        definer = self._leads_to(imported)
        if definer.startswith(_WORDS):
            return ""
        # A module that is imported whole may be renamed; a name in one may not.
        is_whole = module is None or definer == f"{module}.{name}"
        return f"{bound if is_whole else f'{name} as {bound}'} = {self._bare(definer)}"

    def _definer(self, module: str, name: str) -> str:
        """The module from which `from module import name` gets the name: a module in it, itself, or one it imports."""
        file = self._file(module)
        if file is None or file.name != "__init__.py":
            return module
        if self._file(f"{module}.{name}") is not None:
            return f"{module}.{name}"
        for each in self._source(module).imports:
            if each.module is not None and each.bound == name:
                return self._definer(each.module, each.name)
        return module

    def _source(self, module: str) -> "ModuleText":
        file = self._file(module)
        assert file is not None, module  # nosec B101 # for mypy: the caller looked for it
        return parse_module(self._text(file), frozenset(self._folders))

    def _text(self, file: Path) -> str:
        file = file.resolve()
        if file not in self._texts:
            self._texts[file] = file.read_text("utf-8")
        return self._texts[file]

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
    text: str  # the code, with marks for imports of ours
    bare: str  # the digest of the code without them
    imports: list[str]  # the modules of ours that they lead to
    libraries: set[str]  # those that count, as they are called where they are installed


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
