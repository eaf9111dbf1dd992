"""The services of compose.yaml, run as processes: from a dropped file to an answer over HTTP."""

import contextlib
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from postgres_server import postgres_server
from running import free_port, wait_until

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
PASSWORD = "planted-password"


class Composed:
    """Runs services in a folder that stands for their volumes, on free ports, without git as in the image."""

    def __init__(self, root: Path, database: str) -> None:
        self._root = root
        tools = root / "bin"
        tools.mkdir(parents=True)
        (tools / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
        for volume in ("data", "state"):
            (root / volume).mkdir()
        self.api, self.answers = free_port(), free_port()
        self._here = {
            "/var/lib/matinee": str(root / "state"),
            "/data": str(root / "data"),
            "server:4200": f"127.0.0.1:{self.api}",
            "127.0.0.1:4200": f"127.0.0.1:{self.api}",
        }
        self._ports = {"4200": str(self.api), "8000": str(self.answers)}
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{tools}",
            "HOME": str(root / "state"),
            "PREFECT_HOME": str(root / "state/prefect"),
            "PREFECT_UI_STATIC_DIRECTORY": str(root / "state/ui"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        self._database = database

    def _placed(self, text: str) -> str:
        for there, here in self._here.items():
            text = text.replace(there, here)
        return self._ports.get(text, text)

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        """The process of a service; it is stopped at the end of the block."""
        service = SERVICES[name]
        entry = service.get("entrypoint", [sys.executable, "-m", "matinee.cli"])
        environment = {key: self._placed(value) for key, value in service["environment"].items()}
        if "PREFECT_SERVER_DATABASE_CONNECTION_URL" in environment:
            environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self._database
        words = [*entry, *map(self._placed, service["command"])]
        process = subprocess.Popen(words, env=self._environment | environment, cwd=self._root / "data")
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)

    def finish(self, name: str) -> None:
        """Run a service that ends by itself."""
        with self.run(name) as process:
            assert process.wait(120) == 0, name


def status(url: str, token: str = "") -> int:
    """The status of an answer; 0 without one."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.slow
def test_a_dropped_file_becomes_a_release_that_answers(sample: Path, tmp_path: Path) -> None:
    with postgres_server(PASSWORD, "prefect") as port, contextlib.ExitStack() as running:
        composed = Composed(tmp_path, f"postgresql+asyncpg://matinee:{PASSWORD}@127.0.0.1:{port}/prefect")
        composed.finish("secrets")
        kept = {path.name: path.read_text() for path in (tmp_path / "state").iterdir() if path.is_file()}
        assert {*kept} == {"matinee.password", "serve.token"}
        assert all(stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o600 for name in kept)
        composed.finish("secrets")  # as on every start: what there is stays
        assert all((tmp_path / "state" / name).read_text() == text for name, text in kept.items())

        running.enter_context(composed.run("server"))
        wait_until(lambda: status(f"http://127.0.0.1:{composed.api}/api/health") == 200, 120)
        assert status(f"http://127.0.0.1:{composed.api}/api/flows/count") in (401, 405)
        composed.finish("deploy")
        for name in ("worker", "inbox-watcher"):
            running.enter_context(composed.run(name))
        for file in ("ratings.csv", "movie_titles.csv"):
            shutil.copy(sample / file, tmp_path / "data/drop" / file)
        wait_until((tmp_path / "data/store/champion.json").exists, 240)

        running.enter_context(composed.run("serve"))
        url = f"http://127.0.0.1:{composed.answers}"
        wait_until(lambda: status(f"{url}/healthz") == 200, 30)
        movie = (sample / "ratings.csv").read_text().splitlines()[1].split(",")[1]
        similar = f"{url}/similar?movie_id={movie}"
        assert status(similar) == 401
        assert status(similar, kept["serve.token"].strip()) == 200
