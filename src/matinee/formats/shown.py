"""What `matinee show --json` prints of a release, a dataset, a run or a search for settings."""

from typing import Literal

from pydantic import Field, JsonValue

from matinee.formats.base import Format, Scale
from matinee.formats.dataset import Profile
from matinee.formats.manifests import Feedback, IdKinds, SourceFile
from matinee.formats.tuning import Goal, SearchedValues, TrialNote, TrialState


class ShownFile(Format):
    """A file of ratings."""

    file: str = Field(description="Name of the file.")
    role: Literal["train", "test"] = Field(description="What its rows may be used for.")
    rows_read: int = Field(description="Rows of the file.")
    rows: int = Field(description="Rows that were accepted.")


class ShownDataset(Format):
    """A dataset."""

    kind: Literal["dataset"] = "dataset"
    digest: str = Field(description="Its digest.")
    location: str = Field(description="Its folder.")
    bytes: int = Field(description="Size of its folder and of its partitions.")
    made: str = Field(description="When it was made.")
    rows: dict[str, int] = Field(description="Rows read, accepted and rejected.")
    rejects: dict[str, int] = Field(description="Rejected rows by reason code.")
    title_rejects: dict[str, int] = Field(description="Rejected lines of the titles file by reason code.")
    scale: Scale = Field(description="Lowest and highest rating.")
    feedback: Feedback = Field(description="Ratings, or plays.")
    ids: IdKinds = Field(description="The kind of the ids of users and of movies.")
    warnings: list[str] = Field(description="Warnings.")
    sources: list[SourceFile] = Field(description="The files that were read.")
    files: list[ShownFile] = Field(description="The rating files with their rows, those in archives too.")
    profile: Profile = Field(description="What the rows look like.")
    releases: list[str] = Field(description="The releases that were made from it.")


class ShownSetting(Format):
    """A setting that differs from its default."""

    name: str = Field(description="Name of the setting.")
    value: JsonValue = Field(description="Its value.")
    default: JsonValue = Field(
        description="The default, with the preset, the model and the method of these settings."
    )


class ShownSettings(Format):
    """Settings, as far as they are not the defaults."""

    preset: str = Field(description="The preset that they are closest to.")
    changed: list[ShownSetting] = Field(description="What differs from it.")


class ShownFigure(Format):
    """A figure on the test rows."""

    name: str = Field(description="Name of the figure.")
    value: float = Field(description="The figure.")
    low: float | None = Field(None, description="Lower end of its 95% interval.")
    high: float | None = Field(None, description="Upper end.")
    beside: dict[str, float] = Field({}, description="The same of simple models.")


class ShownRule(Format):
    """A rule of the gate."""

    name: str = Field(description="Name of the rule.")
    passed: bool = Field(description="Whether it passed.")
    says: str = Field(description="The reason.")


class ShownPromotion(Format):
    """How a release became the champion, the last time."""

    at: str = Field(description="When.")
    action: str = Field(description="`publish`: by the gate; `promote`: by hand; `rollback`: by a rollback.")
    by: str = Field(description="Who; empty if the log does not say.")


class ShownRun(Format):
    """What a run made: models that were tested, and the gate's decision."""

    kind: Literal["release", "run"] = Field(
        description="Whether it is a release, or a run by its evaluation."
    )
    name: str = Field(description="The version of the release, or the digest of the evaluation.")
    champion: bool = Field(description="Whether it is the release in use.")
    release: str | None = Field(description="The release that was made of it; null for none.")
    held: bool = Field(description="Whether its candidate is held and can be promoted.")
    promotion: ShownPromotion | None = Field(
        None,
        description="How its release became the champion the last time; null for none, and for a lost log.",
    )
    location: str = Field(description="Its folder.")
    bytes: int = Field(description="Size of the folder.")
    files: dict[str, int] = Field(description="Its files with their sizes, largest first.")
    made: str = Field(description="When it was published, or when it was evaluated.")
    model: str = Field(description="`model.name`; `ranking` if there are only lists.")
    rows_fitted: int | None = Field(description="Rows that the weights were fitted on.")
    seconds: dict[str, float] = Field(description="Seconds of the fits.")
    device: str | None = Field(description="Where the weights were fitted.")
    test_rows: int | None = Field(description="Rows that the figures are of.")
    figures: list[ShownFigure] = Field(description="The figures on the test rows.")
    settings: ShownSettings | None = Field(
        description="The settings that are not the defaults; null if they are lost."
    )
    reason: str = Field(
        description="The gate's reason; of a held candidate, whether it was promoted by hand."
    )
    compared_with: str | None = Field(description="The release that it was compared with.")
    rules: list[ShownRule] = Field(description="The rules of the gate; empty if the evaluation was pruned.")
    report: str | None = Field(description="The page of it; null for none.")
    dataset: ShownDataset | None = Field(description="Its dataset; null if it was pruned.")
    digests: dict[str, str] = Field(description="Digests of what it was made from, by kind.")
    versions: dict[str, str] = Field(description="Versions of the libraries that made it.")
    signed: bool = Field(
        False, description="Whether the release has a signature, which `releases --verify` checks."
    )


class ShownGoal(Format):
    """What a search has found for one goal."""

    goal: Goal = Field(description="`ratings` or `lists`.")
    trials: dict[TrialState, int] = Field(description="Number of trials by state.")
    says: str | None = Field(description="The result in one sentence; null if the search has not finished.")
    best: TrialNote | None = Field(
        description="The trial with the best score, before repeats; null for none."
    )
    importances: dict[str, float] = Field(description="Share of each setting in the spread of the scores.")


class ShownSearch(Format):
    """A search for settings."""

    kind: Literal["search"] = "search"
    name: str = Field(description="Its digest.")
    finished: bool = Field(description="Whether it has a result.")
    location: str = Field(description="Its folder.")
    bytes: int = Field(description="Size of the folder.")
    made: str = Field(description="When the result was written; without one, when the search began.")
    seconds: float | None = Field(description="Seconds of the last call; null if it has not finished.")
    goals: list[ShownGoal] = Field(description="The goals.")
    found: SearchedValues = Field(description="The settings to change; empty if the base settings stay.")
    settings: ShownSettings | None = Field(description="The base settings that are not the defaults.")
    dataset: ShownDataset | None = Field(description="Its dataset; null if it was pruned.")
    files: dict[str, str] = Field(description="Paths of best.toml and of the page, as far as they are there.")
