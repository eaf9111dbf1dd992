"""Errors of the machine are retried; errors in the call or in the data are not."""

from pathlib import Path
from typing import Any

import pytest
from calls import Answer, retrain_words

from matinee.errors import DataError

pytestmark = pytest.mark.usefixtures("prefect_server")


def _failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[int]:
    """Make the encode step fail a number of times before it succeeds."""
    from matinee.split import encode

    calls: list[int] = []
    original = encode._make

    def make(folder: Path, **inputs: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return original(folder, **inputs)

    monkeypatch.setattr(encode, "_make", make)
    monkeypatch.setattr("matinee.tasks.encode.encode.retry_delay_seconds", [0.1, 0.1, 0.1])
    return calls


def test_a_transient_io_error_is_retried(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer_of: Answer
) -> None:
    calls = _failing(monkeypatch, OSError(5, "Input/output error", str(tmp_path / "x")), times=2)
    said = answer_of(*retrain_words(sample, tmp_path, "train.epochs=6"))
    assert (said["promoted"], len(calls)) == (True, 3)


@pytest.mark.parametrize(
    ("error", "status"), [(DataError("rows are bad"), 3), (FileNotFoundError(2, "No such file", "gone"), 1)]
)
def test_an_error_in_the_data_or_a_missing_path_is_not_retried(
    error: Exception,
    status: int,
    sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer_of: Answer,
) -> None:
    calls = _failing(monkeypatch, error, times=9)
    said = answer_of(*retrain_words(sample, tmp_path, "train.epochs=6"), status=status)
    assert (said["kind"], len(calls)) == (type(error).__name__, 1)
    assert not list(tmp_path.rglob("*.partial"))
