"""A folder in the store is complete or absent, and written once."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from matinee.errors import ConfigError, StoreError
from matinee.formats.base import Manifest
from matinee.store import Plan, Store
from matinee.store.documents import MANIFEST
from matinee.store.files import write_json


def _plan(make: Any = None, digest: str = "abc") -> Plan:
    def write(folder: Path) -> Manifest:
        (folder / "data.txt").write_text("data")
        return Manifest.model_validate({"rows": 7})

    return Plan("datasets", digest, make or write)


def test_a_plan_is_executed_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    calls = []

    def make(folder: Path) -> Manifest:
        calls.append(folder)
        return Manifest.model_validate({"rows": 7})

    first, second = store.ensure(_plan(make)), store.ensure(_plan(make))
    assert first == second
    assert (first.location, first.rows, len(calls)) == ("datasets/abc", 7, 1)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store.open(tmp_path)

    def fail(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.ensure(_plan(fail))
    assert list((tmp_path / "datasets").iterdir()) == []


_SLOW = """
import sys, time
from pathlib import Path
from matinee.store import Plan, Store
from matinee.formats.base import Manifest
root, calls, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def make(folder):
    with calls.open("a") as out:
        out.write("called\\n")
    (folder / "half").write_text("half")
    time.sleep(seconds)
    return Manifest.model_validate({"rows": 1})

Store.open(root).ensure(Plan("datasets", "abc", make))
"""


def _make_slowly(root: Path, calls: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Another process that writes the folder slowly."""
    return subprocess.Popen([sys.executable, "-c", _SLOW, str(root), str(calls), str(seconds)])


def _wait_for(path: Path) -> None:
    for _ in range(3000):
        if path.exists() and path.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def test_a_folder_of_a_killed_process_is_absent_and_written_again(tmp_path: Path) -> None:
    store, calls = Store.open(tmp_path), tmp_path / "calls"
    process = _make_slowly(tmp_path, calls, 60)
    _wait_for(calls)
    process.kill()
    process.wait()
    assert not store.has(_plan())
    reference = store.ensure(_plan())
    assert [path.name for path in sorted(store.path(reference).iterdir())] == ["data.txt", MANIFEST]


def test_two_processes_write_a_folder_once(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    makers = [_make_slowly(tmp_path, calls, 0.5) for _ in range(2)]
    assert [maker.wait() for maker in makers] == [0, 0]
    assert len(calls.read_text().splitlines()) == 1
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["abc"]


def test_a_store_that_cannot_be_written_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="can't be written"):
        Store.open(Path("/dev/fd/store"))  # not even root can create a folder there


@pytest.mark.parametrize("place", ["file", "file/store"])
def test_a_file_is_no_store(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"because .*/file is a file\. Use a folder"):
        Store.open(tmp_path / place)


def test_a_folder_without_a_manifest_is_written_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    (tmp_path / "datasets" / "abc" / "rest").mkdir(parents=True)
    assert store.path(store.ensure(_plan())).is_dir()
    assert not (tmp_path / "datasets" / "abc" / "rest").exists()


def test_a_transient_read_error_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path)
    folder = store.path(store.ensure(_plan()))

    def fail(path: Path, *status: int) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr("matinee.store.digests._file_digest", fail)
    with pytest.raises(StoreError, match=os.strerror(errno.EIO)) as caught:
        store.ensure(_plan())
    assert isinstance(caught.value.__cause__, OSError)
    assert (folder / "manifest.json").is_file()


def _full(folder: Path) -> dict[str, Any]:
    raise OSError(28, "No space left on device", str(folder / "ratings.parquet"))


def _full_without_name(folder: Path) -> dict[str, Any]:
    raise OSError(28, "No space left on device")  # as the kernel reports a failed write


def _gone(folder: Path) -> dict[str, Any]:
    folder.rmdir()
    save_file({"mean": np.zeros(1)}, folder / "weights.safetensors")
    return Manifest.model_validate({"rows": 7})


@pytest.mark.parametrize(
    ("make", "number"), [(_full, errno.ENOSPC), (_full_without_name, errno.ENOSPC), (_gone, errno.ENOENT)]
)
def test_an_io_error_in_the_store_becomes_a_store_error_with_its_cause(
    tmp_path: Path, make: Any, number: int
) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(StoreError, match=os.strerror(number)) as caught:
        store.ensure(_plan(make))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == number


def test_a_reference_to_a_missing_folder_is_a_store_error(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    reference = store.ensure(_plan())
    (store.path(reference) / MANIFEST).unlink()
    with pytest.raises(StoreError, match="Run the flow again"):
        store.path(reference)


def test_json_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "pointer.json"
    write_json(path, {"version": "v0001"})
    with pytest.raises(TypeError):
        write_json(path, {"version": object()})
    assert "v0001" in path.read_text()


@pytest.mark.parametrize("file", ["data.txt", MANIFEST])
def test_a_damaged_folder_is_computed_again(tmp_path: Path, file: str) -> None:
    store = Store.open(tmp_path)
    folder = store.path(store.ensure(_plan()))
    whole = (folder / "data.txt").read_bytes()
    damaged = bytearray((folder / file).read_bytes())
    damaged[-2] ^= 1
    (folder / file).write_bytes(damaged)
    assert not store.take(_plan())
    assert store.path(store.ensure(_plan())) == folder
    assert (folder / "data.txt").read_bytes() == whole
    assert store.take(_plan())


def test_a_dataset_with_a_damaged_partition_is_computed_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    part = Plan("partitions", "part", _plan().make)

    def make(_: Path) -> Manifest:
        return Manifest.model_validate({"rows": 7, "partitions": [store.ensure(part).digest]})

    dataset = _plan(make)
    store.ensure(dataset)
    (store.folder("partitions", "part") / "data.txt").write_text("date")
    assert not store.take(dataset)
    store.ensure(dataset)
    assert store.take(dataset)
    assert (store.folder("partitions", "part") / "data.txt").read_text() == "data"


def _polars(path: Path) -> None:
    pl.DataFrame({"a": [1.0] * 9}).write_parquet(path)


def _polars_csv(path: Path) -> None:
    pl.DataFrame({"a": [1.0] * 9}).write_csv(path)


def _pyarrow(path: Path) -> None:
    with path.open("wb") as out:
        pq.write_table(pa.table({"a": [1.0] * 9}), out)


def _safetensors(path: Path) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def _numpy(path: Path) -> None:
    raise OSError("300000 requested and 12484 written")  # as np.save reports a full disk


def _copy(path: Path) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/elsewhere/ratings.csv", None, str(path))
    raise error


@pytest.mark.parametrize("write", [_polars, _polars_csv, _pyarrow, _safetensors, _numpy, _copy])
def test_a_full_disk_is_a_store_error_for_every_library(tmp_path: Path, write: Any) -> None:
    store = Store.open(tmp_path)

    def make(folder: Path) -> Manifest:
        (folder / "full").symlink_to("/dev/full")  # a device that is always full
        write(folder / "full")
        return Manifest.model_validate({"rows": 7})

    with pytest.raises(StoreError, match=r"could not be written: No space left on device\.") as caught:
        store.ensure(_plan(make))
    assert "elsewhere" not in str(caught.value)
    assert not list((tmp_path / "datasets").iterdir())


def test_an_error_not_caused_by_the_disk_is_not_converted(tmp_path: Path) -> None:
    for error in (OSError(errno.ENOENT, "gone", "/elsewhere"), ValueError("os error"), OSError("odd")):

        def make(folder: Path, error: Exception = error) -> Manifest:
            raise error

        with pytest.raises(type(error)) as caught:
            Store.open(tmp_path).ensure(_plan(make))
        assert caught.value is error
