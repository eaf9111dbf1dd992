"""Changes that affect the digest of a step's code, and changes that do not.

A missing effect leaves stale results; an unnecessary effect computes results again."""

import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from matinee.evaluate import Models
from matinee.evaluate import plan as plan_evaluation
from matinee.evaluate.compared_model import ComparedModel
from matinee.settings import Settings
from matinee.store import Reference, Store
from matinee.store.source_code import NOT_CODE, SourceCode, installed

ROOT = Path(__file__).parents[2]
STEPS = {
    "partition": ["matinee.ingest.partitions.writer"],
    "dataset": ["matinee.ingest.dataset"],
    "encode": ["matinee.split.encode"],
    "split": ["matinee.split"],
    "train": ["matinee.train"],
    "rank": ["matinee.train.ranking.step"],
    "evaluate": ["matinee.evaluate", "matinee.evaluate.released_model"],
    "recommend": ["matinee.recommend"],
}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A copy of the code that a test can change."""
    code = tmp_path / "matinee"
    shutil.copytree(ROOT / "src/matinee", code, ignore=shutil.ignore_patterns("__pycache__"))
    return {"matinee": code}


def _digests(code: SourceCode) -> dict[str, set[str]]:
    return {
        step: {digest for module in modules for digest in code.digests(module)}
        for step, modules in STEPS.items()
    }


@cache
def _installed_digests() -> dict[str, set[str]]:
    return _digests(installed())


def _changed(folders: dict[str, Path]) -> set[str]:
    """The steps whose digest differs between the changed copy and the running code."""
    before, after = _installed_digests(), _digests(SourceCode(folders))
    return {step for step in STEPS if before[step] != after[step]}


def _edit(file: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, file.read_text("utf-8"), count=1)
    assert count, f"{file} holds no {pattern}"
    file.write_text(text, "utf-8")


AFTER_INGEST = {
    "dataset",
    "encode",
    "split",
}  # these steps read tables with the code that wrote them


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "steps"),
    [
        (
            "ingest/reading/parser_kernel.py",
            r"(?m)^@compiled\n",
            "@compiled\n@str\n",
            {"partition", *AFTER_INGEST},
        ),
        (
            "ingest/reading/recognition.py",
            r"(?m)^def recognize",
            "_MORE = 1\n\n\ndef recognize",
            {"partition", *AFTER_INGEST},
        ),
        ("train/gibbs/kernels.py", r"1\.0", "1.5", {"train"}),
        ("store/file_kinds.py", r'b"PK', 'b"PX', {"partition", *AFTER_INGEST}),
        ("release/checks.py", r"(?m)^LARGEST", "_MORE = 1\nLARGEST", {"evaluate", "recommend"}),
        ("evaluate/gate.py", r"<=", "<", {"evaluate"}),
        ("evaluate/released_model.py", r"!= TEST", "== TEST", {"evaluate"}),
        ("splitmix64.py", r">> np\.uint64\(30\)", ">> np.uint64(29)", {"split", "train", "rank", "evaluate"}),
        ("recommend/kernel.py", r"(?m)^import numpy", "import math\nimport numpy", {"evaluate", "recommend"}),
    ],
)
def test_a_change_of_results_changes_the_digests_of_its_steps(
    folders: dict[str, Path], file: str, pattern: str, replacement: str, steps: set[str]
) -> None:
    _edit(folders["matinee"] / file, pattern, replacement)
    assert _changed(folders) == steps


def test_a_changed_schema_bound_changes_the_digest_of_ingest(folders: dict[str, Path]) -> None:
    file = folders["matinee"] / "schemas/ratings.py"
    file.write_text(file.read_text("utf-8") + "\nMORE = 1\n", "utf-8")
    assert _changed(folders) == {"partition", *AFTER_INGEST}


def _raise_version(code: Path) -> None:
    _edit(code / "__init__.py", r'__version__ = "[^"]*"', '__version__ = "99"')


def _reword_a_docstring(code: Path) -> None:
    _edit(code / "ingest/partitions/writer.py", r'"""', '"""Other words. ')


def _add_a_comment(code: Path) -> None:
    _edit(code / "train/gibbs/kernels.py", r"\n\n\n", "\n# Why it is so.\n\n\n")


def _reword_a_warning(code: Path) -> None:
    _edit(code / "ingest/checks/warnings.py", "Files without a row", "Files that hold no row")


def _report_progress(code: Path) -> None:
    file = code / "split/encode.py"
    imported = "from matinee.store import progress\n"
    _edit(file, r"(?m)^(from matinee\.store import)", imported + r"\1")
    _edit(file, r"(?m)^    digest = ", '    progress.begin("encoding", total=3)\n    digest = ')


def _reword_an_error(code: Path) -> None:
    _edit(code / "ingest/reading/sources.py", "Expected a file", "A file was expected")


def _change_a_plot(code: Path) -> None:
    _edit(code / "evaluate/plots.py", r"\n\n\n", "\n\n_WIDTH = 9\n\n\n")


def _move_the_store_into_a_folder(code: Path) -> None:
    (code / "store/store").mkdir()
    (code / "store/store.py").rename(code / "store/store/folders.py")
    names = ("Plan", "Reference", "Store", "check_writable")
    (code / "store/store/__init__.py").write_text(
        f"from matinee.store.store.folders import {', '.join(names)}\n"
    )


def _split_an_import_in_two(code: Path) -> None:
    one, two = r"from matinee.ingest import \1, \3\n", r"from matinee.ingest import \2\n"
    _edit(code / "split/encode.py", r"from matinee.ingest import (\w+), (\w+), (\w+)\n", two + one)


def _move_the_kernel(code: Path) -> None:
    _move(
        code,
        "ingest/reading/parser_kernel.py",
        "ingest/parse_kernel.py",
        ".reading import parser_kernel as kernel",
        " import parse_kernel as kernel",
    )


def _move_the_id_map(code: Path) -> None:
    _move(code, "release/idmap.py", "ids/idmap.py", "matinee.release.idmap import", "matinee.ids import")
    (code / "ids/__init__.py").write_text("from matinee.ids.idmap import Id, IdMap, as_ids, parse_id\n")


def _move(code: Path, source: str, target: str, old: str, new: str) -> None:
    """Move a module, and update the imports of it."""
    (code / target).parent.mkdir(exist_ok=True)
    (code / source).rename(code / target)
    for file in code.rglob("*.py"):
        file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def _give_an_error_that_is_returned_other_words(code: Path) -> None:
    _edit(code / "release/plays.py", r"can.t predict ratings", "predicts no ratings")


def _begin_to_log(code: Path) -> None:
    file = code / "split/encode.py"
    text = file.read_text("utf-8")
    assert "logging" not in text
    lines = (
        'import logging\nfrom matinee.errors.text import shown\n\nlog = logging.getLogger("matinee.run")\n'
    )
    _edit(file, r"(?m)^(from matinee\.store import)", f"{lines}\\1")
    _edit(file, r"(?m)^    digest = ", '    log.info("encoding %s", shown(dataset))\n    digest = ')


@pytest.mark.parametrize(
    "change",
    [
        _raise_version,
        _reword_a_docstring,
        _add_a_comment,
        _reword_a_warning,
        _report_progress,
        _reword_an_error,
        _change_a_plot,
        _move_the_store_into_a_folder,
        _split_an_import_in_two,
        _move_the_kernel,
        _move_the_id_map,
        _give_an_error_that_is_returned_other_words,
        _begin_to_log,
    ],
)
def test_a_change_without_effect_on_results_changes_no_digest(
    folders: dict[str, Path], change: Callable[[Path], None]
) -> None:
    change(folders["matinee"])
    assert _changed(folders) == set()


def test_another_library_version_changes_the_digests_of_its_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = _digests(installed())
    monkeypatch.setattr("matinee.store.source_code._version", lambda name: "99" if name == "torch" else "1")
    numpy_only = _digests(installed())
    assert all(before[step] != numpy_only[step] for step in STEPS)
    assert "torch 99" in numpy_only["train"]
    assert "torch 99" not in numpy_only["partition"]


def test_an_evaluation_is_repeated_if_the_code_of_the_champion_changes(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    made = [
        Reference(kind=kind, digest="ab", location="", rows=1)
        for kind in ("candidates", "splits", "rankings")
    ]

    models = Models(candidate=made[0], ranking=made[2])

    def digest(judge: Callable[..., object]) -> str:
        champion = ComparedModel(version="v0001", digest="v0001", predict=judge, was_trained_on=judge)  # type: ignore[arg-type]
        return plan_evaluation(store, models, split=made[1], champion=champion, settings=Settings()).digest

    from matinee.evaluate.released_model import ReleasedModel
    from matinee.release.scoring import predict

    assert digest(ReleasedModel.was_trained_on) != digest(predict)


def test_each_excluded_module_exists() -> None:
    assert not [name for name in NOT_CODE if installed()._file(name) is None]


def test_the_schemas_are_among_the_files() -> None:
    """In an editable installation the folder is a link."""
    names = {path.as_posix().rpartition("/matinee/")[2] for path in installed().files()}
    assert any(name.endswith("schemas/ratings.py") for name in names)
    assert any(name.endswith("store/source_code.py") for name in names)
    assert "splitmix64.py" in {path.name for path in installed().files()}


TWO = """
def f():
    from matinee.{first} import x
    return x

def g():
    from matinee.{second} import x
    return x
"""
LIST = "log = []\n\ndef f(x):\n    log.append(x)\n    return log\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LIST, LIST.replace("append(x)", "append(-x)")),
        ("raise Stop(1)", "raise Stop(2)"),
        (TWO.format(first="a", second="b"), TWO.format(first="b", second="a")),
        ("from matinee.a import x", "from matinee.b import x"),
        ("from matinee.a import x", "from matinee.a import y as x"),
    ],
)
def test_small_changes_are_seen(before: str, after: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    (tmp_path / "b.py").write_text("x = 3\n")
    found = []
    for text in (before, after):
        (tmp_path / "step.py").write_text(text)
        found.append(SourceCode({"matinee": tmp_path}).digests("matinee.step"))
    assert found[0] != found[1]


def test_an_edit_while_a_process_runs_changes_none_of_its_digests(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("x = 1\n")
    code = SourceCode({"matinee": tmp_path})
    code.read_all()
    (tmp_path / "two.py").write_text("x = 2\n")
    assert code.digests("matinee.two") == code.digests("matinee.one")
