"""Requirements of any fit: resumed bits, threads, refit, divergence, and a candidate that is complete or absent."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fits import assert_same, take

from matinee import train
from matinee.errors import ConfigError
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store
from matinee.store.progress import Listener, Progress, silent
from matinee.train import loop

Split = tuple[Store, Reference]
# One case per method and engine, with few epochs and small batches, so an epoch has several steps.
FITS = {
    "dot sgd": ["train.epochs=4"],
    "dot gibbs": [
        "train.method=gibbs",
        "train.chains=2",
        "train.sampler_rank=4",
        "train.sweeps=3",
        "train.burn_in=1",
    ],
    "dot adagrad": ["train.method=adagrad", "train.epochs=4", "train.batch_size=256"],
    "mlp adam": ["model.name=mlp", "train.method=adam", "train.epochs=4", "train.batch_size=256"],
    "neumf adagrad": ["model.name=neumf", "train.epochs=4", "train.batch_size=256", "model.dropout=0.3"],
}


class KilledError(Exception):
    """Simulates the end of the process."""


def _fit(split: Split, settings: Settings, listener: Listener = silent) -> Path:
    store, reference = split
    return store.path(store.ensure(train.plan(store, reference, settings=settings, listener=listener)))


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("stage", ["fit", "refit"])
def test_a_killed_and_resumed_fit_gives_the_same_bits(
    planted_split: Callable[..., Split], monkeypatch: pytest.MonkeyPatch, name: str, stage: str
) -> None:
    monkeypatch.setattr(
        loop, "CHECKPOINT_SHARE", np.inf
    )  # a checkpoint after each epoch, even if it is short
    split, settings = planted_split(), read_settings(assignments=FITS[name])
    undisturbed = take(_fit(split, settings))
    killed_at: list[int] = []

    def kill_once_an_epoch(progress: Progress) -> None:
        if (
            progress.stage == stage
            and progress.epoch not in killed_at
            and progress.rows_done > progress.rows // 2
        ):
            killed_at.append(progress.epoch)
            raise KilledError

    for _ in range(9):
        try:
            folder = _fit(split, settings, kill_once_an_epoch)
            break
        except KilledError:
            assert not list((split[0].root / "candidates").iterdir())
    assert len(killed_at) >= 2
    assert_same(take(folder), undisturbed)
    assert not list((split[0].root / "work").iterdir())


@pytest.mark.parametrize("name", FITS)
def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads(
    planted_split: Callable[..., Split], name: str
) -> None:
    split = planted_split()
    one, two, other = (
        take(_fit(split, read_settings(assignments=[*FITS[name], *more])))
        for more in (["train.threads=1"], ["train.threads=2"], ["train.seed=1"])
    )
    assert_same(one, two)
    assert any((one[0][array] != other[0][array]).any() for array in one[0])


@pytest.mark.parametrize("method", ["sgd", "gibbs", "adam"])
def test_every_method_uses_an_available_gpu(
    planted_split: Callable[..., Split], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    store, split = planted_split()
    for there, asked, device in ((True, "auto", "cuda"), (True, "cpu", "cpu"), (False, "auto", "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda there=there: there)
        monkeypatch.setattr("matinee.settings.device._has_driver", lambda: True)
        settings = read_settings(assignments=[f"train.method={method}", f"train.device={asked}"])
        training = train.plan(store, split, settings=settings).make.__self__
        assert training.device == device


def test_threads_and_explicit_defaults_change_no_digest(planted_split: Callable[..., Split]) -> None:
    store, reference = planted_split()
    same = [], ["train.threads=7"], ["train.epochs=20"], ["train.refit=all"]
    digests = [
        train.plan(store, reference, settings=read_settings(assignments=["train.device=cpu", *more])).digest
        for more in same
    ]
    if not torch.cuda.is_available():  # a GPU has other bits, so it counts
        digests.append(train.plan(store, reference, settings=Settings()).digest)
    assert len(set(digests)) == 1
    none = ["train.device=cpu", "train.refit=none"]
    other = train.plan(store, reference, settings=read_settings(assignments=none))
    assert other.digest != digests[0]


def test_early_stopping_keeps_the_best_epoch(planted_split: Callable[..., Split]) -> None:
    split = planted_split(rows=600)
    settings = read_settings(
        assignments=[
            "model.name=mlp",
            "train.method=adam",
            "train.learning_rate=0.01",
            "train.lr_gamma=1",
            "train.batch_size=64",
            "train.epochs=200",
            "train.refit=none",
        ]
    )
    told = split[0].manifest("candidates", _fit(split, settings).name)
    points = json.loads((split[0].folder("candidates", told["digest"]) / "history.json").read_text())[
        "points"
    ]
    by_epoch = {point["epoch"]: point["valid_rmse"] for point in points if point["valid_rmse"] is not None}
    assert told["epochs_run"] == told["best_epoch"] + settings.train.patience < 200
    assert told["valid_rmse"] == min(by_epoch.values()) == by_epoch[told["best_epoch"]]
    assert told["rows"] == split[0].manifest("splits", "planted")["counts"]["train"]


def test_refits_cover_the_rows_they_name(planted_split: Callable[..., Split]) -> None:
    store, reference = planted_split()
    counts = store.manifest("splits", "planted")["counts"]
    seen: list[Progress] = []
    candidate = store.ensure(train.plan(store, reference, settings=Settings(), listener=seen.append))
    assert candidate.rows == counts["train"] + counts["valid"]
    best = store.manifest("candidates", candidate.digest)["best_epoch"]
    assert {point.epochs for point in seen if point.stage == "refit"} == {best}
    assert all(point.valid_rmse is None for point in seen if point.stage == "refit")
    refitted = store.ensure(train.plan_refit_all(store, candidate))
    assert refitted.rows == sum(counts.values())
    assert refitted.digest != candidate.digest


def test_test_rows_are_not_read_before_the_gate(planted_split: Callable[..., Split]) -> None:
    store, reference = planted_split()
    (store.path(reference) / "test.parquet").unlink()
    assert store.ensure(train.plan(store, reference, settings=Settings())).rows > 0


@pytest.mark.parametrize(
    "assignments",
    [
        ["train.learning_rate=9", "train.device=cpu"],  # the steps of the GPU engine never overshoot
        ["model.name=mlp", "train.method=adam", "train.learning_rate=10"],
    ],
)
def test_divergence_is_reported_with_advice(
    planted_split: Callable[..., Split], assignments: list[str]
) -> None:
    with pytest.raises(ConfigError, match=r"diverged in epoch \d+.*train\.learning_rate lower than"):
        _fit(planted_split(), read_settings(assignments=assignments))


def test_a_damaged_checkpoint_restarts_the_fit(planted_split: Callable[..., Split]) -> None:
    split = planted_split()
    undisturbed = take(_fit(split, Settings()))
    plan = train.plan(*split, settings=Settings())
    assert plan.scratch is not None
    plan.scratch.mkdir(parents=True)
    (plan.scratch / "fit.safetensors").write_bytes(b"\x10\x00\x00\x00 no tensors here")
    assert_same(take(_fit(split, Settings())), undisturbed)


def test_sgd_is_refused_for_other_models(planted_split: Callable[..., Split]) -> None:
    store, reference = planted_split()
    with pytest.raises(ConfigError, match="only the dot model"):
        train.plan(
            store, reference, settings=read_settings(assignments=["model.name=mlp", "train.method=sgd"])
        )
