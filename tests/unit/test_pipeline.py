"""`matinee.retrain` runs all steps in one call of a program. The flow is tested on the same store."""

import contextlib
import errno
import html
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from calls import retrain_words
from judged import store_of
from page_checks import check_page
from running import environment_of

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError, StoreError
from matinee.evaluate.comparison import compare_models
from matinee.formats.decision import ChampionVerdict, DecisionFile, by_hand
from matinee.formats.example_lists import ExampleList, ListedMovie
from matinee.pipeline import plan_training
from matinee.pipeline.finished import find_finished
from matinee.publish.report.release_facts import Neighbours, collect_facts
from matinee.publish.report.release_page import release_page
from matinee.release import verify
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store, run_locks
from matinee.store.documents import read_as
from matinee.tasks import pages
from matinee.train import device_lock


def test_a_second_call_computes_nothing_and_a_held_candidate_is_not_released(
    sample: Path, judged: tuple[matinee.Retrained, matinee.Retrained]
) -> None:
    first, held = judged
    sources = sample / "ratings.csv", sample / "movie_titles.csv"
    again = matinee.retrain(*sources, store_of(first), settings=read_settings(assignments=["train.epochs=3"]))
    assert again.publication == first.publication.model_copy(update={"replaced": again.publication.replaced})
    assert (again.dataset, again.split, again.candidate) == (first.dataset, first.split, first.candidate)
    assert first.release is not None
    assert matinee.load(first.release).manifest["metrics"]["rmse"] == first.metrics.rmse
    assert (held.release, held.publication.promoted) == (None, False)


def test_a_finished_run_is_found_in_the_store(
    sample: Path, judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path
) -> None:
    """With a release or with a held candidate, and without a write; a run with something to compute is not found."""
    first, held = judged
    sources = [str(sample / "ratings.csv")], str(sample / "movie_titles.csv"), store_of(first)
    before = {path: path.stat().st_mtime_ns for path in store_of(first).rglob("*") if path.is_file()}
    for run, chosen in (
        (first, ["train.epochs=3"]),
        (held, ["train.epochs=1", "train.learning_rate=0.0001"]),
    ):
        found = find_finished(*sources, test=[], settings=read_settings(assignments=chosen))
        assert found is not None
        assert (found.release, found.reason) == (run.publication.release, run.publication.reason)
        assert found.metrics == run.metrics
        assert found.cached == ["ingest", "encode", "split", "train", "rank", "evaluate"]
        assert run.candidate is not None
        assert found.folders["refit"] == run.candidate.location
        others = {"progressive", "refit", "refit_ranking", "publish", "compile"}
        assert found.seconds.keys() == {*found.cached, *others}  # as in a flow: scripts read all of them
    assert {path: path.stat().st_mtime_ns for path in store_of(first).rglob("*") if path.is_file()} == before
    for other in (
        ["train.epochs=4"],
        ["train.epochs=3", "train.refit=all"],
        ["train.epochs=3", "gate.tolerance=0.01"],
    ):
        assert find_finished(*sources, test=[], settings=read_settings(assignments=other)) is None
    assert find_finished(*sources[:2], tmp_path / "new", test=[], settings=Settings()) is None
    assert not (tmp_path / "new").exists()


def test_without_a_server_an_identical_run_imports_neither_prefect_nor_torch(
    sample: Path, judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path
) -> None:
    call = [*retrain_words(sample, store_of(judged[0]), "train.epochs=3"), "--json"]
    code = (
        f"import sys; from matinee.cli.main import main; main({call}); "
        "print({'prefect', 'torch'} & sys.modules.keys())"
    )
    free = environment_of(Path.home(), PREFECT_HOME=str(tmp_path / "prefect"))
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=free, capture_output=True, text=True, check=True
    )
    said, loaded = ran.stdout.splitlines()
    assert json.loads(said)["cached"] == ["ingest", "encode", "split", "train", "rank", "evaluate"]
    assert loaded == "set()"


def test_a_release_does_not_differ_from_itself(judged: tuple[matinee.Retrained, matinee.Retrained]) -> None:
    first, _ = judged
    folder = first.release
    assert folder is not None
    found = compare_models(Store(store_of(first)), ["v0001", str(folder)])
    assert found.says == ["v0001 against v0001: no difference."]
    differences = [each.differences[0] for each in (*found.figures, *found.slices)]
    assert {(each.verdict, each.low, each.high) for each in differences} == {("same", 0, 0)}
    assert (found.shared_movies, found.settings) == ([1], [])
    assert found.figures[0].values[0] == pytest.approx(first.metrics.rmse)


def test_a_held_candidate_differs_from_the_champion_as_the_gate_says(
    judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the page has no script, no address of another file, and titles as text."""
    first, held = judged
    assert held.candidate is not None
    store, out = store_of(first), tmp_path / "compare.html"
    names = ["v0001", held.candidate.digest[:8]]
    assert main(["compare", *names, "--store", str(store), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    decision = read_as(Store(store).path(held.evaluation) / DecisionFile.NAME, DecisionFile)
    (rule,) = (rule for rule in decision.rules if isinstance(rule, ChampionVerdict))
    (difference,) = found["figures"][0]["differences"]
    assert (difference["value"], difference["standard_error"], difference["verdict"]) == (
        pytest.approx(rule.difference),
        pytest.approx(rule.standard_error),
        "worse",
    )
    assert found["rows"]["rows"] == rule.rows
    assert {each["name"] for each in found["settings"]} == {"train.epochs", "train.learning_rate"}
    page = out.read_text("utf-8")
    check_page(page)
    assert found["lists"][0]["lists"][0][0]["title"] in html.unescape(page)
    assert main(["compare", "champion", names[1], "--store", str(store)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[3:7]] == ["rmse", "mae", "ndcg@10", "recall@10"]
    memory = next(line.split() for line in printed if line.startswith("memory of the run, MB"))
    assert all(50 < float(megabytes) < 50_000 for megabytes in memory[-2:])
    assert main(["compare", "v0001", "nothing", "--store", str(store)]) == 2
    assert "Held candidates: " + held.candidate.digest in capsys.readouterr().err


def test_a_store_that_can_only_be_read_is_compared_without_a_lock(
    judged: tuple[matinee.Retrained, matinee.Retrained], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ["compare", "v0001", "v0001", "--store", str(store_of(judged[0]))]
    for cause, status in (
        (OSError(errno.EROFS, "Read-only file system"), 0),
        (OSError(errno.ENOSPC, "full"), 1),
    ):

        def refuse(_: Path, cause: OSError = cause) -> NoReturn:
            raise StoreError("could not be written") from cause

        monkeypatch.setattr(run_locks, "in_use", refuse)
        assert main(call) == status


def test_a_release_has_a_report_for_people(
    judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path
) -> None:
    first, _ = judged
    assert first.release is not None
    page = (first.release / "report.html").read_text("utf-8")
    assert "report.html" in verify(first.release).files
    check_page(page)
    assert f"{first.metrics.rmse:.4f}" in page
    shown = pages.release_report(Store(store_of(first)), first.publication)
    assert f"[report.html]({(first.release / 'report.html').as_uri()})" in shown
    out = tmp_path / "again.html"
    assert main(["report", "v0001", "--store", str(store_of(first)), "--out", str(out)]) == 0
    assert out.read_text("utf-8") == page


def test_a_report_shows_titles_and_ids_as_text_and_does_without_what_was_pruned(
    judged: tuple[matinee.Retrained, matinee.Retrained],
) -> None:
    release = judged[0].release
    assert release is not None
    facts = collect_facts(Store(store_of(judged[0])), release, verify(release))
    odd = '"><script>alert(1)</script>\u202e & {{ 7 * 7 }}'
    movie = ListedMovie(title=odd, train_rows=1, because=odd, liked=True)
    user = ExampleList(user_id=odd, rated=1, best=[odd], listed=[movie])
    shown = release_page(replace(facts, examples=[user], neighbours=[Neighbours(odd, 1, [(odd, 0.5)])]))
    check_page(shown)
    assert (
        "\u202e" not in shown and "&lt;script&gt;alert(1)&lt;/script&gt;" in shown and "{{ 7 * 7 }}" in shown
    )
    reason = by_hand(
        "Held: RMSE 0.9 against the champion's 0.8: difference +0.1, and at most 0.2; worse on users."
    )
    note = facts.manifest.decision.model_copy(update={"reason": reason})
    facts = replace(facts, manifest=facts.manifest.model_copy(update={"decision": note}))
    head, below = release_page(facts).split("</header>")
    assert (
        "against the champion&#39;s 0.8." in head and "difference" not in head and "worse on users." in below
    )
    pruned = replace(
        facts,
        profile=None,
        dataset=None,
        fit=None,
        history=None,
        decision=None,
        examples=[],
        neighbours=[],
        plots={},
    )
    check_page(release_page(pruned))


def test_two_programs_train_one_after_the_other(
    planted_split: Callable[..., tuple[Store, Reference]], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    monkeypatch.setattr(
        device_lock, "hold", lambda device: contextlib.nullcontext(held.append(device))
    )  # tests/flows/test_device_lock.py tests the lock
    store, split = planted_split()
    for _ in range(2):  # an existing candidate waits for no lock
        store.ensure(plan_training(store, split, settings=read_settings(assignments=["train.device=cpu"])))
    assert held == ["cpu"]


def test_a_setting_without_effect_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    useless = Settings.model_validate({"train": {"sweeps": 10}})
    with pytest.raises(ConfigError, match=r"train\.sweeps has no effect"):
        matinee.retrain(tmp_path / "none.csv", None, tmp_path / "store", settings=useless)
    assert not (tmp_path / "store").exists()
