"""`doctor` names the causes of failed runs, changes nothing, and prints no secret."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from matinee.cli.main import main
from matinee.maintenance.doctor import Check, examine
from matinee.registry import Registry


def _checks(store: Path | None = None) -> dict[str, Check]:
    return {check.name: check for check in examine(store)}


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))


def test_a_sound_store_is_ok_and_unchanged(random_release: Callable[..., Path], tmp_path: Path) -> None:
    store = random_release().parents[1]
    registry = Registry.open(store)
    with registry.lock():
        registry.point_to("v0001", action="publish", reason="test")
    before = set(store.rglob("*"))
    found = _checks(store)
    assert {check.status for check in found.values()} <= {"ok", "warn"}, found
    assert found["champion"].status == "ok"
    assert set(store.rglob("*")) == before


def test_damage_and_leftovers_are_named(
    random_release: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = random_release()
    store = folder.parents[1]
    registry = Registry.open(store)
    with registry.lock():
        registry.point_to("v0001", action="publish", reason="test")
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    (store / "splits" / "abc.partial").mkdir(parents=True)
    (store / "matinee-store.json").write_text("5")
    found = _checks(store)
    assert found["champion"].status == "fail"
    assert "weights.safetensors" in found["champion"].said
    assert found["leftovers"].status == "warn"
    assert "matinee-store.json is damaged" in found["files"].said
    assert main(["doctor", "--store", str(store)]) == 1
    assert "fail  champion" in capsys.readouterr().out


def test_an_unreachable_server_is_a_failure_and_its_password_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = "http://name:planted@127.0.0.1:9/api"
    (tmp_path / "profiles.toml").write_text(
        f'active = "team"\n[profiles.team]\nPREFECT_API_URL = "{address}"\n'
    )
    check = _checks()["server"]
    assert check.status == "fail"
    assert "127.0.0.1:9" in check.said
    assert "planted" not in check.said
    assert "PREFECT_API_URL" not in os.environ
