"""Rows of a subset are written on another thread: in order, and no error is lost or hidden."""

import errno
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from matinee.schemas.columns import polars_columns
from matinee.schemas.encoded import Encoded
from matinee.split.subset_writer import SubsetWriter


def _rows(codes: range) -> pl.DataFrame:
    return pl.DataFrame([(code, code, 1.0, None) for code in codes], polars_columns(Encoded), orient="row")


def _full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_batches_are_written_in_their_order(tmp_path: Path) -> None:
    with SubsetWriter(tmp_path / "train.parquet") as writer:
        for start in range(0, 100, 10):
            writer.write(_rows(range(start, start + 10)))
            writer.write(_rows(range(0)))
    assert pl.read_parquet(tmp_path / "train.parquet")["user_code"].to_list() == list(range(100))


def test_the_error_of_the_last_batch_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pq.ParquetWriter, "write_table", _full_disk)
    with (
        pytest.raises(OSError, match="No space left") as raised,
        SubsetWriter(tmp_path / "a.parquet") as writer,
    ):
        writer.write(_rows(range(3)))
    assert raised.value.errno == errno.ENOSPC


def test_an_error_elsewhere_is_not_hidden_by_that_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pq.ParquetWriter, "write_table", _full_disk)
    with pytest.raises(KeyboardInterrupt), SubsetWriter(tmp_path / "a.parquet") as writer:
        writer.write(_rows(range(3)))
        raise KeyboardInterrupt
