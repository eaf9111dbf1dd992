"""The systemd units: systemd accepts them, and the server listens on this machine alone unless told otherwise."""

import getpass
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.units import ENVIRONMENT_FILE, units
from flows.up import _address
from matinee.errors import ConfigError


def _units(tmp_path: Path, **more: str) -> dict[str, str]:
    return units(user=getpass.getuser(), drop=tmp_path / "drop", store=tmp_path / "store", **more)  # type: ignore[arg-type]


def test_systemd_accepts_them(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no program systemd-analyze: install systemd for this test")
    for name, text in _units(tmp_path).items():
        (tmp_path / name).write_text(text)
    services = sorted(map(str, tmp_path.glob("*.service")))
    assert len(services) == 3
    verify = [program, "verify", "--man=no", "--recursive-errors=no"]
    said = subprocess.run([*verify, *services], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    broken = tmp_path / "matinee-server.service"
    broken.write_text(broken.read_text().replace("Restart=always", "Restart=sometimes"))
    assert (
        "sometimes" in subprocess.run([*verify, broken], capture_output=True, text=True, check=False).stderr
    )


def test_the_server_listens_on_this_machine_alone_unless_told_otherwise(tmp_path: Path) -> None:
    assert "flows.server --host 127.0.0.1 --port 4200\n" in _units(tmp_path)["matinee-server.service"]
    told = _units(tmp_path, address="10.0.0.7")
    assert "flows.server --host 10.0.0.7 --port 4200\n" in told["matinee-server.service"]
    assert "PREFECT_API_URL=http://10.0.0.7:4200/api" in told["matinee-worker.service"]
    assert _address("http://127.0.0.1:4321/api") == ["--host", "127.0.0.1", "--port", "4321"]
    with pytest.raises(ConfigError, match="does not answer"):
        _address("http://0.0.0.0:4200/api")


def test_secrets_are_in_the_environment_file_alone(tmp_path: Path) -> None:
    made = _units(tmp_path)
    for name, text in made.items():
        if name.endswith(".service"):
            assert f"EnvironmentFile={ENVIRONMENT_FILE}\n" in text
            assert not re.search("PASSWORD|TOKEN|postgresql\\+", text)
            assert "{" not in text
