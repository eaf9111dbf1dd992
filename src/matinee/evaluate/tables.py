"""The tables of an evaluation, from metrics.json: the same in the report, on the card and on the page of a run."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import JsonValue

from matinee.evaluate.slices import SLICINGS
from matinee.formats.dataset import Profile
from matinee.formats.decision import DecisionFile
from matinee.formats.manifests import CandidateManifest
from matinee.formats.metrics import Metrics, QuickFigures, SliceFigures, Temporal
from matinee.formats.written_settings import by_full_name, setting_text
from matinee.store.documents import Point
from matinee.store.metrics_file import AnyMetrics

CALIBRATION = (
    "Mean rating of the rows by their prediction, with 95% intervals. On the dashed line, rows predicted at 4.2 are "
    "rated 4.2 on average."
)
# The plots of an evaluation: file name and explanation.
PICTURES = {
    "learning_curve": "RMSE during the fit. The title says which weights are kept.",
    "slices": "Where the model is weak: RMSE by slice with its 95% interval, compared with bias-only.",
    "calibration": f"{CALIBRATION} Below: the share of rows per bin.",
    "residuals": "The distribution of errors, and how predictions shrink towards the mean, as calibrated ones do.",
    "long_tail": "How few movies have most of the rows, and the error on the other movies.",
}
_SHOWN = 50  # points of a series, on a page
_SPREAD: Final = ("min", "p10", "median", "p90", "p99", "max", "mean")


class Table(NamedTuple):
    """Column headings and rows."""

    head: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


def error_table(metrics: Metrics, *, name: str) -> Table:
    """Errors of the model (named `name`), bias-only and the global mean on the test rows."""
    m = metrics
    return Table(
        ("errors on the test rows, in rating points", "RMSE", "MAE", "RMSE, mean over users"),
        [
            (name, m.rmse, m.mae, m.mean_user_rmse),
            ("bias-only", m.bias_only_rmse, m.bias_only_mae, m.bias_only_mean_user_rmse),
            ("global mean", m.global_mean_rmse, m.global_mean_mae, m.global_mean_mean_user_rmse),
        ],
    )


def rule_table(decision: DecisionFile) -> Table:
    """What each rule of the gate has decided."""
    rows = [(rule.name, "passed" if rule.passed else "held", rule.says) for rule in decision.rules]
    return Table(("rule", "result", "reason"), rows)


def spread_table(profile: Profile, *, rows: str) -> Table:
    """How the `rows` of a dataset are spread over users and over movies."""
    spreads = (("user", profile.ratings_per_user), ("movie", profile.ratings_per_movie))
    return Table((f"{rows} per", *_SPREAD), [(name, *map(counts.get, _SPREAD)) for name, counts in spreads])


def setting_table(settings: Mapping[str, JsonValue]) -> Table:
    """The settings of a file that have a value."""
    values = by_full_name(settings).items()
    return Table(
        ("setting", "value"), [(name, setting_text(each)) for name, each in values if each is not None]
    )


def error_says(metrics: AnyMetrics) -> str:
    """The number of test rows, and the interval of the RMSE, which plays have none of."""
    rows = f"{metrics.rows:,} test rows of {metrics.users:,} users and {metrics.movies:,} movies."
    if not isinstance(metrics, Metrics):
        return rows
    if not metrics.intervals.rmse.standard_error:
        return f"{rows} They are too few for an interval of the RMSE."
    low, high = metrics.intervals.rmse.low, metrics.intervals.rmse.high
    return f"{rows} The 95% interval of the RMSE is {low:.4f} to {high:.4f}, clustered by user and movie."


def unknown_says(metrics: AnyMetrics) -> str:
    """The number of test rows of users and of movies without training rows.

    Such a movie may still have an estimate from its title.
    """
    users, movies = metrics.rows_of_unknown_users, metrics.rows_of_unknown_movies
    if users and movies:
        return (
            f"{_rows_of(users, 'user')} without a training row, and {_rows_of(movies, 'movie')} without one."
        )
    if users or movies:
        trained, others = (
            ("movies", _rows_of(users, "user")) if users else ("users", _rows_of(movies, "movie"))
        )
        none = "has none" if users + movies == 1 else "have none"
        return f"All {trained} of the test rows have training rows; {others} that {none}."
    return "All users and movies of the test rows have training rows."


def _rows_of(rows: int, what: str) -> str:
    return f"{rows:,} test rows are of {what}s" if rows > 1 else f"1 test row is of a {what}"


def slice_table(metrics: Metrics) -> Table:
    """The RMSE on slices of the test rows, with 95% intervals, and that of bias-only.

    A slice whose interval has no width, such as that of a single row, is shown without one.
    """
    return Table(
        ("sliced by", "slice", "rows", "RMSE", "95% from", "95% to", "RMSE of bias-only"),
        [
            (SLICINGS[name], each.slice, each.rows, each.rmse, *_ends(each), each.bias_only_rmse)
            for name, found in metrics.slices.items()
            for each in found
        ],
    )


def _ends(slice_: SliceFigures) -> tuple[float | None, float | None]:
    return (slice_.low, slice_.high) if slice_.low < slice_.high else (None, None)


def learning_says(candidate: CandidateManifest | None) -> str:
    """What the learning curve of a candidate shows; that of any, if the store no longer has it."""
    if candidate is None:
        return PICTURES["learning_curve"]
    if not is_sampled(candidate):
        return "RMSE by epoch. The epoch with the lowest valid RMSE is kept."
    chains = by_full_name(candidate.settings).get("train.chains")
    jumps = "" if chains == 1 else " The curve jumps where a further chain starts."
    return f"RMSE by sweep. The model is the mean of the draws.{jumps}"


def is_sampled(candidate: CandidateManifest) -> bool:
    """Whether the weights are the mean of draws, so that no epoch is the best."""
    return by_full_name(candidate.settings).get("train.method") == "gibbs"


def training_table(candidate: CandidateManifest, *, timed: bool = True) -> Table:
    """Facts about the fit, from a candidate's manifest."""
    epochs: list[tuple[object, ...]] = [
        ("epochs run", candidate.epochs_run),
        ("best epoch", candidate.best_epoch),
    ]
    rows: list[tuple[object, ...]] = [
        ("device", candidate.device),
        *([("sweeps of all chains", candidate.epochs_run)] if is_sampled(candidate) else epochs),
        ("RMSE on valid rows", candidate.valid_rmse),
        ("time of the fit, s", candidate.seconds_train),
    ]
    if timed:
        rows = [("model", candidate.model), *rows, ("time of compiling, s", candidate.seconds_compile)]
    return Table(("the fit", ""), rows)


def time_table(metrics: Metrics) -> Table | None:
    """The quick model on the latest ratings and on equally many random ones; None if there are too few dates."""
    found = metrics.temporal
    if found is None:
        return None
    holdouts: list[tuple[str, Temporal | QuickFigures]] = [
        (f"ratings from {found.cut} on, fitted on older ones", found),
        ("as many ratings drawn at random", found.at_random),
    ]
    return Table(
        ("RMSE of a quick model, in rating points", "quick model", "bias-only", "global mean"),
        [(name, rows.rmse, rows.bias_only_rmse, rows.global_mean_rmse) for name, rows in holdouts],
    )


def series_table(points: Sequence[Point]) -> Table:
    """The last champions on ratings newer than themselves, newest first."""
    rows = [
        (p.release, p.last_date, p.rows, p.rmse, p.bias_only_rmse, p.global_mean_rmse, p.test_rmse)
        for p in reversed(points[-_SHOWN:])
    ]
    return Table(
        (
            "release",
            "up to",
            "rows",
            "RMSE",
            "RMSE of bias-only",
            "RMSE of global mean",
            "RMSE on its test rows",
        ),
        rows,
    )


def order_says(metrics: AnyMetrics, *, name: str = "candidate") -> str:
    """The share of test row pairs that the model (named `name`) orders correctly, and what ranking metrics show."""
    if not isinstance(metrics, Metrics):
        return metrics.ranking.says
    pairs = metrics.pairs_in_order
    shares = (
        (name, pairs.candidate.share),
        ("bias-only", pairs.bias_only.share),
        ("popularity", pairs.popularity.share),
    )
    if None in (share for _, share in shares):
        return metrics.ranking.says
    shares_by_name = ", ".join(f"{share:.1%} by {name}" for name, share in shares)
    order = f"Of two test rows of one user, the higher rated one is ranked first: {shares_by_name}."
    return f"{order} {metrics.ranking.says}"
