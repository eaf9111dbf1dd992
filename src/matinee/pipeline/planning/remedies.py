"""What to set where a step needs more memory than a host has: settings, all together, or more hosts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from matinee.errors import ConfigError
from matinee.formats.steps import Step
from matinee.pipeline.planning.fit_cost import fit_key, trains_on_ranks
from matinee.pipeline.planning.rates import Rates
from matinee.pipeline.planning.result import Remedy, StepForecast
from matinee.pipeline.planning.run_steps import USABLE, Host, run_steps
from matinee.pipeline.planning.workload import Workload, with_value
from matinee.settings import Settings
from matinee.settings.presets import Value
from matinee.settings.training import MOST_RANKS
from matinee.train.blocks import groups_for

_Change = tuple[str, Value]
_LISTS: Final = "the lists get less accurate"
_VECTORS: Final = "the test error gets higher"
# By step: values that need less memory, the least harmful first.
_CHANGES: Final[Mapping[str, tuple[_Change, ...]]] = {
    Step.SPLIT: (("split.strategy", "stratified"),),
    Step.TRAIN: (("train.sampler_rank", 15), ("train.method", "sgd"), ("model.embedding_size", 16)),
    Step.RANK: (
        *(("rank.dense_mb", size) for size in (2048, 1024, 256, 0)),
        *(("rank.rank", size) for size in (128, 64, 32)),
    ),
    Step.EVALUATE: (
        ("evaluate.temporal", False), ("evaluate.ranking_users", 10_000), ("model.embedding_size", 16),
    ),
    Step.REFIT: (("train.refit", "train_valid"),),
    Step.REFIT_RANKING: (("train.refit", "train_valid"),),
    Step.PUBLISH: (
        ("release.storage", "float16"), ("train.refit", "train_valid"), ("model.embedding_size", 16),
    ),
}  # fmt: skip
_GIVES_UP: Final[Mapping[str, str]] = {
    "split.strategy": "other rows are tested",
    "train.method": "the model is that of the preset fast, whose test error is higher",
    "train.sampler_rank": _VECTORS,
    "model.embedding_size": _VECTORS,
    "rank.rank": _LISTS,
    "evaluate.temporal": "nothing is tested on the latest ratings",
    "evaluate.ranking_users": "the lists of fewer users are measured",
    "train.refit": "the released model does not learn from the test rows",
    "release.storage": "predictions change by about 0.001",
}


def find_remedies(
    step: StepForecast, rates: Rates, settings: Settings, size: Workload, host: Host
) -> list[Remedy]:
    """Settings with which a step fits, or those with which it needs the least; and more hosts for a fit.

    Values are set one after the other until the step fits, and those that it then fits without are taken back.

    Args:
        step: A step that does not fit.
        rates: What work costs on a core.
        settings: All settings of the run.
        size: The size of the run.
        host: A host.
    """
    search = _Search(step.step, rates, settings, size, host)
    found = search.settings()
    hosts = search.hosts()
    return [each for each in (found, hosts) if each is not None and (each.fits or hosts is None)]


class _Search:
    """Looks for remedies of one step."""

    def __init__(self, step: str, rates: Rates, settings: Settings, size: Workload, host: Host) -> None:
        self._step, self._rates, self._host = step, rates, host
        self._settings, self._size = settings, size

    def settings(self) -> Remedy:
        """The remedy that sets values."""
        chosen: dict[str, Value] = {}
        best = self._try(chosen)
        assert best is not None  # nosec B101 # for mypy: the settings of the plan are valid
        for name, value in _CHANGES.get(self._step, ()):
            if best.fits:
                break
            for tried in ({**chosen, name: value}, {**_without_training(chosen), name: value}):
                found = self._try(tried)
                if found is not None and (found.fits or found.memory < best.memory):
                    chosen, best = tried, found
                    break
        if best.fits:
            for name in list(chosen):
                fewer = {other: value for other, value in chosen.items() if other != name}
                found = self._try(fewer)
                if found is not None and found.fits:
                    chosen, best = fewer, found
        return best

    def hosts(self) -> Remedy | None:
        """The fewest hosts whose shares of the fit fit; None if it can't be shared or no number is enough."""
        if self._step != Step.TRAIN or not trains_on_ranks(self._size.settings):
            return None
        most = min(groups_for(int(self._size.train_rows)), MOST_RANKS)
        for hosts in range(self._size.hosts + 1, most + 1):
            found = self._forecast(replace(self._size, hosts=hosts))
            if found is not None and found.fits:
                return _remedy(found, {}, hosts=hosts)
        return None

    def _try(self, values: Mapping[str, Value]) -> Remedy | None:
        """The step with these values; None if the method has no such setting."""
        try:
            settings = self._settings
            for name, value in values.items():
                settings = with_value(settings, name, value)
            settings.check()
            resolved = settings.resolved()
        except ConfigError:
            return None
        return _remedy(self._forecast(replace(self._size, settings=resolved)), values, hosts=self._size.hosts)

    def _forecast(self, size: Workload) -> StepForecast | None:
        """The step of a run of this size; None if the run has no such step."""
        # The fit of smaller vectors was not measured, and takes no longer than that of the plan.
        measured = self._rates.seconds
        seconds = {fit_key(size.settings): measured[fit_key(self._size.settings)]} | measured
        steps = run_steps(self._rates.model_copy(update={"seconds": seconds}), size, self._host)
        return next((each for each in steps if each.step == self._step), None)


def _without_training(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values without those that another method may not have."""
    return {name: value for name, value in values.items() if not name.startswith("train.")}


def _remedy(found: StepForecast | None, values: Mapping[str, Value], *, hosts: int) -> Remedy:
    memory = found.memory if found else 0
    return Remedy(
        settings=[f"{name}={str(value).lower()}" for name, value in values.items()],
        hosts=hosts,
        memory=memory,
        seconds=found.seconds if found else 0.0,
        fits=found is None or found.fits,
        host_memory=math.ceil(memory / USABLE / 1e8) * 10**8,
        gives_up=_worse(list(values)),
    )


def _worse(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_GIVES_UP[name] for name in names if name in _GIVES_UP))
