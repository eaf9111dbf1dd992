"""What `matinee compare --json` prints: models side by side. Differences are those from the first model."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, JsonValue

from matinee.formats.base import Format

DifferenceVerdict = Literal["same", "unclear", "better", "worse"]
VERDICTS: Final[Mapping[DifferenceVerdict, str]] = {
    "same": "no difference",
    "unclear": "no clear difference",
    "better": "better",
    "worse": "worse",
}


class Difference(Format):
    """A figure of a model less that of the first model, on the same rows or users."""

    value: float = Field(description="The difference.")
    standard_error: float = Field(description="Its standard error, paired and clustered as the gate does it.")
    low: float = Field(description="Lower end of its 95% interval.")
    high: float = Field(description="Upper end of it.")
    verdict: DifferenceVerdict = Field(
        description="`same`: exactly no difference; `unclear`: the interval contains 0 or, as that of one user, has "
        "no width, or for a slice, the difference is not significant among all slices together; else `better` or "
        "`worse`."
    )


class ComparedFigure(Format):
    """One figure of all models."""

    name: str = Field(description="Name of the figure, such as `rmse`.")
    better: Literal["lower", "higher"] = Field(description="Which values are better.")
    values: list[float] = Field(description="One value per model.")
    differences: list[Difference] = Field(description="One per model after the first.")


class ComparedSlice(Format):
    """The RMSE of all models on one slice of the rows."""

    slicing: str = Field(description="What the rows are cut by.")
    slice: str = Field(description="Name of the slice.")
    rows: int = Field(description="Rows in it.")
    values: list[float] = Field(description="RMSE of each model.")
    differences: list[Difference] = Field(
        description="One per model after the first. `better` and `worse` hold for all slices together, by Holm's "
        "correction."
    )


class ComparedSetting(Format):
    """A setting that is not the same everywhere."""

    name: str = Field(description="Name, such as `train.seed`.")
    values: list[JsonValue] = Field(description="One value per model; null where it is not set.")


class Cost(Format):
    """What a model cost. Null: not recorded, or no longer in the store."""

    seconds_train: float | None = Field(description="Seconds of the fit.")
    seconds_compile: float | None = Field(description="Seconds of compiling kernels.")
    seconds_rank: float | None = Field(description="Seconds of the fit of the ranking model.")
    seconds_evaluate: float | None = Field(description="Seconds of the evaluation.")
    peak_bytes: int | None = Field(
        None,
        description="Largest memory of the process that evaluated it, until then; of a whole run, its peak.",
    )
    device: str | None = Field(description="Where it was fitted.")
    bytes: int | None = Field(description="Size of the weights and of the ranking model, as files.")


class ComparedModelNote(Format):
    """One of the models."""

    name: str = Field(description="Version of a release, or the first characters of a candidate's digest.")
    kind: Literal["release", "held candidate", "candidate"] = Field(description="What it is.")
    location: str = Field(description="Its folder.")
    model: str = Field(description="`model.name`; `ranking` for plays.")
    created: str | None = Field(description="When the release was published.")
    dataset: str | None = Field(description="Digest of its dataset.")
    split: str | None = Field(description="Digest of its split.")
    rows_fitted: int | None = Field(description="Rows that the tested weights were fitted on.")
    figures: dict[str, float] = Field(description="RMSE or nDCG@10 on its own test rows.")
    cost: Cost = Field(description="What it cost.")


class CommonRows(Format):
    """The rows that all figures are about."""

    split: str | None = Field(description="The split whose test rows are used; null if no split is left.")
    test: int = Field(description="Its test rows.")
    rows: int = Field(description="Those that none of the models was trained on.")
    users: int = Field(description="Users with such a row.")
    movies: int = Field(description="Movies with such a row.")
    list_users: int = Field(description="Users whose lists are compared: they liked such a row.")


class ComparedEntry(Format):
    """One entry of a list."""

    movie_id: int | str = Field(description="The movie.")
    title: str = Field(description="Its title, or `movie` and its id.")
    liked: bool = Field(description="Whether the user liked it in a test row.")
    shared: bool = Field(description="Whether every model lists it.")


class ComparedLists(Format):
    """The lists of one user, side by side."""

    user_id: int | str = Field(description="The user.")
    rated: int = Field(description="Rows that the models know the user by.")
    best: list[str] = Field(description="Titles that the user rated highest.")
    lists: list[list[ComparedEntry]] = Field(
        description="One list per model, best first; empty without lists."
    )


class Comparison(Format):
    """Models side by side."""

    says: list[str] = Field(description="What was found, in sentences.")
    models: list[ComparedModelNote] = Field(description="The models, in the order of the call.")
    rows: CommonRows = Field(description="The rows that all figures are about.")
    figures: list[ComparedFigure] = Field(description="Errors and lists; empty without common rows.")
    slices: list[ComparedSlice] = Field(description="RMSE by slice.")
    shared_movies: list[float] = Field(
        description="Share of the listed movies that the first model lists for the same user, per further model."
    )
    settings: list[ComparedSetting] = Field(description="Settings that differ.")
    lists: list[ComparedLists] = Field(description="Lists of some users.")
