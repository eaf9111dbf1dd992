"""The names of steps are written once, in `matinee.formats.steps`, and every step has its task, log lines and key."""

import ast
from pathlib import Path

from matinee.formats.steps import Step

ROOT = Path(__file__).parents[2]
_MAKERS = {"step", "folder_step"}  # of tasks, by the name of a step
# Whatever names a step there: tasks, pages, log lines, the record of a run, and what the command prints of it.
FILES = [*ROOT.glob("tasks/*.py"), *ROOT.glob("flows/*.py"), ROOT / "src/matinee/cli/run_report.py"]


def _written_names(text: str) -> list[str]:
    """The step names that a file writes as a text: as a key, an index or an argument `name`."""
    found, tree = [], ast.parse(text)
    inner = {value for node in ast.walk(tree) if isinstance(node, ast.Dict) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict) and node not in inner:  # the inner ones are pages by their own keys
            found += node.keys
        elif isinstance(node, ast.Subscript):
            found.append(node.slice)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"task", *_MAKERS}:
            found += node.args + [argument.value for argument in node.keywords if argument.arg == "name"]
    return [node.value for node in found if isinstance(node, ast.Constant) and node.value in set(Step)]


def test_step_names_are_written_in_one_place() -> None:
    assert not {path.name: names for path in FILES if (names := _written_names(path.read_text("utf-8")))}
    planted = 'PAGES = {"ingest": 1}\nmade["train"]\n@task(name="publish")\ndef publish(): ...\n'
    assert _written_names(planted) == ["ingest", "train", "publish"]


def test_every_step_has_one_task() -> None:
    steps = [
        ast.unparse(node.args[0])
        for path in ROOT.glob("tasks/*.py")
        if path.stem != "policies"  # where both are defined
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _MAKERS
    ]
    # A trial of a search has the policies of a step, but no run reports it as one.
    assert sorted(steps) == sorted(["'trial'", *(f"Step.{step.name}" for step in Step)])


def test_every_step_that_a_flow_records_has_log_lines() -> None:
    from matinee.tasks.run_log import _DESCRIBERS

    assert _DESCRIBERS.keys() == set(Step) - {Step.TAKE_IN, Step.PRUNE}
