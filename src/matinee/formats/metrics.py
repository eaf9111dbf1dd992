"""metrics.json of an evaluation, and outlook.json: every figure of a candidate on the test rows.

The figures that scripts read are flat; intervals and details stand next to them in groups.
"""

from typing import ClassVar

from pydantic import Field

from matinee.formats.base import Format


class Interval(Format):
    """An estimate with its 95% interval, clustered by user and by movie."""

    value: float = Field(description="The estimate.")
    standard_error: float = Field(description="Its standard error.")
    low: float = Field(description="Lower end of the interval.")
    high: float = Field(description="Upper end of the interval.")


class Intervals(Format):
    """How sure the two main figures are."""

    rmse: Interval = Field(description="The RMSE.")
    mae: Interval = Field(description="The mean absolute error.")


class CalibrationBin(Format):
    """The test rows whose prediction lies between two values."""

    low: float = Field(description="Lower end of the bin.")
    high: float = Field(description="Upper end of the bin.")
    rows: int = Field(description="Test rows in it.")
    mean_prediction: float = Field(description="Mean of their predictions.")
    mean_rating: float = Field(description="Mean of their ratings.")
    standard_error: float = Field(description="Standard error of that mean, clustered by user and by movie.")


class Calibration(Format):
    """Mean rating by prediction, and the line through all rows: rating = intercept + slope * prediction."""

    bins: list[CalibrationBin] = Field(description="Bins of equal width over the scale; empty ones left out.")
    slope: float | None = Field(description="1 is perfect, less is too far from the mean; null if undefined.")
    intercept: float | None = Field(description="0 is perfect; null if all predictions are equal.")


class SliceFigures(Format):
    """Errors on a slice of the test rows."""

    slice: str = Field(description="Name of the slice.")
    rows: int = Field(description="Test rows in it.")
    rmse: float = Field(description="RMSE of the candidate.")
    mae: float = Field(description="Mean absolute error of the candidate.")
    standard_error: float = Field(description="Standard error of the RMSE, clustered by user and by movie.")
    low: float = Field(description="Lower end of the RMSE's 95% interval.")
    high: float = Field(description="Upper end of it.")
    bias_only_rmse: float = Field(description="RMSE of bias-only.")
    global_mean_rmse: float = Field(description="RMSE of the global mean.")


class PairOrder(Format):
    """How well the rated movies of one user are ordered, pair by pair."""

    share: float | None = Field(description="Mean over users of the share of pairs in the right order.")
    users: int = Field(description="Users with two different ratings among the test rows.")
    pairs: int = Field(description="Pairs of their test rows with different ratings.")


class PairOrders(Format):
    """The same for the candidate, for bias-only and for popularity."""

    candidate: PairOrder = Field(description="By the candidate's prediction.")
    bias_only: PairOrder = Field(description="By that of bias-only.")
    popularity: PairOrder = Field(description="By the number of train rows of the movie.")


class ShownMovies(Format):
    """Which movies lists of ten show, whether or not anyone liked them."""

    mean_train_rows: float = Field(
        description="Mean number of rows of a listed movie that the model was fitted on."
    )
    share_by_decile: list[float] = Field(
        description="Share of all entries by tenth of the catalog, the tenth with the most such rows first."
    )
    similarity: float = Field(
        description="Mean cosine between two movies of one list, by what a liked movie adds to a user's vector."
    )


class RankingFigures(Format):
    """How well an order of the whole catalog finds the liked test rows."""

    ndcg_at_10: float = Field(description="Normalized discounted cumulative gain of the first ten.")
    recall_at_10: float = Field(description="Share of the liked test rows among the first ten.")
    mrr: float = Field(description="Mean reciprocal rank of the first liked test row.")
    coverage_at_10: float = Field(description="Share of the catalog that is in anyone's first ten.")
    ndcg_at_10_standard_error: float = Field(description="Standard error of the first figure, over users.")
    ndcg_at_20: float | None = Field(None, description="nDCG of the first twenty.")
    recall_at_20: float | None = Field(None, description="Recall of the first twenty.")
    ndcg_at_100: float | None = Field(None, description="nDCG of the first hundred.")
    recall_at_100: float | None = Field(None, description="Recall of the first hundred.")
    shown: ShownMovies | None = Field(None, description="Which movies the first ten show.")


class Ranking(Format):
    """Ranking over the full catalog, without what the user has rated."""

    says: str = Field(description="What these figures show, and what they do not show.")
    relevant_from: float = Field(description="Rating from which a test row counts as liked.")
    top: int = Field(description="Length of the lists.")
    catalogue: int = Field(description="Number of movies.")
    users: int = Field(description="Users whose order was measured.")
    users_with_relevant_rows: int = Field(description="Users who liked a test row.")
    popularity_weight: float = Field(
        description="Weight of popularity in an order by expected rating; 0 for plays."
    )
    recommend: RankingFigures = Field(description="The order of `recommend`.")
    expected_rating: RankingFigures | None = Field(
        description="The order by predicted rating; null for plays."
    )
    popularity: RankingFigures = Field(description="The order by number of train rows.")
    recent_popularity: RankingFigures | None = Field(
        None, description="The order by train rows of the last 30 days; null without dates."
    )


class QuickFigures(Format):
    """Errors of the quick model of the preset `fast` on held-out rows."""

    rmse: float = Field(description="RMSE of the quick model.")
    mae: float = Field(description="Its mean absolute error.")
    interval: Interval = Field(description="The RMSE with its 95% interval.")
    bias_only_rmse: float = Field(description="RMSE of bias-only, fitted on the same rows.")
    global_mean_rmse: float = Field(description="RMSE of their mean.")
    rows_of_unknown_users: int = Field(description="Held-out rows of users without a fitted row.")
    rows_of_unknown_movies: int = Field(description="Held-out rows of movies without a fitted row.")


class TemporalLists(Format):
    """Lists of a ranking model fitted only on older ratings, measured on later liked ratings."""

    users: int = Field(description="Users who liked a later row.")
    users_fitted: int | None = Field(
        None, description="Users whose ratings the model was fitted on; absent in older files."
    )
    users_without_rows: int = Field(
        description="Those of the users who liked a later row without an earlier row, who get popularity."
    )
    ndcg_at_10: float = Field(description="nDCG@10 of the ranking model.")
    ndcg_at_10_standard_error: float = Field(description="Its standard error over users.")
    popularity_ndcg_at_10: float = Field(description="nDCG@10 of popularity in the past.")
    recent_popularity_ndcg_at_10: float = Field(description="nDCG@10 of popularity in its last 30 days.")


class Temporal(Format):
    """A quick model, fitted only on the older ratings of a dataset, on the latest tenth of the ratings."""

    cut: str = Field(description="First day of the held-out rows, as YYYY-MM-DD.")
    rows: int = Field(description="Rows from that day on.")
    rows_fitted: int = Field(description="Rows before it.")
    users_share: float = Field(
        description="Share of the users that the figures are about; 1 up to five million rows."
    )
    rmse: float = Field(description="RMSE of the quick model.")
    mae: float = Field(description="Its mean absolute error.")
    interval: Interval = Field(description="The RMSE with its 95% interval.")
    bias_only_rmse: float = Field(description="RMSE of bias-only, fitted on the same rows.")
    global_mean_rmse: float = Field(description="RMSE of their mean.")
    rows_of_unknown_users: int = Field(description="Held-out rows of users without a fitted row.")
    rows_of_unknown_movies: int = Field(description="Held-out rows of movies without a fitted row.")
    at_random: QuickFigures = Field(description="The same with as many rows held out at random.")
    lists: TemporalLists | None = Field(None, description="Lists for the time after the cut.")


class TemporalHoldout(Format):
    """outlook.json: how well the future is predicted."""

    NAME: ClassVar[str] = "outlook.json"

    temporal: Temporal | None = Field(description="The figures; null where there are too few dates.")


class Leakage(Format):
    """Whether the model was shown the future of its test rows."""

    rows: int = Field(description="Test rows with a date.")
    same_user: float = Field(description="Share that is older than the newest fitted row of the same user.")
    anyone: float = Field(description="Share that is older than the newest fitted row of anyone.")
    says: str = Field(description="The same in a sentence.")


class Figures(Format):
    """What the figures of ratings and of plays have in common."""

    def flat(self) -> dict[str, float | int]:
        """The flat figures, which a release's manifest keeps."""
        values = self.model_dump()
        return {name: value for name, value in values.items() if not isinstance(value, dict | list)}


class Metrics(Figures):
    """metrics.json."""

    NAME: ClassVar[str] = "metrics.json"

    rmse: float = Field(description="Root mean squared error of the candidate on the test rows.")
    mae: float = Field(description="Mean absolute error.")
    mean_user_rmse: float = Field(description="Mean over users of each user's RMSE.")
    mean_user_mae: float = Field(description="Mean over users of each user's mean absolute error.")
    bias_only_rmse: float = Field(description="RMSE of bias-only: the mean, user biases and movie biases.")
    bias_only_mae: float = Field(description="Their mean absolute error.")
    bias_only_mean_user_rmse: float = Field(description="Their RMSE, mean over users.")
    bias_only_mean_user_mae: float = Field(description="Their mean absolute error, mean over users.")
    global_mean_rmse: float = Field(description="RMSE of the mean of all fitted rows.")
    global_mean_mae: float = Field(description="Its mean absolute error.")
    global_mean_mean_user_rmse: float = Field(description="Its RMSE, mean over users.")
    global_mean_mean_user_mae: float = Field(description="Its mean absolute error, mean over users.")
    mean_rating: float = Field(description="Mean of the fitted rows.")
    rows: int = Field(description="Number of test rows.")
    users: int = Field(description="Users with a test row.")
    movies: int = Field(description="Movies with a test row.")
    rows_of_unknown_users: int = Field(description="Test rows of users without a fitted row.")
    rows_of_unknown_movies: int = Field(description="Test rows of movies without a fitted row.")
    intervals: Intervals = Field(description="95% intervals of RMSE and MAE.")
    calibration: Calibration = Field(description="Whether rows predicted at 4.2 are rated 4.2 on average.")
    slices: dict[str, list[SliceFigures]] = Field(
        description="Errors on slices, by what the rows are cut by."
    )
    pairs_in_order: PairOrders = Field(description="Order of a user's own test rows.")
    ranking: Ranking = Field(description="Order of the whole catalog.")
    temporal: Temporal | None = Field(None, description="Errors on the latest ratings; null without dates.")
    hindsight: Leakage | None = Field(
        None, description="What the split lets the model see; null without dates."
    )
