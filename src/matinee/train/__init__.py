"""Training: from a split to a candidate. `plan` says what would be computed, `Store.ensure` computes it once."""

import os

import torch

from matinee.errors import ConfigError
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of
from matinee.store.progress import Listener, silent
from matinee.train.candidate import Training

__all__ = ["plan", "plan_refit_all"]


def plan(store: Store, split: Reference, *, settings: Settings, listener: Listener = silent) -> Plan:
    """The candidate that these settings make of a split's train and valid rows.

    Raises ConfigError for settings that do not go together and for a device that is not there; `make` raises it
    when the fit diverges.
    """
    resolved = settings.resolved()
    _check(resolved)
    device = _device(resolved)
    train = resolved.train.model_dump(exclude={"device", "threads"})  # threads change no bit
    train["refit"] = (
        resolved.train.refit != "none"
    )  # `all` makes the same candidate, and another one after the gate
    digest = digest_of(
        split=split.digest,
        model=resolved.model.model_dump(),
        train=train,
        device=device,
        code=code_digest("matinee.train"),
    )
    training = _training(store, split, resolved, device=device, digest=digest, listener=listener)
    return Plan("candidates", digest, training.fit, scratch=training.work)


def plan_refit_all(store: Store, candidate: Reference, *, listener: Listener = silent) -> Plan:
    """The candidate that went through the gate, fitted once more on every row, as many epochs as were best.

    Raises ConfigError as `plan` does.
    """
    tested = store.manifest(candidate.kind, candidate.digest)
    resolved = Settings.model_validate(tested["settings"])
    device = _device(resolved)
    digest = digest_of(
        candidate=candidate.digest, device=device, code=code_digest("matinee.train"), rows="all"
    )
    split = store.reference("splits", tested["split"])
    training = _training(store, split, resolved, device=device, digest=digest, listener=listener)
    epochs = tested["best_epoch"]
    return Plan(
        "candidates",
        digest,
        lambda folder: training.fit_all(folder, epochs=epochs) | {"candidate": candidate.digest},
        scratch=training.work,
    )


def _training(
    store: Store, split: Reference, resolved: Settings, *, device: str, digest: str, listener: Listener
) -> Training:
    return Training(
        split=store.path(split),
        manifest=store.manifest(split.kind, split.digest),
        settings=resolved,
        device=device,
        threads=resolved.train.threads or len(os.sched_getaffinity(0)),
        work=store.folder("work", digest),
        listener=listener,
    )


def _device(settings: Settings) -> str:
    """Where the fit runs."""
    wanted, there = settings.train.device, torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ConfigError(
            "train.device=cuda was asked for and torch finds no GPU. Install a torch build with CUDA and its driver, "
            "or set train.device=auto."
        )
    return "cuda" if there and wanted != "cpu" else "cpu"


def _check(settings: Settings) -> None:
    """Raise ConfigError for settings that do not go together."""
    model, train = settings.model, settings.train
    if train.method in ("sgd", "gibbs") and model.name != "dot":
        raise ConfigError(
            f"train.method={train.method} fits the dot model alone, and model.name is {model.name}. "
            "Leave train.method out, or set it to adagrad or adam."
        )
    if train.method == "gibbs" and not model.biases:
        raise ConfigError(
            "model.biases=false was set, and the sampler always has biases. Set train.method=sgd."
        )
    if train.method == "gibbs" and (train.burn_in or 0) >= (train.sweeps or 0):
        raise ConfigError(
            f"train.burn_in is {train.burn_in} and train.sweeps is {train.sweeps}: no sweep is left for the mean. "
            "Set more sweeps than burn-in."
        )
