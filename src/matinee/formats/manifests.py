"""manifest.json of each kind of folder, in the order in which the steps make them."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from matinee.formats.base import Format, Manifest, Scale

# As settings.json has them; `matinee.settings.Settings` reads them, those of an earlier version as well.
WrittenSettings = dict[str, JsonValue]
SourceRole = Literal["train", "test", "titles"]
ModelName = Literal["dot", "linear", "mlp", "neumf"]
Feedback = Literal["explicit", "implicit"]  # ratings, or plays
IdKinds = dict[Literal["user_id", "movie_id"], Literal["integer", "text"]]


class FileCounts(Format):
    """One rating file of a partition."""

    file: str = Field(description="Name of the file.")
    rows_read: int = Field(description="Rows of the file.")
    rows: int = Field(description="Rows that were accepted.")
    left_out: list[str] = Field(description="Columns that are not read.")
    notes: list[str] = Field([], description="How the file was read, where that is not plain.")
    dates: str = Field("", description="How its dates were read; empty without dates.")
    values_read: dict[str, int] = Field(
        {}, description="Rows read by value of the rating, of a file that shares its partition with others."
    )


class PartitionManifest(Manifest):
    """partitions/: the rows of one source file, or of many small ones."""

    KIND: ClassVar[str] = "partitions"

    rows: int = Field(description="Rows that were accepted.")
    rows_read: int = Field(description="Rows of the files: accepted and rejected ones.")
    rows_rejected: int = Field(description="Rows that were rejected.")
    rejects: dict[str, int] = Field(description="Rejected rows by reason code.")
    files: list[FileCounts] = Field(description="The files, in the order of their rows.")
    rating_sum: float = Field(description="Sum of the accepted ratings.")
    values_read: dict[str, int] = Field(description="Rows read by value of the rating.")
    values: dict[str, int] = Field(description="Accepted rows by value of the rating.")
    scale: Scale = Field(description="Lowest and highest rating that is accepted.")
    left_out: list[str] = Field(description="Files of archives without ratings.")
    ids: IdKinds = Field({}, description="The kind of the ids of users and of movies, as they were read.")
    not_integers: dict[str, int] = Field(
        {}, description="Rows whose user or movie id is not a canonical integer."
    )


class SourceFile(Format):
    """A file that a dataset was made from."""

    name: str = Field(description="Name of the file.")
    path: str = Field(description="Where it was.")
    role: SourceRole = Field(description="What it was read as.")
    bytes: int = Field(description="Its size.")
    digest: str = Field(description="Digest of its bytes.")


class DatasetManifest(Manifest):
    """datasets/: a list of partitions, the superseded rows and the titles."""

    KIND: ClassVar[str] = "datasets"

    rows: int = Field(description="Accepted rows, superseded ones left out.")
    rows_read: int = Field(description="Rows of all files.")
    rows_rejected: int = Field(description="Rows that were rejected or superseded.")
    rejects: dict[str, int] = Field(description="Rejected and superseded rows by reason code.")
    title_rejects: dict[str, int] = Field(description="Rejected lines of the titles file by reason code.")
    scale: Scale = Field(description="Lowest and highest rating of the scale.")
    feedback: Feedback = Field(
        "explicit", description="`ingest.feedback`; absent in a manifest of an earlier version."
    )
    ids: IdKinds = Field(
        {},
        description="The kind of the ids of users and of movies; empty in a manifest of an earlier version: integers.",
    )
    warnings: list[str] = Field(description="Warnings, in sentences; none of them stops a run.")
    partitions: list[str] = Field(description="Digests of the partitions, in the order of their rows.")
    sources: list[SourceFile] = Field(description="The files that were read.")

    @property
    def row_counts(self) -> dict[str, int]:
        """The rows as commands print them with `--json`."""
        return {"read": self.rows_read, "accepted": self.rows, "rejected": self.rows_rejected}


class EncodingManifest(Manifest):
    """encodings/: the users and movies of a dataset; the row number is the code."""

    KIND: ClassVar[str] = "encodings"

    rows: int = Field(description="Rows of the dataset.")
    dataset: str = Field(description="Digest of the dataset.")
    users: int = Field(description="Number of users.")
    movies: int = Field(description="Number of movies, those with a title and no rating included.")


class HashCutoffs(Format):
    """Where a split by hash cuts: below `test` a row is a test row, below `valid` a valid row."""

    test: dict[str, str] = Field(description="By rating, the cutoff of the test rows: a 64-bit hash as 0x….")
    valid: dict[str, str] = Field(description="By rating, the cutoff of the valid rows.")
    test_share: float = Field(description="Share of test rows for a rating that has no cutoff.")
    valid_share: float = Field(description="Share of valid rows among the rest for such a rating.")


class DayLimits(Format):
    """Where a split by time cuts."""

    valid_from: str = Field(description="First day of the valid rows, as YYYY-MM-DD.")
    test_from: str = Field(description="First day of the test rows.")


class SplitManifest(Manifest):
    """splits/: the train, valid and test rows of a dataset."""

    KIND: ClassVar[str] = "splits"

    rows: int = Field(description="Rows of all parts.")
    dataset: str = Field(description="Digest of the dataset.")
    encoding: str = Field(description="Digest of the encoding.")
    scale: Scale = Field(description="Lowest and highest rating of the scale; both are 1 for plays.")
    feedback: Feedback = Field("explicit", description="That of the dataset.")
    strategy: str = Field(description="`split.strategy`.")
    settings: WrittenSettings = Field(description="The settings `split`, every default spelled out.")
    counts: dict[str, int] = Field(description="Rows by part: train, valid, test.")
    counts_per_rating: dict[str, dict[str, int]] = Field(description="Rows by part and rating.")
    cutoffs: HashCutoffs | None = Field(description="The cutoffs of a split by hash; null for others.")
    days: DayLimits | None = Field(description="The days of a split by time; null for others.")
    inherited: bool = Field(description="Whether the cutoffs are those of the champion's split.")


class UserDriftFigures(Format):
    """What the valid rows said of the drift of users, and whether the weights have it."""

    applied: bool = Field(description="Whether the drift was added to the users' biases.")
    rows: int = Field(0, description="Valid rows of users whose train rows have a date.")
    rmse: float | None = Field(None, description="RMSE on these rows with the drift.")
    rmse_without: float | None = Field(None, description="RMSE on the same rows without it.")
    standard_errors: float | None = Field(
        None, description="The gain in squared error, in its standard errors by user."
    )


class TitleEstimateFigures(Format):
    """What rated movies, left out one fifth at a time, said of estimates from titles and years."""

    applied: bool = Field(description="Whether movies without rows have estimates in the weights.")
    movies: int = Field(0, description="Movies without rows that can be estimated.")
    explained: float | None = Field(
        None, description="Share of the variance of the levels that estimates explain for movies left out."
    )
    standard_errors: float | None = Field(
        None, description="The gain in squared error for these movies, in its standard errors."
    )


class CandidateManifest(Manifest):
    """candidates/: a trained model that the gate has not passed yet, or the refit of one that it has."""

    KIND: ClassVar[str] = "candidates"

    rows: int = Field(description="Rows that the weights were fitted on.")
    model: ModelName = Field(description="`model.name`.")
    split: str = Field(description="Digest of the split.")
    scale: Scale = Field(description="Lowest and highest rating of the scale.")
    settings: WrittenSettings = Field(description="The settings `model` and `train`, spelled out.")
    device: str = Field(description="Where it was fitted: cpu or cuda.")
    threads: int = Field(description="CPU threads of the fit; they change no bit of the weights.")
    seconds_train: float = Field(description="Seconds of the fit that made the weights.")
    seconds_compile: float = Field(description="Seconds of compiling kernels, or of loading them.")
    rows_per_second: int = Field(description="Rows that the fit passed over, per second.")
    versions: dict[str, str] = Field(description="Versions of the interpreter and of the libraries.")
    epochs_run: int = Field(description="Epochs, or sweeps of all chains, until the fit ended.")
    best_epoch: int = Field(description="Epoch whose weights were kept.")
    valid_rmse: float | None = Field(description="RMSE on the valid rows at that epoch; null for a refit.")
    ranks: int = Field(1, description="Processes that fitted it together; absent with one.")
    bytes_sent: int | None = Field(
        None, description="Bytes that each rank sent round the ring in all epochs; absent with one process."
    )
    user_drift: UserDriftFigures | None = Field(
        None, description="The users' drift (`train.time`); absent where it was not looked for."
    )
    title_estimates: TitleEstimateFigures | None = Field(
        None,
        description="Estimates for movies without rows (`train.titles`); absent where there is no such movie, or with "
        "`off`.",
    )
    candidate: str = Field("", description="Only of a refit: digest of the candidate that was tested.")

    @property
    def fitted_on(self) -> list[str]:
        """The subsets of the split that the tested weights were fitted on."""
        train = self.settings["train"]
        alone = isinstance(train, dict) and train["refit"] == "none"
        return ["train"] if alone else ["train", "valid"]


class RankingManifest(Manifest):
    """rankings/: the model that orders lists, fitted on the same split as a candidate."""

    KIND: ClassVar[str] = "rankings"

    split: str = Field(description="Digest of the split.")
    rows: int = Field(description="Rows that the model was fitted on.")
    subsets: list[str] = Field(description="Subsets of the split that they are from.")
    scale: Scale = Field(description="Lowest and highest rating of the scale.")
    embedding_size: int = Field(description="Numbers per movie.")
    settings: WrittenSettings = Field(description="The settings `rank`, with the penalty that was chosen.")
    device: str = Field(
        "cpu", description="Where it was fitted: cpu or cuda; cpu too if the GPU had too little memory."
    )
    method: str = Field(
        "",
        description="How its equations were solved: movies or users, by a factored matrix of them, or gradients.",
    )
    seconds_rank: float = Field(description="Seconds of the fit.")


class TemporalHoldoutManifest(Manifest):
    """outlooks/: the temporal holdout of a split: a quick model on its latest ratings."""

    KIND: ClassVar[str] = "outlooks"

    rows: int = Field(description="Rows that have a date.")
    split: str = Field(description="Digest of the split.")


class EvaluationManifest(Manifest):
    """evaluations/: the figures of a candidate, and the gate's decision."""

    KIND: ClassVar[str] = "evaluations"

    candidate: str = Field(description="Digest of the candidate; of plays, that of the ranking model.")
    ranking: str = Field("", description="Digest of the ranking model; absent before there was one.")
    split: str = Field(description="Digest of the split.")
    outlook: str | None = Field(
        None, description="Digest of the temporal holdout; null where none was asked for."
    )
    settings: WrittenSettings = Field(description="All settings of the run, every default spelled out.")
    rows: int = Field(description="Number of test rows.")
    rmse: float | None = Field(description="RMSE of the candidate on the test rows; null for plays.")
    promoted: bool = Field(description="Whether the gate passed the candidate.")
    reason: str = Field(description="The gate's reason, in one line.")
    champion: str | None = Field(description="The release it was compared with; null where there was none.")
