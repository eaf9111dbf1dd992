"""Allowed targets of `--out`, and their state after a failed write."""

import os
import resource
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from matinee.errors import ConfigError, StoreError
from matinee.store.output import check_output, is_stdout, writing_to

NEW = b"new\n"


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file can grow beyond 4 KiB, so a write fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def _write(out: Path, data: bytes = NEW, *, streams: bool = False) -> None:
    with writing_to(out, streams=streams) as file:
        file.write(data)


def _identity(path: Path) -> tuple[int, ...]:
    """What changes if a file is replaced or written; reading a link changes its access time."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


def test_a_new_file_has_the_mode_of_the_umask_and_leaves_no_temporary(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        _write(tmp_path / "out.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.touch(0o600)
    _write(out)
    assert out.read_bytes() == NEW
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_link_is_kept_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    out, target = tmp_path / "out.csv", tmp_path / "other" / "real.csv"
    out.symlink_to(target)
    for _ in range(2):  # a new target, then an existing target
        _write(out)
        assert out.is_symlink()
        assert target.read_bytes() == NEW


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "socket"])
def test_a_target_that_is_not_a_plain_file_is_refused_and_unchanged(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    elif kind == "pipe":
        os.mkfifo(out)
    elif kind == "device":
        out.symlink_to(os.devnull)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(out))
    before = _identity(out)
    with pytest.raises(ConfigError, match=f"is a {kind}"):
        _write(out)
    assert _identity(out) == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent/out", "does not exist"),
        ("x" * 300, "too long"),
        ("loop", "symbolic links"),
        ("a\0b", "null byte"),
    ],
)
def test_an_impossible_name_is_refused_before_work_begins(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ConfigError, match=says):
        check_output(tmp_path / name)


def test_a_name_of_250_characters_is_written(tmp_path: Path) -> None:
    _write(tmp_path / ("x" * 250))
    assert (tmp_path / ("x" * 250)).read_bytes() == NEW


def test_a_device_is_written_directly(tmp_path: Path) -> None:
    out = tmp_path / "null"
    out.symlink_to(os.devnull)
    _write(out, streams=True)
    assert stat.S_ISCHR(out.stat().st_mode)
    with pytest.raises(StoreError, match="/dev/full could not be written: No space left"):
        _write(Path("/dev/full"), streams=True)


def test_a_pipe_is_written_if_it_has_a_reader(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="has no reader"):
        _write(pipe, streams=True)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    _write(pipe, streams=True)
    assert os.read(reader, 100) == NEW
    with pytest.raises(BrokenPipeError), writing_to(pipe, streams=True) as file:
        os.close(reader)
        file.write(NEW)
        file.flush()


def test_a_full_disk_names_the_output_and_keeps_the_earlier_file(tmp_path: Path, small_files: None) -> None:
    out = tmp_path / "out.csv"
    out.write_bytes(b"old")
    with pytest.raises(StoreError, match=r"out.csv could not be written: File too large"):
        _write(out, b"x" * 100_000)
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_failed_block_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(KeyError), writing_to(out) as file:
        file.write(NEW)
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_temporaries_of_a_killed_process_are_removed_by_the_next_call(tmp_path: Path) -> None:
    for name in (".out.csv.4194305_0", f".out.csv.{os.getpid()}_0", ".out.csv.mine"):
        (tmp_path / name).touch()
    _write(tmp_path / "out.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", ".out.csv.mine"}


def test_a_temporary_of_another_active_call_is_kept(tmp_path: Path) -> None:
    with writing_to(tmp_path / "out.csv") as file:
        file.write(b"first\n")
        _write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b"first\n"


def test_only_a_dash_means_stdout() -> None:
    assert is_stdout(Path("-"))
    assert not is_stdout(Path("out.csv"))
    assert not is_stdout(Path("/dev/full"))


def test_a_pipe_behind_a_number_of_this_process_is_written_directly() -> None:
    reading, writing = os.pipe()
    _write(Path(f"/proc/self/fd/{writing}"), streams=True)  # as /dev/stdout is with `| head`
    os.close(writing)
    assert os.read(reading, 9) == NEW
    os.close(reading)
