"""A PostgreSQL server for tests. The test is skipped where PostgreSQL is not installed."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from running import free_port, wait_until

_START_SECONDS = 30


def program(name: str) -> str:
    """The path of a program of PostgreSQL; skips the test without it."""
    found = shutil.which(name)
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found and not places:
        pytest.skip(f"no program {name}: install PostgreSQL for this test")
    return found or str(places[-1])


@contextlib.contextmanager
def postgres_server(password: str, database: str) -> Iterator[int]:
    """The port of a server with an empty database, the user `matinee` and this password."""
    initdb, server, createdb = (program(name) for name in ("initdb", "postgres", "createdb"))
    # It refuses to run as root, and pytest's folders are closed to others.
    user = "nobody" if os.getuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        root, secret = Path(folder), Path(folder) / "password"
        secret.write_text(password)
        if user:
            for path in (root, secret):
                shutil.chown(path, user)
        access = ["--username=matinee", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]
        subprocess.run([initdb, *access, str(root / "data")], user=user, check=True, capture_output=True)
        command = [server, "-D", str(root / "data"), "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
        with subprocess.Popen(command, user=user, stderr=subprocess.DEVNULL) as running:
            try:
                login = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "2"}
                create = [createdb, "-h", "127.0.0.1", "-p", str(port), "-U", "matinee", database]
                started = partial(subprocess.run, create, env=login, check=False, capture_output=True)
                wait_until(lambda: started().returncode == 0, _START_SECONDS)
                yield port
            finally:
                running.send_signal(signal.SIGINT)  # it does not wait for clients
