"""The ranking model: from a split to the tables that order lists. `plan` says what would be computed.

It learns who likes what, from the same rows as the rating model, and runs between its fit and the evaluation.
"""

from pathlib import Path

from matinee.formats.base import Manifest
from matinee.formats.manifests import RankingManifest, SplitManifest
from matinee.settings import RankSettings, Settings
from matinee.settings.device import DeviceName, choose_device
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of
from matinee.store.progress import Listener, silent
from matinee.store.system import available_cores
from matinee.train.ranking.step import write_ranking

__all__ = ["plan", "plan_refit_all"]


def plan(store: Store, split: Reference, *, settings: Settings, listener: Listener = silent) -> Plan:
    """The ranking model of a split's train rows; of its valid rows too, unless `train.refit=none`.

    Args:
        store: The store that holds the split.
        split: Rows and scale.
        settings: `rank`, and of `train` the device, the threads and `refit`.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of a folder `rankings/<digest>` with ranking.safetensors.

    Raises:
        ConfigError: `train.device` is not there.
    """
    subsets = ("train",) if settings.train.refit == "none" else ("train", "valid")
    train = settings.train
    return _plan(
        store, split, settings.rank, subsets, threads=train.threads, wanted=train.device, listener=listener
    )


def plan_refit_all(
    store: Store,
    ranking: Reference,
    *,
    threads: int = 0,
    device: DeviceName = "auto",
    listener: Listener = silent,
) -> Plan:
    """The ranking model that was tested, fitted once more on every row of its split.

    Args:
        store: The store.
        ranking: The ranking model.
        threads: CPU threads; 0 for all cores.
        device: The device to fit on.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of the refit's folder.

    Raises:
        ConfigError: The device is not available.
    """
    tested = store.read(RankingManifest, ranking.digest)
    split = store.reference("splits", tested.split)
    rank = RankSettings.model_validate(tested.settings)
    subsets = ("train", "valid", "test")
    return _plan(store, split, rank, subsets, threads=threads, wanted=device, listener=listener)


def _plan(
    store: Store,
    split: Reference,
    settings: RankSettings,
    subsets: tuple[str, ...],
    *,
    threads: int,
    wanted: DeviceName,
    listener: Listener,
) -> Plan:
    device = choose_device(wanted, setting="train.device")
    digest = digest_of(
        split=split.digest,
        rank=settings.model_dump(),
        subsets=subsets,
        code=code_digest("matinee.train.ranking.step"),
        **({} if device == "cpu" else {"device": device}),
    )
    work = store.folder("work", digest)

    def make(folder: Path) -> Manifest:
        low, high = store.read(SplitManifest, split.digest).scale
        work.mkdir(parents=True, exist_ok=True)
        return write_ranking(
            folder,
            split=store.path(split),
            split_digest=split.digest,
            scale=(float(low), float(high)),
            subsets=subsets,
            settings=settings,
            threads=threads or available_cores(),
            device=device,
            may_fall_back=wanted == "auto",
            work=work,
            listener=listener,
        )

    return Plan("rankings", digest, make, scratch=work)
