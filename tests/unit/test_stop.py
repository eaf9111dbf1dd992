"""A fit of any size reacts to a signal quickly: it processes rows in chunks, which change no bit."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from matinee import train
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store, ratings
from matinee.train import checkpoint
from matinee.train.blocks import KernelPool
from matinee.train.gradient.torch_engine import shuffled


class CancelledError(BaseException):
    """The exception of a signal, like that of Prefect."""


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """Raises CancelledError in this thread after some seconds."""

    def cancel(number: int, frame: FrameType | None) -> None:
        raise CancelledError

    before = signal.signal(signal.SIGALRM, cancel)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_stop_after_their_current_calls(threads: int, alarm: Callable[[float], None]) -> None:
    calls: list[int] = []
    goes_on = threading.Event()

    def kernel(run: np.ndarray) -> None:
        calls.append(len(run))
        goes_on.wait(0.05)

    alarm(0.2)
    with pytest.raises(CancelledError):
        KernelPool(threads).share(kernel, np.arange(1000))
    goes_on.set()
    time.sleep(0.1)
    assert 0 < sum(calls) < 300


def test_a_failed_call_stops_all_threads() -> None:
    calls: list[int] = []

    def kernel(run: np.ndarray) -> None:
        calls.append(len(run))
        time.sleep(0.001)
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        KernelPool(2).share(kernel, np.arange(1000))
    time.sleep(0.1)
    assert len(calls) <= 3


@pytest.mark.parametrize(
    "settings", [["train.epochs=2"], ["train.method=gibbs", "train.sweeps=2", "train.burn_in=0"]]
)
def test_chunks_change_no_bit(
    planted_split: Callable[..., tuple[Store, Reference]],
    monkeypatch: pytest.MonkeyPatch,
    settings: list[str],
) -> None:
    store, split = planted_split()
    plan = train.plan(store, split, settings=read_settings(assignments=settings))
    weights = []
    for chunk_rows in (1 << 22, 97):
        monkeypatch.setattr(ratings, "_CHUNK_ROWS", chunk_rows)
        folder = store.root / str(chunk_rows)
        folder.mkdir()
        plan.make(folder)
        weights.append(load_file(folder / "weights.safetensors"))
        for file in (store.root / "work").rglob("*.safetensors"):
            file.unlink()
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name], err_msg=name)


def test_a_checkpoint_written_in_pieces_is_read_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_PIECE_BYTES", 100)
    draw = np.random.default_rng(0)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "narrow": draw.normal(size=(30, 9)).astype(np.float32)[:, :4],
        "none": np.zeros(0),
        "one": np.array(3),
        "codes": np.arange(200, dtype=np.int32),
    }
    path = tmp_path / "work" / "fit.safetensors"
    checkpoint.save_checkpoint(path, arrays, checkpoint.FitState(epoch=3))
    found = checkpoint.load_checkpoint(path, checkpoint.FitState)
    assert found is not None
    assert found[1] == checkpoint.FitState(epoch=3)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[0][name], array, err_msg=name)
        assert found[0][name].dtype == array.dtype
    assert list(tmp_path.rglob("*.*")) == [path]
    whole = path.read_bytes()
    for place in (len(whole) - 1, whole.index(b'epoch\\": 3') + 9):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert checkpoint.load_checkpoint(path, checkpoint.FitState) is None, (
            "a bit that the disk has turned is found"
        )


def test_an_order_drawn_in_bins_is_a_fair_permutation() -> None:
    orders = [shuffled(7, torch.Generator().manual_seed(seed), bin_rows=2).tolist() for seed in range(4000)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    counts = np.array([np.bincount(column, minlength=7) for column in zip(*orders, strict=True)])
    assert np.abs(counts - 4000 / 7).max() < 5 * (4000 / 7) ** 0.5
    again = shuffled(7, torch.Generator().manual_seed(3), bin_rows=2)
    assert again.tolist() == orders[3]
    assert again.dtype == torch.int32
