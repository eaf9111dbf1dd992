"""A search in the store: its folder, its trials and repeats, and what is left to do.

`Tuning.calls` says which fits come next, and `run_call` makes one of them. Both go by the folder alone, so a killed
search continues where it was. The flow runs each call as a task.
"""

import contextlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import shown
from matinee.formats.manifests import SplitManifest
from matinee.formats.tuning import Goal, SearchedRange, SearchedValues, StudyFile, TrialState
from matinee.pipeline.tuning.scores import TrialFit
from matinee.pipeline.tuning.sharing import alone, bring_search
from matinee.pipeline.tuning.trials import PrunedError, Trials, check_installed
from matinee.registry import now
from matinee.settings import Settings
from matinee.settings.device import choose_device
from matinee.settings.space import Range, Space, ranking_space, rating_space
from matinee.store import Reference, Store
from matinee.store.digests import code_digest, digest_of
from matinee.store.disk_errors import writing
from matinee.store.documents import TUNINGS, read_as
from matinee.store.files import write_json
from matinee.store.identity import refuse_link
from matinee.store.progress import Listener, Progress, silent

FINALISTS: Final = 3  # trials that are repeated, besides the base settings
REPEATS: Final = 4  # with other seeds and other valid rows; with fewer, small gains are not believed
_ERROR_LENGTH: Final = 300


class Call(BaseModel):
    """One fit of a search; the parameters of its task."""

    model_config = ConfigDict(frozen=True)

    study: str = Field(description="Name of the folder in `tunings/`.")
    goal: Goal = Field(description="What is fitted.")
    number: int = Field(description="Number of the trial.")
    repeat: int = Field(0, description="Number of the repeat; 0 in the search.")
    settings: SearchedValues = Field(description="The searched settings; empty for the base settings.")
    workers: int = Field(1, description="Number of fits at the same time.")


class CallResult(BaseModel):
    """The result of one fit."""

    model_config = ConfigDict(frozen=True)

    state: TrialState
    value: float | None = Field(None, description="RMSE or nDCG@10 on the valid rows.")
    error: str | None = Field(None, description="Why it failed.")


@dataclass(frozen=True)
class Tuning:
    """A search in the store.

    Attributes:
        store: The store.
        file: What is searched, on which rows.
        base: The settings that it starts from.
    """

    store: Store
    file: StudyFile
    base: Settings

    @classmethod
    def open(cls, store: Store, split: Reference, *, base: Settings, goals: list[Goal]) -> "Tuning":
        """The search of these settings on this split; a new folder is begun if there is none.

        Args:
            store: The store that holds the split.
            split: The split, whose train and valid rows are used.
            base: The settings to start from.
            goals: What is improved.

        Raises:
            ConfigError: Optuna is not installed, or plays have no ratings to predict.
        """
        check_installed()
        manifest = store.read(SplitManifest, split.digest)
        if manifest.feedback == "implicit":
            if goals == ["ratings"]:
                raise ConfigError("Plays have no ratings to predict. Tune the lists: --goal lists.")
            goals = ["lists"]
        spaces = {goal: rating_space(base) if goal == "ratings" else ranking_space(base) for goal in goals}
        notes = {
            goal: {name: SearchedRange(**vars(searched)) for name, searched in space.items()}
            for goal, space in spaces.items()
        }
        file = StudyFile(
            study=_digest_of_study(base, split, spaces),
            dataset=manifest.dataset,
            split=split.digest,
            goals=goals,
            settings=base.model_dump(mode="json", exclude_defaults=True),
            spaces=notes,
            begun=now(),
        )
        folder = store.folder(TUNINGS, file.study)
        refuse_link(folder.parent)
        refuse_link(folder)
        bring_search(store, file.study)
        with contextlib.suppress(
            StoreError, FileNotFoundError
        ):  # a first search, or a damaged file to replace
            file = file.model_copy(update={"begun": read_as(folder / StudyFile.NAME, StudyFile).begun})
        with writing(store.root):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / StudyFile.NAME, file)
        return cls(store, file, base)

    @classmethod
    def load(cls, store: Store, study: str) -> "Tuning":
        """A search that was opened before. Raises StoreError if its file is damaged."""
        file = read_as(store.folder(TUNINGS, study) / StudyFile.NAME, StudyFile)
        return cls(store, file, Settings.model_validate(file.settings))

    @property
    def folder(self) -> Path:
        """The folder of the search."""
        return self.store.folder(TUNINGS, self.file.study)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes out during the block. Raises StoreError if one is in it."""
        return alone(self.store, self.file.study)

    @cached_property
    def trials(self) -> dict[Goal, Trials]:
        """The trials of each goal."""
        return {
            goal: Trials(
                self.folder,
                goal,
                {name: Range(each.low, each.high, each.log, each.step) for name, each in space.items()},
                self.base.train.seed,
            )
            for goal, space in self.file.spaces.items()
        }

    def calls(self, goal: Goal, *, trials: int, workers: int, late: bool = False) -> list[Call]:
        """The next fits of the search, which may run at the same time; none if enough trials are finished.

        Interrupted trials come first. The same history gives the same calls. If it is late, only the base settings are
        fitted.
        """
        found = self.trials[goal]
        waiting = dict(found.waiting())
        done = len(found.notes())
        if done == 0 and not waiting and trials:
            return [self._call(goal, 0, {}, workers=workers)]
        if late:
            return []
        while len(waiting) < workers and done + len(waiting) < trials:
            found.suggest()
            waiting = dict(found.waiting())
        return [
            self._call(goal, number, values, workers=workers)
            for number, values in list(waiting.items())[:workers]
        ]

    def finalists(self, goal: Goal) -> list[tuple[int, SearchedValues]]:
        """The base settings and the trials with the best scores, each settings once."""
        best = [note for note in self.trials[goal].notes() if note.state == "complete" and note.number]
        best.sort(key=lambda note: (note.value or 0.0) * (1 if goal == "ratings" else -1))
        found: list[tuple[int, SearchedValues]] = [(0, {})]
        for note in best:
            if note.settings not in [values for _, values in found]:
                found.append((note.number, note.settings))
        return found[: FINALISTS + 1]

    def repeat_calls(self, goal: Goal, *, workers: int) -> list[Call]:
        """The repeats that are not done."""
        done = self.trials[goal].remembered()
        return [
            self._call(goal, number, values, repeat=repeat, workers=workers)
            for repeat in range(1, REPEATS + 1)
            for number, values in self.finalists(goal)
            if repeat_name(number, repeat) not in done
        ]

    def fit(self, call: Call) -> TrialFit:
        """The fit of a call."""
        split = self.store.reference("splits", self.file.split)
        return TrialFit(self.store, split, call.goal, self.base, call.settings, call.repeat, call.workers)

    def _call(
        self, goal: Goal, number: int, values: SearchedValues, *, repeat: int = 0, workers: int
    ) -> Call:
        return Call(
            study=self.file.study, goal=goal, number=number, repeat=repeat, settings=values, workers=workers
        )


def _digest_of_study(base: Settings, split: Reference, spaces: Mapping[Goal, Space]) -> str:
    """The digest of all that decides what a search finds. Its keys are part of it, so they stay as they are."""
    resolved = base.resolved()
    return digest_of(
        split=split.digest,
        goals=list(spaces),
        spaces={goal: {name: vars(each) for name, each in space.items()} for goal, space in spaces.items()},
        model=resolved.model.model_dump(),
        train=resolved.train.model_dump(exclude={"device", "threads", "ranks", "refit", "time"}),
        rank=base.rank.model_dump(),
        ranking_users=base.evaluate.ranking_users,
        device=choose_device(base.train.device, setting="train.device"),
        code=code_digest("matinee.pipeline.tuning.scores"),
    )


def repeat_name(number: int, repeat: int) -> str:
    """The name under which the score of a repeat is kept."""
    return f"trial {number} repeat {repeat}"


def run_call(store: Store, call: Call, *, listener: Listener = silent) -> CallResult:
    """Make one fit and record its score. An error of the fit is recorded too; one of the disk is raised.

    Args:
        store: The store.
        call: What to fit.
        listener: Called with the progress of the fit.

    Returns:
        The score, or why there is none.

    Raises:
        StoreError: The store can't be read or written. The trial is run again by the next call.
    """
    search = Tuning.load(store, call.study)
    fit, trials = search.fit(call), search.trials[call.goal]
    started = time.perf_counter()
    if call.repeat:
        result = _attempt(fit, listener)[0]
        said = result.error if result.value is None else result.value
        trials.remember(repeat_name(call.number, call.repeat), said if said is not None else "")
        return result
    if call.number == 0:
        score = fit.score(listener)
        seconds = time.perf_counter() - started
        trials.add_base(score.value, score.settings, curve=score.curve, seconds=seconds)
        return CallResult(state="complete", value=score.value)
    report = trials.reporter(call.number)

    def watch(point: Progress) -> None:
        listener(point)
        if point.valid_rmse is not None:
            report(point.epoch, point.valid_rmse)

    result, curve = _attempt(fit, watch)
    try:
        for epoch, value in sorted(curve.items()):  # of a fit that the store had
            report(epoch, value)
    except PrunedError:
        result = CallResult(state="pruned")
    seconds = time.perf_counter() - started
    trials.finish(call.number, result.state, value=result.value, seconds=seconds, error=result.error)
    return result


def _attempt(fit: TrialFit, listener: Listener) -> tuple[CallResult, dict[int, float]]:
    """Fit and score. The result says if it failed or was pruned."""
    try:
        score = fit.score(listener)
        return CallResult(state="complete", value=score.value), score.curve
    except PrunedError:
        result = CallResult(state="pruned")
    except (OSError, StoreError):  # every other trial would fail as well
        raise
    except Exception as error:  # noqa: BLE001 - settings can break a fit in any way; the trial keeps the error
        result = CallResult(state="failed", error=f"{type(error).__name__}: {shown(error, _ERROR_LENGTH)}")
    if (scratch := fit.plan().scratch) is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    return result, {}
