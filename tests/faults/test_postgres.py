"""A server on PostgreSQL runs a deployment; no secret of its environment is in database, logs, artifacts or store."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import postgres_server, program
from running import free_port

sys.path.insert(0, str(Path(__file__).parent))
import drill_worker

PASSWORD, TOKEN, KEY = "planted-password", "planted-token", "planted-key"


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address, password included, of a PostgreSQL server with an empty database."""
    with postgres_server(PASSWORD, "prefect") as port:
        yield f"postgresql+asyncpg://matinee:{PASSWORD}@127.0.0.1:{port}/prefect"


def _dump(address: str) -> str:
    plain = address.replace("+asyncpg", "")
    return subprocess.run([program("pg_dump"), plain], check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_a_deployment_runs_on_postgresql_and_stores_no_secret(
    postgres: str, sample: Path, tmp_path: Path
) -> None:
    secrets = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres,
        "PREFECT_API_KEY": KEY,
        "MATINEE_WEBHOOK": f"http://127.0.0.1:9/{TOKEN}",
    }
    settings = {"train": {"epochs": 3, "device": "cpu"}}
    site = drill_worker.Site(sample, tmp_path / "site", free_port(), more=secrets, settings=settings)
    with drill_worker.open_site(site):
        run, store = site.start_run(tmp_path / "store"), tmp_path / "store"
        assert site.wait(run, seconds=drill_worker.LONGEST) == "COMPLETED"
        dump = _dump(postgres)
        assert "COPY public.flow_run" in dump
        assert run in dump
        assert "matinee: alert failed" in dump
    assert not (site.root / ".prefect" / "prefect.db").exists(), "SQLite was used"
    kept = {"database": dump.encode()}
    kept |= {str(path): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    kept |= {str(path): path.read_bytes() for path in site.root.rglob("*") if path.is_file()}
    assert len(kept) > 20
    found = {
        name for name, data in kept.items() for secret in (PASSWORD, TOKEN, KEY) if secret.encode() in data
    }
    assert not found
