"""A wheel without extras offers everything that a release can do, with only the base dependencies."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from matinee.serve.pages import PAGE

ROOT = Path(__file__).parents[2]
# Packages of the extras cannot be imported; the folder with the unpacked wheel comes first.
LIGHT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
import matinee
assert matinee.__file__.startswith(sys.argv[1]), matinee.__file__
"""
EXTRAS = [
    "prefect",
    "polars",
    "pandera",
    "torch",
    "numba",
    "scipy",
    "sklearn",
    "threadpoolctl",
    "matplotlib",
    "shtab",
    "minisign",
    "fastapi",
    "starlette",
    "uvicorn",
    "prometheus_client",
]
ASKED = """
release = matinee.load(sys.argv[2])
print(len(release.predict([13, 999], [23, 33])), len(release.recommend(13, 5)), len(release.similar(23, 5)))
print(len(release.fold_in({{13: 4.0}}).recommend(5)))
"""
COMMANDS = """
from matinee.cli.main import main
for verb in (["similar", "--movie", "23"], ["show"], ["releases"], ["prune"], ["forget", "--user", "13"]):
    assert main([verb[0], "--store", sys.argv[2], *verb[1:]]) == 0, verb
assert main(["recommend", "--store", sys.argv[2], "--all", "--out", "../../out.parquet"]) == 1
assert main(["serve", "--store", sys.argv[2]]) == 2
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the content of a wheel that was built from a copy of the sources."""
    pytest.importorskip("setuptools")
    work = tmp_path_factory.mktemp("wheel")
    copied = work / "sources"
    for name in ("flows", "tasks", "schemas", "src/matinee"):
        shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copied)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", work, copied], check=True)
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        wheel.extractall(work / "unpacked")
    return work / "unpacked"


def _run(code: str, unpacked: Path, path: Path) -> subprocess.CompletedProcess[str]:
    whole = (LIGHT + code).format(names=EXTRAS)
    command = [sys.executable, "-P", "-c", whole, str(unpacked), str(path)]
    return subprocess.run(command, cwd=path, capture_output=True, text=True, check=False)


def test_the_wheel_has_the_templates_of_units_and_pages(unpacked: Path) -> None:
    assert len(list((unpacked / "matinee/ops/templates").iterdir())) == 6
    assert len(list((unpacked / "matinee/publish/report/templates").iterdir())) == 6
    assert {path.name for path in (unpacked / "matinee/serve/page").iterdir()} == {
        name for name, _ in PAGE.values()
    }


def test_a_release_loads_and_predicts_without_extras(
    unpacked: Path, random_release: Callable[..., Path]
) -> None:
    done = _run(ASKED, unpacked, random_release())
    assert (done.stdout.split(), done.stderr) == (["2", "5", "5", "5"], "")


def test_the_command_names_missing_extras(unpacked: Path, random_release: Callable[..., Path]) -> None:
    done = _run(COMMANDS, unpacked, random_release().parents[1])
    assert done.returncode == 0, done.stderr
    assert "needs prefect, which is not installed" in done.stderr
    assert "matinee[pipeline]" in done.stderr
    assert "Install 'matinee[serve]'." in done.stderr
