"""A night whose files or disk fail: a file is refused only if the failure is its own."""

import io
import logging
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from dropped import GOOD, night, write_drop

from matinee.containers import decompression
from matinee.errors import StoreError
from matinee.ingest import screening
from matinee.ingest.inbox import drop as room
from matinee.ingest.partitions import writer
from matinee.ingest.reading import blocks
from matinee.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all nights, so the good file is parsed once."""
    return Store.open(tmp_path_factory.mktemp("nights") / "store")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    return write_drop(tmp_path / "drop")


def test_a_file_that_cannot_be_moved_is_kept_and_reported(
    store: Store, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (drop / "a.csv").write_text("no ratings\n")

    def denied(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(room, "replacing", denied)
    found = night(store, drop)
    assert [Path(taken).name for taken in found.ratings] == ["good.csv"]
    assert "could not be moved (Permission denied)" in found.refused[str(drop / "a.csv")]
    assert (drop / "a.csv").exists()


def test_a_file_without_read_permission_is_set_aside(
    store: Store, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (drop / "a.csv").write_text(GOOD)
    opened = Path.open

    def denied(self: Path, *args: Any, **named: Any) -> Any:
        if self == drop / "a.csv":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **named)

    monkeypatch.setattr(Path, "open", denied)
    found = night(store, drop)
    assert "Permission denied" in found.refused[str(drop / "refused" / "a.csv.report.txt")]
    assert [Path(taken).name for taken in found.ratings] == ["good.csv"]


def test_a_file_that_disappears_is_ignored(store: Store, drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (drop / "a.csv").write_text(GOOD)
    source_of = screening.source_of

    def vanishes(path: Path) -> Any:
        if path.name == "a.csv":
            path.unlink(missing_ok=True)
        return source_of(path)

    monkeypatch.setattr(screening, "source_of", vanishes)
    found = night(store, drop)
    assert [Path(taken).name for taken in found.ratings] == ["good.csv"]
    assert not found.refused


def test_an_unexpected_error_refuses_the_file_and_logs_the_traceback(
    store: Store, drop: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (drop / "a.csv").write_text(GOOD + "1,77,5\n")
    recognize = blocks.recognize

    def slips(head: bytes, *args: Any, **named: Any) -> Any:
        if head.endswith(b"1,77,5\n"):
            raise RecursionError("a mistake of ours")
        return recognize(head, *args, **named)

    monkeypatch.setattr(blocks, "recognize", slips)
    logging.getLogger("matinee").propagate = True
    with caplog.at_level(logging.WARNING, "matinee"):
        found = night(store, drop)
    assert "RecursionError: a mistake of ours" in found.refused[str(drop / "refused" / "a.csv.report.txt")]
    assert [Path(taken).name for taken in found.ratings] == ["good.csv"]
    assert any(record.exc_info for record in caplog.records)


def test_a_full_disk_refuses_no_file(tmp_path: Path, drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.PartitionWriter, "write", full)
    with pytest.raises(StoreError, match="No space left"):
        night(Store.open(tmp_path / "store"), drop)
    assert (drop / "good.csv").exists()


def test_a_full_temporary_disk_blames_no_archive(
    store: Store, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("r.csv", GOOD)
    with zipfile.ZipFile(drop / "outer.zip", "w") as outer:
        outer.writestr("inner.zip", inner.getvalue())
    monkeypatch.setattr(decompression.tempfile, "SpooledTemporaryFile", Full)
    with pytest.raises(StoreError, match=r"inner.zip could not be unpacked.*No space left.*TMPDIR"):
        night(store, drop)
    assert (drop / "outer.zip").exists()
