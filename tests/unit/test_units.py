"""The systemd units: systemd accepts them, and by default the server listens only on this machine."""

import getpass
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from matinee.errors import ConfigError
from matinee.ops.units import ENVIRONMENT_FILE, main, units
from matinee.ops.up import _address


def _units(tmp_path: Path, **more: str) -> dict[str, str]:
    return units(user=getpass.getuser(), drop=tmp_path / "drop", store=tmp_path / "store", **more)  # type: ignore[arg-type]


def _systemd_says(folder: Path, made: dict[str, str]) -> tuple[int, str]:
    """The complaints of systemd about units."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no program systemd-analyze: install systemd for this test")
    for name, text in made.items():
        (folder / name).write_text(text)
    verify = [program, "verify", "--man=no", "--recursive-errors=no", *map(str, folder.glob("*.service"))]
    said = subprocess.run(verify, capture_output=True, text=True, check=False)
    return said.returncode, said.stderr


ODD = "/srv/a b/100%h $HOME ${PATH} \"q\" \\n \\ ;'x' é ="


def test_systemd_accepts_odd_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "my 100%i $x \\"
    project.mkdir()
    python = tmp_path / "my venv%n" / "python 3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setattr("matinee.ops.units.ROOT", project)
    monkeypatch.setattr("matinee.ops.units.sys.executable", str(python))
    made = units(user=getpass.getuser(), drop=Path(ODD, "drop"), store=Path(ODD, "store "))
    assert _systemd_says(tmp_path, made) == (0, "")


def _words(line: str) -> list[str]:
    """The words of a line as in systemd.syntax(7): with quotes and backslashes, without specifiers."""
    words = shlex.split(line)
    assert "%" not in line.replace("%%", "")
    return [word.replace("%%", "%") for word in words]


def test_systemd_reads_the_intended_values(tmp_path: Path) -> None:
    made = units(user="matinee", drop=Path(ODD, "drop"), store=Path(ODD, "store "))
    lines = made["matinee-worker.service"].splitlines()
    (deploy,) = (line.removeprefix("ExecStartPre=") for line in lines if line.startswith("ExecStartPre="))
    assert _words(deploy)[-4:] == ["--drop", f"{ODD}/drop", "--store", f"{ODD}/store "]
    (may_write,) = (
        line.removeprefix("ReadWritePaths=") for line in lines if line.startswith("ReadWritePaths=")
    )
    assert _words(may_write) == [f"-{ODD}/drop", f"-{ODD}/store ", "-/tmp"]


def test_the_password_is_passed_as_a_credential(tmp_path: Path) -> None:
    made = units(user="matinee", drop=tmp_path, store=tmp_path, address="0.0.0.0")
    for name in ("server", "worker", "inbox-watcher"):
        text = made[f"matinee-{name}.service"]
        assert "LoadCredential=matinee.password:/etc/matinee/matinee.password\n" in text
        assert "Environment=MATINEE_AUTH_FILE=%d/matinee.password\n" in text
        assert "PREFECT_API_URL=http://127.0.0.1:4200/api\n" in text
        assert "PREFECT_UI_STATIC_DIRECTORY=/var/lib/matinee/" in text
    assert main(["--out", str(tmp_path / "out")]) == 0
    secret = tmp_path / "out" / "matinee.password"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert not [
        path
        for path in secret.parent.glob("*.*e*")
        if path != secret and secret.read_text() in path.read_text()
    ]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    made = _units(tmp_path)
    assert len([name for name in made if name.endswith(".service")]) == 4
    assert _systemd_says(tmp_path, made) == (0, "")
    server = made["matinee-server.service"].replace("Restart=always", "Restart=sometimes")
    assert "sometimes" in _systemd_says(tmp_path, {"matinee-server.service": server})[1]


def test_the_server_listens_only_on_this_machine_by_default(tmp_path: Path) -> None:
    assert "matinee.cli server --host 127.0.0.1 --port 4200\n" in _units(tmp_path)["matinee-server.service"]
    told = _units(tmp_path, address="10.0.0.7")
    assert "matinee.cli server --host 10.0.0.7 --port 4200\n" in told["matinee-server.service"]
    assert "PREFECT_API_URL=http://10.0.0.7:4200/api" in told["matinee-worker.service"]
    assert _address("http://127.0.0.1:4321/api") == ["--host", "127.0.0.1", "--port", "4321"]
    with pytest.raises(ConfigError, match="does not answer"):
        _address("http://0.0.0.0:4200/api")


def test_secrets_are_only_in_the_environment_file(tmp_path: Path) -> None:
    made = _units(tmp_path)
    for name, text in made.items():
        if name.endswith(".service"):
            # The server of the champion gets no secret of the others.
            assert (f"EnvironmentFile={ENVIRONMENT_FILE}\n" in text) == (name != "matinee-serve.service")
            assert not re.search("PASSWORD|TOKEN|postgresql\\+", text)
            assert "{" not in text


def test_services_with_an_object_store_get_its_credentials_and_a_cache(tmp_path: Path) -> None:
    made = _units(tmp_path)
    assert not any("object-store.env" in text for name, text in made.items() if name.endswith(".service"))
    made = units(user=getpass.getuser(), drop=Path("s3://films/drop"), store=Path("s3://films/store"))
    worker, serve = made["matinee-worker.service"], made["matinee-serve.service"]
    assert '--drop "s3://films/drop" --store "s3://films/store"' in worker
    assert 'ReadWritePaths="-/tmp"\n' in worker
    assert 'serve --store "s3://films/store"' in serve
    assert "CacheDirectory=matinee-serve\nEnvironment=MATINEE_CACHE=%C/matinee-serve\n" in serve
    for text in (worker, serve, made["matinee-inbox-watcher.service"]):
        assert "EnvironmentFile=-/etc/matinee/object-store.env\n" in text
    assert _systemd_says(tmp_path, made) == (0, "")
    made = units(user=getpass.getuser(), drop=Path("s3://films/drop"), store=tmp_path / "store")
    assert "object-store.env" not in made["matinee-serve.service"]
