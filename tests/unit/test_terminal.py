"""What verbs print: on a terminal and elsewhere, with --quiet, and what is imported for it."""

import argparse
import contextlib
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from pydantic_core import PydanticSerializationError
from small_release import write_release

from matinee.cli import serve_verb, terminal
from matinee.cli.arguments import build_parser
from matinee.cli.main import main
from matinee.cli.outcome import Outcome
from matinee.cli.tables import table_lines
from matinee.cli.tune_verb import tuned
from matinee.errors import ConfigError
from matinee.errors.log_filter import RESULT
from matinee.formats.tuning import GoalResult, TuningResult
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.remote import local_store


class Wide(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with two releases."""
    registry = Registry(tmp_path)
    for version in ("v0001", "v0002"):
        write_release(tmp_path / "releases" / version, manifest={"version": version})
        registry.promote(version)
    return tmp_path


@contextlib.contextmanager
def _at_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> Iterator[Wide]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    with contextlib.redirect_stdout(Wide()) as stream:
        yield stream


def test_the_function_of_each_verb_exists() -> None:
    verbs = next(
        action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    ).choices
    names = [
        verb.get_default("run").__closure__[0].cell_contents for verb in verbs.values() if verb._defaults
    ]
    assert len(names) > 20
    for module, _, function in (name.rpartition(".") for name in names):
        assert callable(getattr(import_module(f"matinee.cli.{module}"), function))


def test_the_help_waits_for_no_library() -> None:
    code = "import sys; from matinee.cli.main import main\ntry: main(['ingest', '--help'])\nexcept SystemExit: pass\n"
    code += "print(*{'numpy', 'pyarrow', 'pydantic', 'torch', 'prefect'} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "usage: matinee ingest" in found
    assert found.splitlines()[-1] == ""


def test_releases_are_a_table_on_a_terminal_and_lines_elsewhere(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "releases/v0001/settings.json").write_text("{}")
    with _at_terminal(monkeypatch, 80) as wide:
        assert main(["releases", "--verify", "--store", str(store)]) == 1
    lines = wide.getvalue().splitlines()
    assert lines[0].split() == ["RELEASE", "PUBLISHED", "MODEL", "RMSE"]
    assert lines[1].split() == ["v0001", "-", "dot", "-", "DAMAGED"]
    assert lines[2].endswith("champion, verified")
    assert lines[3].startswith("v0001")
    with _at_terminal(monkeypatch, 40) as narrow:
        main(["releases", "--store", str(store)])
    assert narrow.getvalue().splitlines()[0].split() == ["RELEASE", "PUBLISHED", "RMSE"]
    main(["releases", "--store", str(store)])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["v0001", "v0002"]


@pytest.mark.parametrize("width", [8, 20, 40, 60, 100])
def test_a_table_is_never_wider_than_its_terminal(width: int) -> None:
    rows = [("v0001", "2026-11-26", "a long reason " * 9), ("v0002", "2026-11-27", "")]
    lines = table_lines(("NAME", "DAY", "REASON"), rows, width=width, optional=("DAY",))
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines] == ["NAME", "v0001", "v0002"]
    assert ("DAY" in lines[0]) == (width >= 40)


def test_a_long_line_is_wrapped_below_its_column_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Outcome({"path": "x" * 90}, [f"gate      {'word ' * 20}", f"folder    /{'path' * 20}"])
    with _at_terminal(monkeypatch, 40) as stream:
        terminal.report(said, as_json=False)
        lines = stream.getvalue().splitlines()
        terminal.report(said, as_json=True)
    assert all(line.startswith(" " * 10) for line in lines[1:4])
    assert max(map(len, lines[:4])) <= 40
    assert f"/{'path' * 20}" in stream.getvalue()  # it can be copied
    assert stream.getvalue().splitlines()[-1] == f'{{"path": "{"x" * 90}"}}'
    terminal.report(said, as_json=False)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_quiet_prints_answers_warnings_and_errors(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "v0001", "--quiet", "--store", str(store)]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["promote", "v0009", "--quiet", "--store", str(store)]) == 2
    assert capsys.readouterr().err.startswith("matinee: ")
    assert main(["releases", "--quiet", "--store", str(store)]) == 0
    assert capsys.readouterr().out.startswith("v0001")
    assert main(["promote", "v0002", "--quiet", "--json", "--store", str(store)]) == 0
    assert capsys.readouterr().out == '{"champion": "v0002", "replaced": "v0001"}\n'
    terminal.report(
        Outcome({}, ["rows", "warning   odd"], notable=["warning   odd"]), as_json=False, quiet=True
    )
    assert capsys.readouterr() == ("", "warning   odd\n")


def test_a_stop_within_a_serializer_is_a_stop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(call: object) -> None:
        raise PydanticSerializationError(
            "Error calling function `_ser_model`: TerminatedError: "
        )  # as pydantic writes it

    monkeypatch.setattr("matinee.cli.release_verbs.releases", stopped)
    assert main(["releases", "--store", str(tmp_path)]) == 143


@pytest.mark.parametrize("text", ["ftp://host/x", "file:///x", "hdfs://n/x", "http:/x"])
def test_an_address_of_an_unknown_kind_is_no_folder(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["backup", "--store", str(tmp_path), "--out", text]) == 2
    assert f"{text} is not an address that can be used; expected s3://" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="is not an address that can be used; expected s3://"):
        local_store(text)
    assert not list(tmp_path.iterdir())


def test_promote_says_that_a_release_is_the_champion_already(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version, said in (("v0002", "v0002 is already the champion"), ("v0001", "v0001 is the champion")):
        assert main(["promote", version, "--store", str(store)]) == 0
        assert capsys.readouterr().out == f"{said}\n"


def test_the_result_of_a_search_is_printed_once_and_with_quiet_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    goal = GoalResult(
        goal="lists",
        metric="ndcg_at_10",
        trials=[],
        finalists=[],
        chosen=0,
        importances={},
        says="lists: none.",
    )
    found = TuningResult(study="s", goals=[goal], settings={}, seconds=1, out="best.toml", page="best.html")
    for quiet in (False, True):
        terminal.log_to_terminal(verbose=False, quiet=quiet)
        logging.getLogger("matinee.run").info("%s", goal.says, extra=RESULT)  # as the flow does
        terminal.report(tuned(found, Path("store"), seconds=2), as_json=False, quiet=quiet)
        said = "".join(capsys.readouterr())
        assert (said.count("lists: none."), said.count("settings  best.toml")) == (1, 1)
        assert ("best.toml (no better settings were found)" in said) == (not quiet)


def test_the_outcome_of_an_unknown_id_says_how_to_undo_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(tmp_path / "store")
    for quiet in ([], ["--quiet"], ["--json"]):
        user = f"1234{len(quiet and quiet[0])}"
        assert main(["forget", "--store", str(store.root), "--user", user, *quiet]) == 0
        said = capsys.readouterr()
        assert f"No row of the store has the user {user}. Check the id." in said.err, (
            "a mistyped id is noticed"
        )
        assert ("To undo that, put back the store's forgotten.json" in said.out) == (not quiet)
    assert main(["forget", "--store", str(store.root), "--user", user]) == 0
    said = capsys.readouterr()
    assert (said.err, "was forgotten before" in said.out) == ("", True)


def test_a_browser_is_opened_only_on_a_desktop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    serve_verb._open_page("http://127.0.0.1:8000/")
    assert not opened
    assert "Open http://127.0.0.1:8000/ in one" in capsys.readouterr().err
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("threading.Thread.start", lambda thread: thread.run())
    serve_verb._open_page("http://[::]:8000/")
    assert opened == ["http://localhost:8000/"]


def test_bash_completes_verbs_options_and_releases(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    (store / "releases/v$(touch planted)").mkdir()
    assert main(["completion", "bash"]) == 0
    printed = capsys.readouterr().out
    assert "~/.local/share/bash-completion/completions/" in printed
    script = printed + (
        'try() { COMP_WORDS=(matinee "$@"); COMP_CWORD=$#; _shtab_matinee; echo "${COMPREPLY[*]}"; }\n'
        f'try rel; try show --store {store} ""; try retrain --preset a; try tune --goal l; try retrain --fail\n'
    )
    found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=store)
    assert found.stdout.splitlines() == ["releases", "v0001 v0002", "accurate", "lists", "--fail-on-hold"]
    assert not (store / "planted").exists()
    for shell in ("zsh", "fish"):
        assert main(["completion", shell, "--json"]) == 0
        assert "--fail-on-hold" in capsys.readouterr().out or shell == "fish"


def test_the_help_lists_each_verb_once() -> None:
    parser = build_parser()
    listed = [
        line.split()[0]
        for line in parser.format_help().splitlines()
        if line.startswith("  ") and line[2] != " "
    ]
    assert sorted(listed) == sorted(parser.verbs)
