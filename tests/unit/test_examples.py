"""All examples run: in docstrings of the public API, and the scripts and the notebook in examples/."""

import doctest
import inspect
import json
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import matinee
from matinee.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy"))
from docs_markdown import blocks
from docs_reference import api_names, resolve

ROOT = Path(__file__).parents[2]
PUBLIC = {name: resolve(name) for name in api_names()}


def _functions() -> Iterator[tuple[str, Any]]:
    """The public functions, and the public methods of Matinee's public classes."""
    for name, member in PUBLIC.items():
        if inspect.isfunction(member):
            yield name, member
        elif not issubclass(member, Exception | Settings):
            own = (each for each in vars(member).items() if inspect.isfunction(each[1]))
            yield from ((f"{name}.{each}", method) for each, method in own if not each.startswith("_"))


@pytest.fixture(scope="module")
def folder(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for running examples, with a sample and the store of one run."""
    place = tmp_path_factory.mktemp("examples")
    shutil.copytree(sample, place / "sample")
    run = matinee.retrain(place / "sample/ratings.csv", place / "sample/movie_titles.csv", place / "store")
    assert run.release is not None
    return place


def test_the_examples_of_docstrings_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    runner, finder = doctest.DocTestRunner(), doctest.DocTestFinder()
    ran = set()
    for name, member in {"matinee": matinee, **PUBLIC}.items():
        for example in finder.find(member, name, globs={}):
            assert "Example:\n" not in example.docstring, "the site shows code under `Examples:` alone"
            if example.examples:
                runner.run(example)
                ran.add(example.name)
    assert not runner.summarize().failed
    assert ran >= {
        "matinee",
        "matinee.load",
        "matinee.retrain",
        "matinee.Release.predict",
        "matinee.Release.fold_in",
    }
    assert ran >= {"matinee.MatineeError", "matinee.release.new_user.Guest"}


@pytest.mark.parametrize(("name", "function"), list(_functions()))
def test_arguments_returns_and_errors_are_documented(name: str, function: Any) -> None:
    text = inspect.getdoc(function) or ""
    taken = [each for each in inspect.signature(function).parameters if each != "self"]
    undocumented = [each for each in taken if f"    {each}: " not in text]
    assert not undocumented, name
    assert "Returns:" in text, name
    assert "Raises:" in text or name == "matinee.Release.expect"


@pytest.mark.parametrize(
    ("script", "arguments", "says"),
    [
        ("retrain_and_ask.py", "sample/ratings.csv sample/movie_titles.csv store", "41  The Electric Quarry"),
        ("fold_in.py", "store/releases/v0001 1=5 2=4 3=1", " 23  "),
    ],
)
def test_a_script_of_the_examples_runs(
    script: str,
    arguments: str,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [script, *arguments.split()])
    runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    "page", ["data", "how-to/own-data", "how-to/nightly-service", "how-to/add-a-gate-rule"]
)
def test_the_python_of_a_page_runs(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    code = [
        block for block in blocks((ROOT / f"docs/{page}.md").read_text("utf-8")) if block.language == "python"
    ]
    assert code
    for block in code:
        exec(block.code.replace("<digest>", "*"), {"__name__": page})


def test_the_model_of_the_guide_fits_the_others() -> None:
    import torch

    from matinee.settings.training import LinearModel

    (block,) = (
        block
        for block in blocks((ROOT / "docs/how-to/add-a-model.md").read_text("utf-8"))
        if block.language == "python"
    )
    names: dict[str, Any] = {}
    exec(block.code, names)
    shape = names["Shape"](users=4, movies=3, sparse=False, generator=torch.Generator().manual_seed(0))
    model = names["Gmf"](LinearModel(embedding_size=2), shape, mean=3.5)
    assert model(torch.tensor([0, 3]), torch.tensor([2, 1])).shape == (2,)


def test_the_notebook_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.setenv("MATINEE_RELEASE", str(folder / "store/releases/v0001"))
    plt.switch_backend("agg")
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf().number))
    cells = json.loads((ROOT / "examples/explore_release.ipynb").read_text("utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            assert not cell["outputs"], "outputs are not kept: they are somebody's data"
    assert len(set(shown)) == 4
    assert "Like Über Projectionist" in capsys.readouterr().out
    plt.close("all")
