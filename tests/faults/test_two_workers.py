"""Two workers with caches of their own serve the nights of a bucket, with Prefect's server on PostgreSQL."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore, remote_at
from postgres_server import postgres_server
from running import free_port, wait_until

from matinee.registry import Registry
from matinee.store.remote.address import parse_address
from matinee.store.remote.objects import Objects

sys.path.insert(0, str(Path(__file__).parent))
import drill_worker

FINAL = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}


@pytest.fixture
def hosts(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[drill_worker.Site, drill_worker.Site, str]]:
    """Two hosts, the first with the server and the inbox watcher, and the address of a prefix for both."""
    address = f"s3://{object_store.new_bucket()}/films"
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "reader"))
    with postgres_server("secret", "prefect") as port:
        database = f"postgresql+asyncpg://matinee:secret@127.0.0.1:{port}/prefect"
        where = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
        api = free_port()
        first, second = (
            drill_worker.Site(
                tmp_path,
                tmp_path / name,
                api,
                more={**where, "MATINEE_CACHE": str(tmp_path / name / "cache")},
            )
            for name in ("first", "second")
        )
        try:
            first.root.mkdir()
            second.root.mkdir()
            first.start_server()
            first.call("up", "--deploy", "--drop", f"{address}/drop", "--store", f"{address}/store")
            first.start_worker()
            second.start_worker()
            first.start("inbox-watcher")
            yield first, second, address
        finally:
            second.close()
            first.close()


def _runs(site: drill_worker.Site, flow: str, *, count: int) -> list[Any]:
    """The runs of a flow, oldest first, once there are so many and all are over."""

    def over() -> list[Any]:
        named = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": FINAL}, "sort": "START_TIME_ASC"}
        found: list[Any] = site.ask("flow_runs/filter", named)
        return found if len(found) >= count else []

    found = wait_until(over, drill_worker.LONGEST)
    states = [(run["state_name"], run["state"]["message"]) for run in found]
    assert {run["state_type"] for run in found} == {"COMPLETED"}, states
    return found


@pytest.mark.slow
def test_a_file_under_a_prefix_becomes_one_release_and_its_lists(
    hosts: tuple[drill_worker.Site, drill_worker.Site, str], sample: Path
) -> None:
    first, second, address = hosts
    drop = Objects(parse_address(f"{address}/drop"))
    for name in ("movie_titles.csv", "ratings.csv"):
        drop.upload(name, sample / name)
    _runs(first, "nightly", count=1)
    _runs(first, "recommend", count=1)

    # Each host alone finds the night finished, although the other one may have computed it.
    nightly = first.ask("deployments/name/nightly/drop")["id"]
    for idle, count in ((second, 2), (first, 3)):
        if idle is first:
            second.start_worker()
        idle.end("worker", signal.SIGTERM)
        time.sleep(1)
        first.ask(f"deployments/{nightly}/create_flow_run", {})
        assert _runs(first, "nightly", count=count)[-1]["state_name"] == "Nothing new"

    registry = Registry.open(remote_at(f"{address}/store").root)
    assert [(entry.action, entry.version) for entry in registry.log() if entry.action != "prune"] == [
        ("publish", "v0001")
    ]
    assert len(_runs(first, "recommend", count=1)) == 1
    lists = [each.key for each in Objects(parse_address(address)).list("store/files/recommendations/")]
    assert any(key.endswith(".parquet") for key in lists), lists
