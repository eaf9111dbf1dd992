"""The JSON files of a search for settings: study.json and result.json in `tunings/`."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from pydantic import Field

from matinee.formats.base import Format, Number
from matinee.formats.manifests import WrittenSettings

Goal = Literal["ratings", "lists"]
TrialState = Literal["complete", "pruned", "failed"]
STATES_IN_WORDS: Final[Mapping[TrialState, str]] = {
    "complete": "finished",
    "pruned": "stopped early",
    "failed": "failed",
}
SearchedValues = dict[str, Number]


class SearchedRange(Format):
    """The values of one setting that are tried."""

    low: Number = Field(description="Smallest value.")
    high: Number = Field(description="Largest value.")
    log: bool = Field(description="Whether equal ratios are equally likely.")
    step: int = Field(description="Distance between two values of a whole number; 0 for any number.")


class StudyFile(Format):
    """study.json: what is searched, on which rows. Suggestions and scores are in study.db, which Optuna writes."""

    NAME: ClassVar[str] = "study.json"

    study: str = Field(description="Name of the folder: the digest of data, space and base settings.")
    dataset: str = Field(description="Digest of the dataset.")
    split: str = Field(description="Digest of the split. Its test rows are not used.")
    goals: list[Goal] = Field(description="What is improved: the RMSE of `ratings`, the nDCG@10 of `lists`.")
    settings: WrittenSettings = Field(description="The base settings that differ from the defaults.")
    spaces: dict[Goal, dict[str, SearchedRange]] = Field(description="The ranges by goal and setting.")
    begun: str | None = Field(
        None, description="When the search began, in UTC; absent in files of earlier versions."
    )


class TrialNote(Format):
    """One trial."""

    number: int = Field(description="Number, from 0. Trial 0 has the base settings.")
    state: TrialState = Field(description="`pruned`: stopped early, as it was worse than most at that epoch.")
    settings: SearchedValues = Field(description="The searched settings.")
    value: float | None = Field(description="RMSE or nDCG@10 on the valid rows; null if it failed.")
    seconds: float = Field(description="Seconds that it took.")
    error: str | None = Field(None, description="Why it failed.")


class ScoreDifference(Format):
    """The mean score of a finalist minus that of the base settings, with the same seeds and rows."""

    value: float = Field(description="The difference.")
    standard_error: float = Field(description="Its standard error, paired and clustered.")


class Finalist(Format):
    """Settings that were fitted again, with other seeds and other valid rows."""

    trial: int = Field(description="Number of the trial; 0 for the base settings.")
    settings: SearchedValues = Field(description="The searched settings; empty for the base settings.")
    searched: float | None = Field(description="Score in the search.")
    scores: list[float] = Field(description="Score of each repeat.")
    difference: ScoreDifference | None = Field(description="From the base settings; null for these.")


class GoalResult(Format):
    """The result of the search for one goal."""

    goal: Goal = Field(description="`ratings` or `lists`.")
    metric: Literal["rmse", "ndcg_at_10"] = Field(description="The score.")
    trials: list[TrialNote] = Field(description="All finished trials.")
    finalists: list[Finalist] = Field(description="The base settings first.")
    chosen: int = Field(description="Trial whose settings are used; 0 if the base settings stay.")
    importances: dict[str, float] = Field(description="Share of each setting in the spread of the scores.")
    says: str = Field(description="The result in one sentence.")


class TuningResult(Format):
    """result.json: the result of a search."""

    NAME: ClassVar[str] = "result.json"

    study: str = Field(description="Name of the folder in `tunings/`.")
    goals: list[GoalResult] = Field(description="One result per goal.")
    settings: SearchedValues = Field(description="The settings to change; empty if the base settings stay.")
    seconds: float = Field(description="Seconds of this call.")
    out: str = Field(description="The file for `--settings`.")
    page: str = Field(description="The page with plots.")
