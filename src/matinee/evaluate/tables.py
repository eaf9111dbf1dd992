"""The tables of an evaluation, from metrics.json: the card of a release and the page of a run show the same ones."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matinee.evaluate.slices import SLICINGS

# The plots of an evaluation: file name and explanation.
PICTURES = {
    "learning_curve": "The epoch with the lowest valid RMSE is kept; a later rise means overfitting.",
    "slices": "Where the model is weak: RMSE by slice with its 95 % interval, compared with bias-only.",
    "calibration": "Whether rows predicted at 4.2 are rated 4.2 on average; below, the number of rows per bin.",
    "residuals": "The distribution of errors, and how predictions shrink towards the mean, as calibrated ones do.",
    "long_tail": "How few movies have most of the rows, and the error on the other movies.",
}
_TRAINING = {
    "model": "model",
    "device": "device",
    "epochs_run": "epochs run",
    "best_epoch": "best epoch",
    "valid_rmse": "RMSE on valid rows",
    "seconds_train": "seconds of the fit",
    "seconds_compile": "seconds of compiling",
}
_SHOWN = 50  # points of the series shown on a page


class Table(NamedTuple):
    """Column headings and rows."""

    head: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def error_table(metrics: Mapping[str, Any], *, name: str) -> Table:
    """Errors of the model (named `name`), bias-only and the global mean on the test rows."""
    models = ((name, ""), ("bias only", "bias_only_"), ("global mean", "global_mean_"))
    figures = ("rmse", "mae", "mean_user_rmse")
    return Table(
        ("on the test rows", "RMSE", "MAE", "RMSE, mean over users"),
        [(label, *(metrics[prefix + figure] for figure in figures)) for label, prefix in models],
    )


def slice_table(metrics: Mapping[str, Any]) -> Table:
    """The RMSE on slices of the test rows, with 95 % intervals, and that of bias-only."""
    figures = ("slice", "rows", "rmse", "low", "high", "bias_only_rmse")
    return Table(
        ("sliced by", "slice", "rows", "RMSE", "from", "to", "bias only"),
        [
            (SLICINGS[slicing], *(each[name] for name in figures))
            for slicing, found in metrics["slices"].items()
            for each in found
        ],
    )


def training_table(facts: Mapping[str, Any]) -> Table:
    """Facts about the fit, from a candidate's manifest."""
    return Table(
        ("the fit", ""), [(label, facts[name]) for name, label in _TRAINING.items() if name in facts]
    )


def time_table(metrics: Mapping[str, Any]) -> Table | None:
    """The quick model on the latest ratings and on equally many random ones; None if there are too few dates."""
    found = metrics.get("temporal")
    if found is None:
        return None
    models = ((f"from {found['cut']} on, fitted on older ratings", found), ("at random", found["at_random"]))
    return Table(
        ("a quick model on", "RMSE", "bias only", "global mean"),
        [(name, model["rmse"], model["bias_only_rmse"], model["global_mean_rmse"]) for name, model in models],
    )


def series_table(points: Sequence[Mapping[str, Any]]) -> Table:
    """The last champions on ratings newer than themselves, newest first."""
    names = ("release", "last_date", "rows", "rmse", "bias_only_rmse", "global_mean_rmse", "test_rmse")
    rows = [tuple(point[name] for name in names) for point in reversed(points[-_SHOWN:])]
    return Table(
        ("release", "up to", "rows", "RMSE", "bias only", "global mean", "RMSE on its test rows"), rows
    )


def order_table(metrics: Mapping[str, Any]) -> Table:
    """Ranking metrics of `recommend` over the full catalog, and of popularity and the expected rating."""
    ranking = metrics["ranking"]
    models = (
        ("recommend", "recommend"),
        ("popularity", "popularity"),
        ("expected rating", "expected_rating"),
    )
    figures = ("ndcg_at_10", "recall_at_10", "mrr", "coverage_at_10")
    return Table(
        ("ordered by", "nDCG@10", "recall@10", "MRR", "coverage@10"),
        [(name, *(ranking[model][figure] for figure in figures)) for name, model in models],
    )


def order_says(metrics: Mapping[str, Any]) -> str:
    """The share of correctly ordered pairs of test rows, and what ranking metrics can and cannot show."""
    pairs = metrics["pairs_in_order"]
    shares = {name: pairs[name]["share"] for name in ("candidate", "bias_only", "popularity")}
    if None in shares.values():
        return str(metrics["ranking"]["says"])
    listed = ", ".join(f"{share:.1%} by {name.replace('_', ' ')}" for name, share in shares.items())
    return f"Of two test rows of one user, the higher rated one is ranked first: {listed}. {metrics['ranking']['says']}"
