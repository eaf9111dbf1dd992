"""The bill of materials of the wheel (CycloneDX 1.6): its dependencies at the locked versions. `make dist` calls it.

cyclonedx-py describes a whole environment with its licences. This script keeps the dependencies of the wheel. Base
dependencies are "required"; those of the extras `pipeline`, `sign` and `sql` are "optional". Development tools are
left out.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

Bill = dict[str, Any]
Needs = dict[str, set[str]]
ROOT = Path(__file__).parents[1]
SHIPPED_EXTRAS = ("pipeline", "sign", "sql")
UNPINNED = {"pip"}  # Prefect needs it, and every environment has it


def normal(name: str) -> str:
    """A project's name as the package index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    """The names of the projects in requirements."""
    return {normal(Requirement(requirement).name) for requirement in requirements}


def pins(lock: str) -> dict[str, str]:
    """The version that the lock file names for each project."""
    pairs = (line.split("==") for line in lock.splitlines() if line)
    return {normal(name): version for name, version in pairs}


def closure(requirements: list[str], installed: dict[str, list[str]]) -> Needs:
    """All projects that requirements need, directly or not, with the needs of each; extras count if they are requested.

    `installed` has the requirements of each installed project. Raises ValueError if a project is not installed.
    """
    found: Needs = {"": set()}
    waiting = [("", requirement, frozenset({""})) for requirement in requirements]
    seen = set()
    while waiting:
        parent, text, extras = waiting.pop()
        asked = Requirement(text)
        if asked.marker and not any(asked.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = normal(asked.name)
        if name not in installed:
            raise ValueError(f"{name} is not installed. Run `make setup` first.")
        found[parent].add(name)
        found.setdefault(name, set())
        wanted = frozenset({"", *asked.extras})
        if (name, wanted) not in seen:
            seen.add((name, wanted))
            waiting += [(name, further, wanted) for further in installed[name]]
    return found


def of_the_wheel(
    bill: Bill, project: Bill, *, installed: dict[str, list[str]], locked: dict[str, str]
) -> Bill:
    """The part of an environment's bill that the wheel needs.

    Raises ValueError if an installed version differs from the lock file.
    """
    extras = [project["optional-dependencies"][extra] for extra in SHIPPED_EXTRAS]
    shipped = sum(extras, project["dependencies"])
    base, needs = closure(project["dependencies"], installed), closure(shipped, installed)
    refs = {normal(part["name"]): part["bom-ref"] for part in bill["components"]}
    refs[""] = bill["metadata"]["component"]["bom-ref"]
    kept = [part for part in bill["components"] if normal(part["name"]) in needs]
    for part in kept:
        name = normal(part["name"])
        part["scope"] = "required" if name in base else "optional"
        # The version of torch names its device (2.13.0+cpu); the lock file has only the version.
        found, expected = part["version"].partition("+")[0], locked.get(name)
        if found != expected and name not in UNPINNED:
            raise ValueError(
                f"{name} {found} is installed, requirements.lock names {expected}. Run `make clean setup`."
            )
    edges = {refs[name]: sorted(refs[need] for need in further) for name, further in needs.items()}
    dependencies = [{"ref": ref, "dependsOn": edges[ref]} for ref in sorted(edges)]
    return {**bill, "components": kept, "dependencies": dependencies}


def main() -> None:
    """Write the bill of a wheel, after checking it against the schema of CycloneDX."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - only in the release environment
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="virtual environment of `make setup`")
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pyproject = ROOT / "pyproject.toml"
    words = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    words += ["--sv", "1.6", "--mc-type", "library", "--pyproject", str(pyproject), str(args.environment)]
    ran = subprocess.run(words, check=True, stdout=subprocess.PIPE)  # nosec B603 # words of the Makefile
    project = tomllib.loads(pyproject.read_text())["project"]
    packages = [str(path) for path in args.environment.glob("lib/python*/site-packages")]
    installed = {normal(each.name): each.requires or [] for each in distributions(path=packages)}
    locked = pins((ROOT / "requirements.lock").read_text())
    bill = of_the_wheel(json.loads(ran.stdout), project, installed=installed, locked=locked)
    wheel = {"alg": "SHA-256", "content": hashlib.sha256(args.wheel.read_bytes()).hexdigest()}
    bill["metadata"]["component"]["hashes"] = [wheel]
    text = json.dumps(bill, indent=1)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SystemExit(f"The bill is not valid CycloneDX 1.6: {error}")
    args.out.write_text(text + "\n")
    scopes = [part["scope"] for part in bill["components"]]
    print(f"{args.out}: {scopes.count('required')} required, {scopes.count('optional')} optional components")


if __name__ == "__main__":
    main()
