"""One evaluation from end to end: gather, measure, decide, draw, write.

The folder it fills is what the gate, the release's card and a person go by.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from matinee.evaluate import plots
from matinee.evaluate.calibration import calibrate
from matinee.evaluate.catalogue import choose_weight, measure_order, measure_ranking
from matinee.evaluate.evidence import Evidence, gather
from matinee.evaluate.gate import Champion, Decision, decide
from matinee.evaluate.leakage import measure_hindsight
from matinee.evaluate.metrics import count_clusters, estimate_mae, estimate_rmse, mae, mean_over_users, rmse
from matinee.evaluate.temporal_holdout import OUTLOOK
from matinee.release.weights import read_weights
from matinee.settings import Settings
from matinee.store.documents import read_json
from matinee.store.files import write_json


def write_evaluation(
    folder: Path,
    *,
    candidate: Path,
    split: Path,
    outlook: Path | None,
    champion: Champion | None,
    anchor: Champion | None,
    settings: Settings,
) -> dict[str, Any]:
    """Fill an evaluation's folder and return what its manifest says.

    Raises StoreError when the candidate or the split is damaged.
    """
    evidence = gather(candidate, split, champion, anchor if settings.gate.decay else None)
    unseen = replace(evidence.catalogue, weights=_unseen_weights(candidate))
    weight = choose_weight(unseen, evidence.train, evidence.valid)
    figures = measure(evidence, popularity_weight=weight, ranking_users=settings.evaluate.ranking_users)
    figures["temporal"] = read_json(outlook / OUTLOOK)["temporal"] if outlook else None
    figures["hindsight"] = measure_hindsight(split, _fitted_parts(candidate), evidence.test)
    decision = decide(
        evidence.candidate,
        evidence.bias_only,
        contest=evidence.contest,
        anchor=evidence.anchor,
        drift=evidence.drift,
        settings=settings.gate,
    )
    write_json(folder / "metrics.json", figures)
    write_json(folder / "decision.json", _decision_json(decision, evidence, champion, anchor))
    plots.draw(
        folder / "plots", evidence=evidence, figures=figures, history=read_json(candidate / "history.json")
    )
    return {
        "rows": len(evidence.test),
        "rmse": figures["rmse"],
        "promoted": decision.promoted,
        "reason": decision.reason,
        "champion": champion.version if champion else None,
    }


def _fitted_parts(candidate: Path) -> list[str]:
    """The parts of the split that the tested weights were fitted on."""
    refit = read_json(candidate / "manifest.json")["settings"]["train"]["refit"]
    return ["train"] if refit == "none" else ["train", "valid"]


def _unseen_weights(candidate: Path) -> dict[str, Any]:
    """The weights that have not seen the valid rows: those of the first fit, where there was a second one."""
    first = candidate / "first.safetensors"
    return read_weights(first if first.exists() else candidate / "weights.safetensors")


def measure(evidence: Evidence, *, popularity_weight: float, ranking_users: int) -> dict[str, Any]:
    """All figures of metrics.json: flat keys for scripts, intervals and details beside them."""
    test = evidence.test
    return {
        **_figures("", evidence.candidate, evidence),
        **_figures("bias_only_", evidence.bias_only, evidence),
        **_figures("global_mean_", evidence.global_mean, evidence),
        "mean_rating": float(evidence.fitted.ratings.mean(dtype=np.float64)),
        "rows": len(test),
        "users": count_clusters(test.users),
        "movies": count_clusters(test.movies),
        "rows_of_unknown_users": int(np.count_nonzero(evidence.user_rows[test.users] == 0)),
        "rows_of_unknown_movies": int(np.count_nonzero(evidence.movie_rows[test.movies] == 0)),
        "intervals": {
            "rmse": estimate_rmse(evidence.candidate, test.users, test.movies).to_json(),
            "mae": estimate_mae(evidence.candidate, test.users, test.movies).to_json(),
        },
        "calibration": calibrate(test, evidence.candidate, evidence.scale),
        "slices": _slices(evidence),
        "pairs_in_order": measure_order(evidence.catalogue, test, evidence.candidate, evidence.bias_only),
        "ranking": measure_ranking(
            evidence.catalogue, evidence.fitted, test, weight=popularity_weight, users=ranking_users
        ),
    }


def _figures(prefix: str, errors: np.ndarray[Any, Any], evidence: Evidence) -> dict[str, float]:
    user_rmse, user_mae = mean_over_users(errors, evidence.test.users)
    return {
        f"{prefix}rmse": rmse(errors),
        f"{prefix}mae": mae(errors),
        f"{prefix}mean_user_rmse": user_rmse,
        f"{prefix}mean_user_mae": user_mae,
    }


def _slices(evidence: Evidence) -> dict[str, list[dict[str, Any]]]:
    test = evidence.test
    found: dict[str, list[dict[str, Any]]] = {}
    for slicing in evidence.slicings:
        found[slicing.name] = []
        for label, rows in slicing:
            ours = evidence.candidate[rows]
            interval = estimate_rmse(ours, test.users[rows], test.movies[rows]).to_json()
            found[slicing.name].append(
                {
                    "slice": label,
                    "rows": len(rows),
                    "rmse": interval.pop("value"),
                    "mae": mae(ours),
                    **interval,
                    "bias_only_rmse": rmse(evidence.bias_only[rows]),
                    "global_mean_rmse": rmse(evidence.global_mean[rows]),
                }
            )
    return found


def _decision_json(
    decision: Decision, evidence: Evidence, champion: Champion | None, anchor: Champion | None
) -> dict[str, Any]:
    return {
        "promoted": decision.promoted,
        "reason": decision.reason,
        "champion": champion.version if champion else None,
        "anchor": anchor.version if anchor else None,
        "becomes_anchor": decision.becomes_anchor,
        "drifts": evidence.drift.remembered if evidence.drift else [],
        "rows": {
            "test": len(evidence.test),
            "compared": len(evidence.contest.candidate) if evidence.contest else 0,
        },
        "rules": [rule.to_json() for rule in decision.rules],
    }
