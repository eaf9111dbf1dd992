"""One evaluation from end to end: collect the inputs, measure, decide, plot, write.

The gate, the release's card and the run's page use the files that it writes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from matinee.evaluate import plots
from matinee.evaluate.calibration import calibrate
from matinee.evaluate.catalogue import measure_order, measure_ranking
from matinee.evaluate.gate import ComparedModel, Decision, decide
from matinee.evaluate.inputs import EvaluationInputs, collect_inputs
from matinee.evaluate.leakage import measure_leakage
from matinee.evaluate.metrics import count_clusters, estimate_mae, estimate_rmse, mae, mean_over_users, rmse
from matinee.evaluate.temporal_holdout import TEMPORAL_HOLDOUT
from matinee.release.ranking_model import RANKING, load_model
from matinee.settings import Settings
from matinee.store.documents import read_json
from matinee.store.files import write_json


def write_evaluation(
    folder: Path,
    *,
    candidate: Path,
    ranking: Path,
    split: Path,
    temporal_holdout: Path | None,
    champion: ComparedModel | None,
    anchor: ComparedModel | None,
    settings: Settings,
) -> dict[str, Any]:
    """Fill an evaluation's folder; returns its manifest's entries.

    Raises StoreError if the candidate or the split is corrupt.
    """
    inputs = collect_inputs(candidate, split, champion, anchor if settings.gate.decay else None)
    lists = measure_ranking(
        inputs.catalogue,
        load_model(ranking / RANKING),
        inputs.fitted,
        inputs.test,
        users=settings.evaluate.ranking_users,
    )
    figures = measure(inputs, lists)
    figures["temporal"] = (
        read_json(temporal_holdout / TEMPORAL_HOLDOUT)["temporal"] if temporal_holdout else None
    )
    figures["hindsight"] = measure_leakage(split, _fitted_subsets(candidate), inputs.test)
    decision = decide(
        inputs.candidate,
        inputs.bias_only,
        champion=inputs.against_champion,
        anchor=inputs.against_anchor,
        drift=inputs.drift,
        settings=settings.gate,
    )
    write_json(folder / "metrics.json", figures)
    write_json(folder / "decision.json", _decision_json(decision, inputs, champion, anchor))
    plots.draw(
        folder / "plots", inputs=inputs, figures=figures, history=read_json(candidate / "history.json")
    )
    return {
        "rows": len(inputs.test),
        "rmse": figures["rmse"],
        "promoted": decision.promoted,
        "reason": decision.reason,
        "champion": champion.version if champion else None,
    }


def _fitted_subsets(candidate: Path) -> list[str]:
    """The subsets of the split that the tested weights were fitted on."""
    refit = read_json(candidate / "manifest.json")["settings"]["train"]["refit"]
    return ["train"] if refit == "none" else ["train", "valid"]


def measure(inputs: EvaluationInputs, lists: dict[str, Any]) -> dict[str, Any]:
    """All figures of metrics.json: flat keys for scripts, intervals and details beside them."""
    test = inputs.test
    return {
        **_figures("", inputs.candidate, inputs),
        **_figures("bias_only_", inputs.bias_only, inputs),
        **_figures("global_mean_", inputs.global_mean, inputs),
        "mean_rating": float(inputs.fitted.ratings.mean(dtype=np.float64)),
        "rows": len(test),
        "users": count_clusters(test.users),
        "movies": count_clusters(test.movies),
        "rows_of_unknown_users": int(np.count_nonzero(inputs.user_rows[test.users] == 0)),
        "rows_of_unknown_movies": int(np.count_nonzero(inputs.movie_rows[test.movies] == 0)),
        "intervals": {
            "rmse": estimate_rmse(inputs.candidate, test.users, test.movies).to_json(),
            "mae": estimate_mae(inputs.candidate, test.users, test.movies).to_json(),
        },
        "calibration": calibrate(test, inputs.candidate, inputs.scale),
        "slices": _slices(inputs),
        "pairs_in_order": measure_order(inputs.catalogue, test, inputs.candidate, inputs.bias_only),
        "ranking": lists,
    }


def _figures(prefix: str, errors: np.ndarray[Any, Any], inputs: EvaluationInputs) -> dict[str, float]:
    user_rmse, user_mae = mean_over_users(errors, inputs.test.users)
    return {
        f"{prefix}rmse": rmse(errors),
        f"{prefix}mae": mae(errors),
        f"{prefix}mean_user_rmse": user_rmse,
        f"{prefix}mean_user_mae": user_mae,
    }


def _slices(inputs: EvaluationInputs) -> dict[str, list[dict[str, Any]]]:
    test = inputs.test
    found: dict[str, list[dict[str, Any]]] = {}
    for slicing in inputs.slicings:
        found[slicing.name] = []
        for label, rows in slicing:
            ours = inputs.candidate[rows]
            interval = estimate_rmse(ours, test.users[rows], test.movies[rows]).to_json()
            found[slicing.name].append(
                {
                    "slice": label,
                    "rows": len(rows),
                    "rmse": interval.pop("value"),
                    "mae": mae(ours),
                    **interval,
                    "bias_only_rmse": rmse(inputs.bias_only[rows]),
                    "global_mean_rmse": rmse(inputs.global_mean[rows]),
                }
            )
    return found


def _decision_json(
    decision: Decision, inputs: EvaluationInputs, champion: ComparedModel | None, anchor: ComparedModel | None
) -> dict[str, Any]:
    return {
        "promoted": decision.promoted,
        "reason": decision.reason,
        "champion": champion.version if champion else None,
        "anchor": anchor.version if anchor else None,
        "becomes_anchor": decision.becomes_anchor,
        "drifts": inputs.drift.remembered if inputs.drift else [],
        "rows": {
            "test": len(inputs.test),
            "compared": len(inputs.against_champion.candidate) if inputs.against_champion else 0,
        },
        "rules": [rule.to_json() for rule in decision.rules],
    }
