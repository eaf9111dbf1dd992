"""The last lines of a run name commands that work."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from matinee.cli import run_report
from matinee.formats.steps import Step
from matinee.store.remote import local_store


@pytest.mark.parametrize(
    ("candidate", "named"), [("0abc", "v0001"), ("1def", "1def")], ids=["released", "held"]
)
def test_a_hold_names_what_can_be_promoted(
    candidate: str, named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    released = [SimpleNamespace(version="v0001", candidate="0abc")]
    monkeypatch.setattr(run_report.Registry, "manifests", lambda _: released)
    summary = SimpleNamespace(folders={Step.TRAIN: f"candidates/{candidate}"})
    assert f"`matinee promote --store {tmp_path} {named}`" in run_report._held_line(summary, tmp_path)


def test_a_release_in_a_bucket_is_named_by_its_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MATINEE_CACHE", str(tmp_path))
    store = local_store("s3://bucket/one")
    summary = SimpleNamespace(promoted=True, release="v0001")
    assert run_report._release_line(summary, store) == "s3://bucket/one/releases/v0001 (champion)"
