"""A server on PostgreSQL runs a deployment; no secret of its environment is in database, logs, artifacts or store."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import drill_worker

PASSWORD, TOKEN, KEY = "planted-password", "planted-token", "planted-key"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _program(name: str) -> str:
    found = shutil.which(name)
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found and not places:
        pytest.skip(f"no program {name}: install PostgreSQL for this test")
    return found or str(places[-1])


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address, password included, of a PostgreSQL server with an empty database."""
    initdb, program, createdb = (_program(name) for name in ("initdb", "postgres", "createdb"))
    # It refuses to run as root, and pytest's folders are closed to others.
    user = "nobody" if os.getuid() == 0 else None
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        root, secret = Path(folder), Path(folder) / "password"
        secret.write_text(PASSWORD)
        if user:
            for path in (root, secret):
                shutil.chown(path, user)
        access = ["--username=matinee", f"--pwfile={secret}", "--auth=scram-sha-256"]
        subprocess.run([initdb, *access, str(root / "data")], user=user, check=True, capture_output=True)
        command = [program, "-D", str(root / "data"), "-p", str(port), "-k", folder, "-h", "127.0.0.1"]
        with subprocess.Popen(command, user=user, stderr=subprocess.DEVNULL) as server:
            try:
                login = {**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "2"}
                create = [createdb, "-h", "127.0.0.1", "-p", str(port), "-U", "matinee", "prefect"]
                drill_worker.until(lambda: not subprocess.run(create, env=login, check=False).returncode, 30)
                yield f"postgresql+asyncpg://matinee:{PASSWORD}@127.0.0.1:{port}/prefect"
            finally:
                server.terminate()


def _dump(address: str) -> str:
    plain = address.replace("+asyncpg", "")
    return subprocess.run([_program("pg_dump"), plain], check=True, capture_output=True, text=True).stdout


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
    site = drill_worker.Site(sample, tmp_path / "site", _free_port(), more=secrets, settings=settings)
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
