"""The server follows the champion, and loads the releases that are asked for."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from running import wait_until
from served import asking, write_served_store

from matinee.cli.main import main
from matinee.registry import Registry
from matinee.serve import loaded_releases as releases_module
from matinee.serve.loaded_releases import LoadedReleases


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_served_store(tmp_path / "store")


def test_a_new_champion_answers_and_a_damaged_one_does_not(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("matinee").propagate = True
    loaded = LoadedReleases(store)
    ask = asking(loaded)
    assert not loaded.refresh()
    Registry(store).promote("v0002")
    assert loaded.refresh() and not loaded.refresh()
    assert ask("/healthz").json()["release"] == "v0002"
    Registry(store).promote("v0001")
    (store / "releases/v0001/users.parquet").write_bytes(b"damaged")
    for _ in range(3):
        assert not loaded.refresh()
    health = ask("/healthz").json()
    assert (health["status"], health["release"]) == ("stale", "v0002")
    assert str(store) not in health["problem"]
    assert "users.parquet" in caplog.text and caplog.text.count("still served") == 1
    assert "matinee_release_stale 1.0" in ask("/metrics").text
    Registry(store).rollback("v0002")
    assert not loaded.refresh()
    assert ask("/healthz").json()["status"] == "ok"


def test_a_release_whose_folder_is_replaced_is_loaded_again(store: Path) -> None:
    loaded = LoadedReleases(store)
    other = loaded.named("v0002")
    assert loaded.named("v0002") is other
    for version in ("v0001", "v0002"):
        manifest = store / "releases" / version / "manifest.json"
        manifest.with_suffix(".new").write_bytes(manifest.read_bytes())
        manifest.with_suffix(".new").rename(manifest)
    assert loaded.refresh()
    assert loaded.named("v0002") is not other
    shutil.rmtree(store / "releases/v0002")
    assert asking(loaded)("/recommend", {"user_id": 3, "release": "v0002"}).status_code == 404


def test_a_question_does_not_wait_long_for_another_release(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases_module, "_PATIENCE", 0.01)
    loaded = LoadedReleases(store)
    with loaded._one_at_a_time:
        assert asking(loaded)("/similar?movie_id=13&release=v0002").status_code == 503
        assert asking(loaded)("/similar?movie_id=13").status_code == 200
    assert asking(loaded)("/similar?movie_id=13&release=v0002").status_code == 200


def test_a_server_follows_the_champion_until_it_is_stopped(store: Path) -> None:
    command = [sys.executable, "-m", "matinee.cli", "serve", "--store", str(store), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        url = process.stderr.readline().split(" at ")[1].split()[0]
        with httpx.Client(base_url=url) as client:
            assert client.get("/healthz").json()["release"] == "v0001"
            Registry(store).promote("v0002")
            wait_until(lambda: client.get("/healthz").json()["release"] == "v0002")
            assert "matinee_champion_loads_total 1.0" in client.get("/metrics").text
            taken = main(["serve", "--store", str(store), "--port", url.rpartition(":")[2].rstrip("/")])
        process.terminate()
        assert process.wait(20) == 0
        assert json.loads(process.stdout.readline()) == {"release": "v0002", "url": url}
    assert taken == 2  # the port is in use
