"""What `matinee up` does with a Prefect server: its own, and one that runs already."""

import os
import signal
import sys
from pathlib import Path

import prefect.cli
import pytest

from matinee.errors import ConfigError
from matinee.ops import registration


def test_a_failed_command_is_one_error_with_its_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        print(f"{sys.argv[1:]} in {Path.cwd()}")
        raise SystemExit(1)

    monkeypatch.setattr(prefect.cli, "app", fail)
    monkeypatch.chdir(tmp_path)
    before = sys.argv
    with pytest.raises(ConfigError, match=rf"`prefect deploy` failed: .*'deploy'\] in {registration.ROOT}"):
        registration._call_prefect("deploy")
    assert sys.argv is before
    assert Path.cwd() == tmp_path
    assert capfd.readouterr().out == ""


def test_a_signal_ends_up_although_prefect_catches_its_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    from matinee.ops.up import _stop

    def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    numbers = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
    before = [signal.signal(number, _stop) for number in numbers]
    monkeypatch.setattr(prefect.cli, "app", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            registration._call_prefect("deploy")
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_a_server_that_no_setting_names_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from matinee.ops import up

    monkeypatch.setattr(up, "find_address", lambda **_: None)
    monkeypatch.setattr(up, "use", lambda *_: None)
    monkeypatch.setattr(up, "is_healthy", lambda _: True)
    monkeypatch.setattr(up, "owners_of", lambda _: {0})
    monkeypatch.setattr(up, "register", lambda: pytest.fail("its deployments got other folders"))
    with (
        pytest.raises(ConfigError, match=r"already running at http://127.0.0.1:4201, .* --port"),
        up.running(4201),
    ):
        pass
