"""The tables of an evaluation, from metrics.json: the card of a release and the page of a run show the same ones."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matinee.evaluate.slices import SLICINGS

# Each picture of an evaluation: its file, and what it is good for.
PICTURES = {
    "learning_curve": "Valid rows decide which epoch is kept; where they rise again the fit has learned noise.",
    "slices": "Where the model is weak: RMSE by slice with its 95 % interval, beside bias-only.",
    "calibration": "Whether rows predicted at 4.2 are rated 4.2 on average; below, how many rows that says it of.",
    "residuals": "How errors are spread, and how predictions lean towards the middle, as any honest ones do.",
    "long_tail": "How few movies have most rows, and what the error is on the others.",
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
_SHOWN = 50  # points of a series, on a page


class Table(NamedTuple):
    """A heading a column, and the rows below."""

    head: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def error_table(metrics: Mapping[str, Any], *, name: str) -> Table:
    """The model, called `name`, bias-only and the global mean on the test rows, over rows and over users."""
    sides = ((name, ""), ("bias only", "bias_only_"), ("global mean", "global_mean_"))
    figures = ("rmse", "mae", "mean_user_rmse")
    return Table(
        ("on the test rows", "RMSE", "MAE", "RMSE, mean over users"),
        [(side, *(metrics[prefix + figure] for figure in figures)) for side, prefix in sides],
    )


def slice_table(metrics: Mapping[str, Any]) -> Table:
    """The RMSE on slices of the test rows, each with its 95 % interval, beside that of bias-only."""
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
    """How the fit went, from what a candidate's manifest says of it."""
    return Table(("the fit", ""), [(told, facts[name]) for name, told in _TRAINING.items() if name in facts])


def time_table(metrics: Mapping[str, Any]) -> Table | None:
    """The quick model on the latest ratings and on as many at random; None where there are too few dates."""
    found = metrics.get("temporal")
    if found is None:
        return None
    sides = ((f"from {found['cut']} on, fitted on what is older", found), ("at random", found["at_random"]))
    return Table(
        ("a quick model on", "RMSE", "bias only", "global mean"),
        [(name, side["rmse"], side["bias_only_rmse"], side["global_mean_rmse"]) for name, side in sides],
    )


def series_table(points: Sequence[Mapping[str, Any]]) -> Table:
    """The last champions on the ratings that came after them, the newest first."""
    names = ("release", "last_date", "rows", "rmse", "bias_only_rmse", "global_mean_rmse", "test_rmse")
    rows = [tuple(point[name] for name in names) for point in reversed(points[-_SHOWN:])]
    return Table(
        ("release", "up to", "rows", "RMSE", "bias only", "global mean", "RMSE on its test rows"), rows
    )


def order_table(metrics: Mapping[str, Any]) -> Table:
    """The order of `recommend` over the full catalogue beside those of popularity and of the expected rating."""
    ranking = metrics["ranking"]
    sides = (("recommend", "recommend"), ("popularity", "popularity"), ("expected rating", "expected_rating"))
    figures = ("ndcg_at_10", "recall_at_10", "mrr", "coverage_at_10")
    return Table(
        ("ordered by", "nDCG@10", "recall@10", "MRR", "coverage@10"),
        [(name, *(ranking[side][figure] for figure in figures)) for name, side in sides],
    )


def order_says(metrics: Mapping[str, Any]) -> str:
    """What the order of a user's own test rows is, and what figures of ranking can and can't say."""
    pairs = metrics["pairs_in_order"]
    shares = {name: pairs[name]["share"] for name in ("candidate", "bias_only", "popularity")}
    if None in shares.values():
        return str(metrics["ranking"]["says"])
    told = ", ".join(f"{share:.1%} by {name.replace('_', ' ')}" for name, share in shares.items())
    return f"Of two test rows of one user, the better rated one is put first: {told}. {metrics['ranking']['says']}"
