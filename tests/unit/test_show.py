"""`matinee show` of releases, runs and datasets."""

import json
import os
import shutil
from pathlib import Path

import pytest
from judged import store_of
from small_release import publish_releases

import matinee
from matinee.cli.main import main
from matinee.maintenance.backup import back_up


def test_show_says_what_a_release_a_held_run_and_a_dataset_are(
    judged: tuple[matinee.Retrained, matinee.Retrained], capsys: pytest.CaptureFixture[str]
) -> None:
    passed, held = judged

    def show(*words: str) -> str:
        assert main(["show", *words, "--store", str(store_of(passed))]) == 0
        return capsys.readouterr().out

    champion = show()
    for words in ("release   v0001, the champion", "settings  preset fast, and train.epochs=3 (default 20)"):
        assert words in champion
    assert "(titles)" in champion
    assert "report    " in champion
    assert len(champion.splitlines()) < 24
    facts = json.loads(show("v0001", "--json"))
    assert facts["files"].keys() >= {"weights.safetensors", "report.html", "manifest.json"}
    assert facts["settings"]["changed"] == [{"name": "train.epochs", "value": 3, "default": 20}]
    assert facts["figures"][0]["low"] < facts["figures"][0]["value"] < facts["figures"][0]["high"]
    candidate = str(held.candidate and held.candidate.digest)
    for name in (candidate, candidate[:6], held.evaluation.digest):
        assert f"run       {held.evaluation.digest}, held by the gate" in show(name)
    assert show(candidate).splitlines()[-1].endswith(f"promote --store {store_of(passed)} {candidate}")
    dataset = show(passed.dataset.digest[:8])
    assert dataset.startswith(f"dataset   {passed.dataset.digest}")
    assert "releases  v0001" in dataset
    assert json.loads(show(passed.dataset.digest, "--json"))["rows"]["read"] == 40_000
    assert main(["show", "v0009", "--store", str(store_of(passed))]) == 2
    assert main(["show", "abc", "--store", str(store_of(passed))]) == 2
    assert f"Held candidates: {candidate}" in capsys.readouterr().err
    split = facts["digests"]["split"]
    assert main(["show", split, "--store", str(store_of(passed))]) == 2
    assert f"2 runs have the split {split}" in capsys.readouterr().err


def test_show_refuses_figures_that_were_changed(
    judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    shutil.copytree(store_of(judged[0]), store)
    (store / "releases/v0001/metrics.json").write_text("{}")
    assert main(["show", "v0001", "--store", str(store)]) == 1
    assert "metrics.json is missing or was changed after v0001 was published" in capsys.readouterr().err


def test_a_copy_of_a_store_has_the_same_times(
    judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passed, held = judged
    store = tmp_path / "store"
    shutil.copytree(store_of(passed), store)
    os.utime(store / f"datasets/{passed.dataset.digest}/manifest.json", (10**9, 10**9))
    back_up(store, tmp_path / "copy")

    def made(store: Path, name: str) -> str:
        assert main(["show", name, "--store", str(store), "--json"]) == 0
        return str(json.loads(capsys.readouterr().out)["made"])

    os.utime(
        tmp_path / f"copy/evaluations/{held.evaluation.digest}/manifest.json", (0, 0)
    )  # the log has the time
    for name in (held.evaluation.digest, passed.dataset.digest):
        assert made(tmp_path / "copy", name) == made(store, name)


def test_an_unknown_name_is_answered_with_the_newest_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_releases(tmp_path, 5)
    assert main(["show", "abc", "--store", str(tmp_path)]) == 2
    assert "Releases: v0003, v0004, v0005 and 2 older. Held candidates: none." in capsys.readouterr().err


def test_show_says_that_a_release_was_promoted_by_hand(
    judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passed, held = judged
    assert held.candidate is not None
    store = tmp_path / "store"
    shutil.copytree(store_of(passed), store)

    def show(*words: str) -> str:
        assert main(["show", "--store", str(store), *words]) == 0
        return capsys.readouterr().out

    assert "promoted" not in show()
    assert main(["promote", "--store", str(store), held.candidate.digest]) == 0
    assert f"made from the held candidate {held.candidate.digest}" in capsys.readouterr().out
    for name in ("champion", held.evaluation.digest):
        assert " with `matinee promote`" in show(name)
        assert "gate      Promoted by hand, although the gate said: Held: " in show(name)
    assert "The gate: Promoted by hand, although the gate said: Held: " in (
        store / "releases/v0002/CARD.md"
    ).read_text("utf-8")
    assert main(["rollback", "--store", str(store)]) == 0
    assert " with `matinee rollback`" in show("v0001")
    assert json.loads(show("v0002", "--json").splitlines()[-1])["promotion"]["action"] == "promote"
