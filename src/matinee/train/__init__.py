"""Training: from a split to a candidate. `plan` says what would be computed, `Store.ensure` computes it once."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matinee.formats.manifests import CandidateManifest, SplitManifest
from matinee.settings import Resolved, Settings
from matinee.settings.device import choose_device
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of
from matinee.store.progress import Listener, silent
from matinee.store.system import available_cores
from matinee.train.candidate import CandidateFit
from matinee.train.ranks.launch import check_ranks, fit_on_ranks
from matinee.train.user_drift import looks_for_drift

__all__ = ["plan", "plan_of", "plan_refit_all"]


def plan(store: Store, split: Reference, *, settings: Settings, listener: Listener = silent) -> Plan:
    """The candidate that these settings make of a split's train and valid rows.

    Args:
        store: The store.
        split: The split to fit on.
        settings: `model` and `train`.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of the candidate's folder. Making it raises DivergenceError if the fit diverges.

    Raises:
        ConfigError: Settings contradict each other, or `train.device` is not available.
    """
    return plan_of(store, split, settings=settings, listener=listener)[0]


def plan_of(
    store: Store, split: Reference, *, settings: Settings, listener: Listener = silent
) -> tuple[Plan, CandidateFit]:
    """What `plan` returns, and the fit that fills the folder, for processes that exist already."""
    resolved = settings.resolved()
    device = choose_device(resolved.train.device, setting="train.device")
    train = resolved.train.model_dump(exclude={"device", "threads", "ranks"})  # threads change no bit
    # `all` makes the same candidate, and another one after the gate.
    train["refit"] = resolved.train.refit != "none"
    strategy = store.read(SplitManifest, split.digest).strategy
    if resolved.train.time != "on" and not looks_for_drift(resolved, strategy):
        del train["time"]  # has no effect
    digest = digest_of(
        split=split.digest,
        model=resolved.model.model_dump(),
        train=train,
        device=device,
        code=code_digest("matinee.train"),
    )
    training = _training(store, split, resolved, device=device, digest=digest, listener=listener)
    return Plan("candidates", digest, _make(training), scratch=training.work), training


def plan_refit_all(
    store: Store, candidate: Reference, *, ranks: int = 1, listener: Listener = silent
) -> Plan:
    """The candidate that passed the gate, fitted once more on every row, for as many epochs as were best.

    Args:
        store: The store.
        candidate: The candidate.
        ranks: The number of processes that fit it.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of the refit's folder. Making it raises DivergenceError if the fit diverges.

    Raises:
        ConfigError: `train.device` is not available.
    """
    tested = store.read(CandidateManifest, candidate.digest)
    resolved = Settings.model_validate(tested.settings).resolved()
    # The valid rows, which decided about the users' drift, are among the rows of this fit.
    looked = {"time": tested.user_drift, "titles": tested.title_estimates}
    decided = {name: "on" if figures.applied else "off" for name, figures in looked.items() if figures}
    train = resolved.train.model_copy(update={"ranks": ranks, **decided})
    resolved = resolved.model_copy(update={"train": train})
    device = choose_device(resolved.train.device, setting="train.device")
    digest = digest_of(
        candidate=candidate.digest, device=device, code=code_digest("matinee.train"), rows="all"
    )
    split = store.reference("splits", tested.split)
    training = _training(store, split, resolved, device=device, digest=digest, listener=listener)
    fit = _make(training, epochs=tested.best_epoch, tested=candidate.digest)
    return Plan("candidates", digest, fit, scratch=training.work)


def _make(
    training: CandidateFit, *, epochs: int | None = None, tested: str = ""
) -> Callable[[Path], CandidateManifest]:
    """What fills the candidate's folder: a fit, or with `epochs` one on all rows; in this process or on ranks."""
    if training.settings.train.ranks > 1:
        check_ranks(training)
        return partial(fit_on_ranks, training, epochs=epochs, tested=tested)
    if epochs is None:
        return training.fit
    return partial(training.fit_all, epochs=epochs, tested=tested)


def _training(
    store: Store, split: Reference, resolved: Resolved, *, device: str, digest: str, listener: Listener
) -> CandidateFit:
    return CandidateFit(
        split=store.path(split),
        made_of=store.read(SplitManifest, split.digest),
        settings=resolved,
        device=device,
        threads=resolved.train.threads or available_cores(),
        work=store.folder("work", digest),
        listener=listener,
    )
