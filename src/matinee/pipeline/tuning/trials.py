"""The trials of a search in Optuna: suggestions, pruning and storage. Only this module imports Optuna, an extra.

The suggestion for a trial depends on its number and on the finished trials alone. It is stored in one transaction
before the trial starts. So a search that was killed continues with the same suggestions, and the interrupted trial is
run again under its number.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matinee.errors import ConfigError, StoreError
from matinee.formats.tuning import Goal, StudyFile, TrialNote, TrialState
from matinee.settings.space import Range, SearchedValue, Space
from matinee.store.documents import TRIALS

if TYPE_CHECKING:
    import optuna

_INSTALL: Final = "Tuning needs Optuna, which is not installed: pip install 'matinee[pipeline,tune]'."
_RANDOM_TRIALS: Final = 8  # before the sampler goes by the scores
_PRUNED_SHARE: Final = (
    90.0  # a trial is stopped if it is worse than so many percent of the others at the same epoch
)
_FIRST_EPOCHS: Final = 5  # in which nothing is pruned: fast and slow learning rates can't be compared yet
_DIGITS: Final = 4  # significant digits of a suggestion, so that best.toml is readable
_SECONDS, _ERROR = "seconds", "error"
_DIRECTIONS: Final[Mapping[Goal, str]] = {"ratings": "minimize", "lists": "maximize"}
_WAIT_SECONDS: Final = 60  # for another connection to the database


class PrunedError(Exception):
    """A trial was stopped early."""


@contextlib.contextmanager
def _reaching(folder: Path) -> Iterator[None]:
    """Raise a StoreError if the database can't be read or written, or has another format."""
    import sqlalchemy  # noqa: PLC0415 - comes with Optuna
    from optuna.exceptions import StorageInternalError  # noqa: PLC0415 - an extra

    try:
        yield
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        path = folder / TRIALS
        if path.exists() and not os.access(path, os.W_OK):
            raise StoreError(
                f"This user may not write {path}. Ask its owner for the permission (chmod g+w, in a store of a group)."
            ) from error
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]  # without the SQL
        if "disk is full" in reason:
            raise StoreError(
                f"{path} can't be written: the disk is full. Free some space, and run the same command again, which "
                "continues the search."
            ) from error
        raise StoreError(
            f"{path} can't be used: {reason:.200}. Check the disk. If the file is damaged, remove the folder {folder} "
            "to begin the search again."
        ) from error


def check_installed() -> None:
    """Raise ConfigError if Optuna is not installed."""
    if find_spec("optuna") is None:
        raise ConfigError(_INSTALL)


@dataclass(frozen=True)
class Trials:
    """The trials of one goal.

    Attributes:
        folder: The folder of the search.
        goal: `ratings`, whose score is lowest at best, or `lists`, whose score is highest at best.
        space: The ranges.
        seed: Seed of the suggestions.
    """

    folder: Path
    goal: Goal
    space: Space
    seed: int

    def notes(self) -> list[TrialNote]:
        """The finished trials by number. Raises StoreError if the database is damaged."""
        return [self._note(trial) for trial in self._trials() if trial.state.is_finished()]

    def waiting(self) -> Iterator[tuple[int, dict[str, SearchedValue]]]:
        """Trials that an ended process has not finished."""
        for trial in self._trials():
            if not trial.state.is_finished():
                yield trial.number, dict(trial.params)

    def add_base(
        self, score: float, values: Mapping[str, SearchedValue], *, curve: Mapping[int, float], seconds: float
    ) -> None:
        """Add trial 0, which had the base settings.

        Args:
            score: Its score.
            values: The searched settings as they were used; the penalty of the ranking model is chosen by its fit.
            curve: Valid RMSE by epoch.
            seconds: Time that it took.
        """
        from optuna.trial import TrialState as State  # noqa: PLC0415 - an extra
        from optuna.trial import create_trial  # noqa: PLC0415

        nearest = {name: searched.nearest(values[name]) for name, searched in self.space.items()}
        trial = create_trial(
            state=State.COMPLETE,
            value=score,
            params=nearest,
            distributions=self._distributions,
            intermediate_values=dict(curve),
            user_attrs={_SECONDS: round(seconds, 3)},
        )
        with _reaching(self.folder):
            self._study.add_trial(trial)

    def suggest(self) -> int:
        """Add the next trial, with the settings that the sampler suggests; returns its number."""
        import optuna  # noqa: PLC0415 - an extra

        finished = [trial for trial in self._trials() if trial.state.is_finished()]
        number = len(self._trials())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=(self.seed * 1_000_003 + number) % 2**32,
                n_startup_trials=_RANDOM_TRIALS,
                multivariate=True,
            )
        history = optuna.create_study(direction=_DIRECTIONS[self.goal], sampler=sampler)
        history.add_trials(finished)
        asked = history.ask(self._distributions).params
        rounded = {name: self.space[name].nearest(_rounded(value)) for name, value in asked.items()}
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, params=rounded, distributions=self._distributions
        )
        with _reaching(self.folder):
            self._study.add_trial(trial)
        return number

    def reporter(self, number: int) -> "Reporter":
        """What takes the valid RMSE of each epoch of a trial."""
        import optuna  # noqa: PLC0415 - an extra

        frozen = self._trials()[number]
        trial = optuna.trial.Trial(self._study, frozen._trial_id)
        return Reporter(self.folder, trial, set(frozen.intermediate_values))

    def finish(
        self, number: int, state: TrialState, *, value: float | None, seconds: float, error: str | None = None
    ) -> None:
        """Record the end of a trial; a pruned trial has the value of its last epoch."""
        from optuna.trial import TrialState as State  # noqa: PLC0415 - an extra

        states = {"complete": State.COMPLETE, "pruned": State.PRUNED, "failed": State.FAIL}
        trial = self.reporter(number).trial
        with _reaching(self.folder):
            trial.set_user_attr(_SECONDS, round(seconds, 3))
            if error is not None:
                trial.set_user_attr(_ERROR, error)
            self._study.tell(number, values=value, state=states[state])

    def importances(self) -> dict[str, float]:
        """The share of each setting in the spread of the scores (fANOVA); empty with too few trials."""
        import optuna  # noqa: PLC0415 - an extra

        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.seed)
        try:
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        except (ValueError, RuntimeError):  # fewer than two complete trials, or all with the same score
            return {}
        return {name: round(float(share), 4) for name, share in found.items()}

    def remember(self, name: str, value: float | str) -> None:
        """Keep a result besides the trials."""
        with _reaching(self.folder):
            self._study.set_user_attr(name, value)

    def remembered(self) -> dict[str, float | str]:
        """What `remember` has kept."""
        with _reaching(self.folder):
            return dict(self._study.user_attrs)

    def _trials(self) -> "list[optuna.trial.FrozenTrial]":
        with _reaching(self.folder):
            found: list[optuna.trial.FrozenTrial] = self._study.get_trials(deepcopy=False)
        return found

    @cached_property
    def _distributions(self) -> "dict[str, optuna.distributions.BaseDistribution]":
        return {name: _distribution(searched) for name, searched in self.space.items()}

    @cached_property
    def _study(self) -> "optuna.Study":
        check_installed()
        begun = (self.folder / StudyFile.NAME).stat().st_ino  # another one for each run
        with _reaching(self.folder):
            return _open_study(self.folder / TRIALS, self.goal, begun)

    @staticmethod
    def _note(trial: "optuna.trial.FrozenTrial") -> TrialNote:
        from optuna.trial import TrialState as State  # noqa: PLC0415 - an extra

        states: dict[State, TrialState] = {
            State.COMPLETE: "complete",
            State.PRUNED: "pruned",
            State.FAIL: "failed",
        }
        return TrialNote(
            number=trial.number,
            state=states[trial.state],
            settings=dict(trial.params),
            value=trial.value,
            seconds=trial.user_attrs.get(_SECONDS, 0.0),
            error=trial.user_attrs.get(_ERROR),
        )


@lru_cache(maxsize=4)  # opening takes a third of a second, and each fit needs the study
def _open_study(path: Path, goal: Goal, _: int) -> "optuna.Study":
    import optuna  # noqa: PLC0415 - an extra, and takes half a second
    from sqlalchemy import URL  # noqa: PLC0415 - comes with Optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not path.exists():
        path.touch()  # with the mode of the umask; SQLite itself would let only the owner write it
    url = URL.create("sqlite", database=str(path)).render_as_string()
    return optuna.create_study(
        storage=optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _WAIT_SECONDS}}),
        study_name=goal,
        direction=_DIRECTIONS[goal],
        sampler=optuna.samplers.RandomSampler(seed=0),  # suggestions are made in `suggest`
        pruner=optuna.pruners.PercentilePruner(_PRUNED_SHARE, n_warmup_steps=_FIRST_EPOCHS),
        load_if_exists=True,
    )


@dataclass(frozen=True)
class Reporter:
    """Reports the valid RMSE of each epoch to the pruner, once; also after a kill."""

    folder: Path
    trial: "optuna.trial.Trial"
    reported: set[int]

    def __call__(self, epoch: int, value: float) -> None:
        """Report one epoch. Raises PrunedError if the trial is to stop."""
        if epoch in self.reported:
            return
        self.reported.add(epoch)
        with _reaching(self.folder):
            self.trial.report(value, epoch)
            is_hopeless = self.trial.should_prune()
        if is_hopeless:
            raise PrunedError


def _rounded(value: SearchedValue) -> SearchedValue:
    return value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def _distribution(searched: Range) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution  # noqa: PLC0415 - an extra

    if searched.step:
        return IntDistribution(int(searched.low), int(searched.high), log=searched.log, step=searched.step)
    return FloatDistribution(searched.low, searched.high, log=searched.log)
