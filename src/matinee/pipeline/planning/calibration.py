"""Measures what work costs on this machine: the steps of a run on small samples, and the parts of fits and lists.

Seconds are those of a core, over all threads, so that other programs of the machine count little.
"""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from matinee.evaluate.tested import Tested
from matinee.formats.manifests import SplitManifest
from matinee.formats.steps import Step
from matinee.pipeline.chain import Chain
from matinee.pipeline.planning.data_cost import evaluate_step, publish_step
from matinee.pipeline.planning.fit_cost import fit_epochs, fit_key, fit_step, fit_units
from matinee.pipeline.planning.measured_parts import (
    FarSize,
    Timed,
    least,
    measure_disk,
    measure_evaluation,
    measure_far,
    measure_near,
    measure_rows,
)
from matinee.pipeline.planning.rank_cost import rank_step
from matinee.pipeline.planning.rates import Machine, Rates
from matinee.pipeline.planning.workload import Workload
from matinee.publish import publish
from matinee.release.signature import PUBLIC_KEY, SIGNING_KEY
from matinee.sample import write_sample
from matinee.settings import SamplerTraining, Settings
from matinee.settings.parse import read_settings
from matinee.store import Plan, Reference, Store

_IMPORTS: Final = "import torch, prefect"
_START: Final = 2.1  # of the imports: Prefect then starts, and its server ends (measured)


@dataclass(frozen=True)
class SampleSize:
    """The size of a sample."""

    ratings: int
    users: int
    movies: int


@dataclass(frozen=True)
class Samples:
    """The samples of a calibration.

    Attributes:
        warm: Its run compiles the loops; its lists have few movies.
        small, large: Samples that differ only in rows and users.
        far: Rows whose vectors no cache holds.
    """

    warm: SampleSize
    small: SampleSize
    large: SampleSize
    far: FarSize = field(default_factory=FarSize)


# As many ratings by user as the Netflix Prize has, and enough movies for products of matrices at their full rate.
SAMPLES: Final = Samples(
    SampleSize(30_000, 500, 300), SampleSize(100_000, 500, 3_000), SampleSize(600_000, 3_000, 3_000)
)


@dataclass(frozen=True)
class _Trial:
    """A run on a sample: its size, seconds of cores by step, and what it left in the store."""

    folder: Path
    size: SampleSize
    seconds: Timed
    store: Store
    tested: Tested

    @property
    def split(self) -> Path:
        """The folder of its split."""
        return self.store.path(self.tested.split)

    def evaluation(self) -> Timed:
        """Seconds of the parts of its evaluation."""
        models = self.tested.models
        assert models.candidate is not None  # nosec B101 # for mypy: samples have ratings
        folders = (self.store.path(each) for each in (models.candidate, models.required_ranking))
        return measure_evaluation(self.split, *folders)

    def disk_row(self) -> dict[str, float]:
        """Bytes in the store for each row."""
        kinds = {Step.INGEST: ("partitions", "datasets", "encodings"), Step.SPLIT: ("splits",)}
        return {
            str(step): sum(_bytes_of(self.store.root / kind) for kind in names) / self.size.ratings
            for step, names in kinds.items()
        }


def measure_rates(settings: Settings, machine: Machine, *, samples: Samples = SAMPLES) -> Rates:
    """Run the steps on samples, and derive the rates.

    Args:
        settings: `model` and `train` decide which fit is measured.
        machine: This machine.
        samples: The sizes of the samples.

    Returns:
        The rates.
    """
    with tempfile.TemporaryDirectory(prefix="matinee-plan-") as scratch, _unsigned():
        folder, chosen = Path(scratch), _small(settings)
        warm = _run(folder / "warm", samples.warm, chosen)
        measure_rows(warm.split)
        small = _run(folder / "small", samples.small, chosen)
        large = _run(folder / "large", samples.large, chosen)
        seconds = least(partial(measure_rows, large.split)) | least(partial(measure_near, large.split))
        seconds |= least(partial(measure_far, samples.far)) | least(partial(measure_disk, folder))
        seconds |= _list_rates(least(warm.evaluation), least(large.evaluation))
        again = [least(partial(_read_again, trial, chosen)) for trial in (small, large)]
        by_row, fixed = _linear([samples.small.ratings, samples.large.ratings], again)
        seconds |= {name: rate for name, rate in _fit_rate(large, chosen).items() if name not in seconds}
        fixed |= _rest((small, large), chosen, seconds)
        return Rates(
            measured=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=machine,
            start=_start_seconds(),
            seconds=seconds | by_row,
            fixed=fixed,
            disk_row=large.disk_row(),
        )


def _small(settings: Settings) -> Settings:
    """Settings of a short run whose candidate passes the gate.

    Of the plan's settings it has those that its rate depends on (`fit_key`); the others are those of the recipe.
    """
    resolved = settings.resolved()
    model, train = resolved.model.model_dump(), resolved.train
    chosen: dict[str, int | str] = {"method": train.method, "threads": 0, "device": "cpu", "ranks": 1}
    chosen |= {"refit": "train_valid", "time": "off", "titles": "off"}
    if isinstance(train, SamplerTraining):
        model, chosen = {"name": model["name"]}, chosen | {"chains": 1, "sweeps": 9, "burn_in": 4}
    elif train.method == "sgd":
        model, chosen = {"name": model["name"]}, chosen | {"patience": 0, "epochs": 2}
    else:
        model = {name: value for name, value in model.items() if name.endswith(("name", "size"))}
        chosen |= {"patience": 0, "epochs": 2, "batch_size": train.batch_size}
    quick = read_settings(assignments=["evaluate.temporal=false", "rank.penalty=800", "gate.tolerance=10"])
    return Settings.model_validate({**quick.model_dump(), "model": model, "train": chosen})


def _run(folder: Path, size: SampleSize, settings: Settings) -> _Trial:
    """All steps on a sample, with the seconds of each."""
    write_sample(folder / "sample", ratings=size.ratings, users=size.users, movies=size.movies)
    store, seconds = Store.open(folder / "store"), Timed()
    with store.in_use():
        chain, split = _run_to_split(folder, store, settings, seconds)
        tested = chain.test(split)
        before = time.process_time()
        publish(store, tested, shipped=tested.models, settings=settings)
        seconds[Step.PUBLISH] = time.process_time() - before
    return _Trial(folder, size, seconds, store, tested)


def _run_to_split(folder: Path, store: Store, settings: Settings, seconds: Timed) -> tuple[Chain, Reference]:
    """The steps up to the split, and the chain for the others; their seconds are added as they are made."""

    def make(step: Step, plan: Plan) -> Reference:
        before = time.process_time()
        made = store.ensure(plan)
        seconds[step] = time.process_time() - before
        return made

    chain, sample = Chain(store, settings, make), folder / "sample"
    dataset = chain.ingest([sample / "ratings.csv"], sample / "movie_titles.csv")
    return chain, chain.split(dataset, chain.encode(dataset))


def _read_again(trial: _Trial, settings: Settings) -> Timed:
    """The seconds of the steps up to the split, in a new store."""
    seconds = Timed()
    with tempfile.TemporaryDirectory(dir=trial.folder) as place:
        store = Store.open(Path(place) / "store")
        with store.in_use():
            _run_to_split(trial.folder, store, settings, seconds)
    return {step: min(spent, trial.seconds[step]) for step, spent in seconds.items()}


def _list_rates(few: Timed, many: Timed) -> Timed:
    """Seconds of a list of one user and of each of its movies, from lists of few and of many; seconds by row."""
    by_user = [each["seconds"] / each["users"] for each in (few, many)]
    cell = max(
        (by_user[1] - by_user[0]) / (many["movies"] - few["movies"]), 0.1 * by_user[1] / many["movies"]
    )
    by_list = max(0.0, by_user[1] - cell * many["movies"])
    return {"list_cell": cell, "list_user": by_list, "evaluate_row": many["evaluate_row"]}


def _linear(rows: Sequence[int], spent: Sequence[Timed]) -> tuple[Timed, Timed]:
    """Seconds by row of the steps that only pass over the rows, and what does not depend on the rows."""
    by_row, fixed = {}, {}
    for step in (Step.INGEST, Step.SPLIT):
        few, many = (each[step] for each in spent)
        slope = max((many - few) / (rows[1] - rows[0]), 0.5 * many / rows[1])
        by_row[f"{step}_row"], fixed[str(step)] = slope, max(0.0, few - slope * rows[0])
    return by_row, fixed


def _rest(trials: Sequence[_Trial], settings: Settings, rates: Timed) -> Timed:
    """Seconds of the other steps that do not depend on the data: plots, pages, checkpoints."""
    left: dict[str, list[float]] = {}
    for trial in trials:
        size = trial.size
        work = Workload(size.ratings, size.users, size.movies, settings.resolved())
        costs = {
            Step.TRAIN: fit_step(work, rows=[work.train_rows, work.fitted_rows]),
            Step.RANK: rank_step(work, rows=work.fitted_rows),
            Step.EVALUATE: evaluate_step(work),
            Step.PUBLISH: publish_step(work, fits=1),
        }
        for step, cost in costs.items():
            known = sum(part.units * rates[part.rate] for part in cost.parts)
            left.setdefault(str(step), []).append(trial.seconds[step] - known)
    return {step: max(0.0, min(each)) for step, each in left.items()}


def _fit_rate(trial: _Trial, settings: Settings) -> Timed:
    """Seconds by unit of the work of a fit and its refit."""
    resolved, split = settings.resolved(), trial.store.read(SplitManifest, trial.tested.split.digest)
    rows = 2.0 * split.counts["train"] + split.counts["valid"]
    users, movies = 2.0 * trial.size.users, 2.0 * trial.size.movies
    units = fit_units(resolved, rows=rows, users=users, movies=movies, epochs=fit_epochs(resolved))
    return {fit_key(resolved): trial.seconds[Step.TRAIN] / units}


def _start_seconds() -> float:
    """Seconds that a process needs until its first step."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _IMPORTS], check=False, capture_output=True)  # nosec B603 # constant
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return _START * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def _unsigned() -> Iterator[None]:
    """Without the keys of the user: the releases of samples are not signed."""
    kept = {name: os.environ.pop(name) for name in (SIGNING_KEY, PUBLIC_KEY) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
