"""One evaluation from end to end: gather, measure, decide, draw, write.

The folder it fills is what the gate, the release's card and a person go by.
"""

from pathlib import Path
from typing import Any

import numpy as np

from matinee.evaluate import plots
from matinee.evaluate.evidence import Evidence, gather
from matinee.evaluate.gate import Champion, Contest, Decision, decide
from matinee.evaluate.metrics import estimate_mae, estimate_rmse, mae, mean_over_users, rmse
from matinee.settings import GateSettings
from matinee.store import read_json, write_json


def write_evaluation(
    folder: Path, *, candidate: Path, split: Path, champion: Champion | None, settings: GateSettings
) -> dict[str, Any]:
    """Fill an evaluation's folder and return what its manifest says.

    Raises StoreError when the candidate or the split is damaged.
    """
    evidence = gather(candidate, split, champion)
    figures = measure(evidence)
    decision = decide(_contest(evidence), settings)
    write_json(folder / "metrics.json", figures)
    write_json(folder / "decision.json", _decision_json(decision, evidence, champion))
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


def measure(evidence: Evidence) -> dict[str, Any]:
    """All figures of metrics.json: flat keys for scripts, intervals and details beside them."""
    test, errors = evidence.test, evidence.candidate
    user_rmse, user_mae = mean_over_users(errors, test.users)
    known = evidence.known_users[test.users], evidence.known_movies[test.movies]
    return {
        "rmse": rmse(errors),
        "mae": mae(errors),
        "global_mean_rmse": rmse(evidence.global_mean),
        "global_mean_mae": mae(evidence.global_mean),
        "bias_only_rmse": rmse(evidence.bias_only),
        "bias_only_mae": mae(evidence.bias_only),
        "mean_user_rmse": user_rmse,
        "mean_user_mae": user_mae,
        "rows": len(test),
        "users": int(np.unique(test.users).size),
        "movies": int(np.unique(test.movies).size),
        "rows_of_unknown_users": int(np.count_nonzero(~known[0])),
        "rows_of_unknown_movies": int(np.count_nonzero(~known[1])),
        "intervals": {
            "rmse": estimate_rmse(errors, test.users, test.movies).to_json(),
            "mae": estimate_mae(errors, test.users, test.movies).to_json(),
        },
    }


def _contest(evidence: Evidence) -> Contest:
    return Contest(
        users=evidence.test.users,
        movies=evidence.test.movies,
        candidate=evidence.candidate,
        bias_only=evidence.bias_only,
        champion=evidence.champion,
    )


def _decision_json(decision: Decision, evidence: Evidence, champion: Champion | None) -> dict[str, Any]:
    compared = 0 if evidence.champion is None else int(np.count_nonzero(~np.isnan(evidence.champion)))
    return {
        "promoted": decision.promoted,
        "reason": decision.reason,
        "champion": champion.version if champion else None,
        "rows": {"test": len(evidence.test), "compared": compared},
        "rules": [rule.to_json() for rule in decision.rules],
    }
