"""One evaluation from end to end: collect the inputs, measure, decide, plot, write.

The gate, the release's card and the run's page use the files that it writes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from matinee.evaluate.calibration import calibrate
from matinee.evaluate.candidate_lists import CandidateLists
from matinee.evaluate.catalog import measure_order, measure_ranking
from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.example_lists import Library, make_examples
from matinee.evaluate.gate import Decision, decide
from matinee.evaluate.inputs import EvaluationInputs, collect_inputs
from matinee.evaluate.leakage import measure_leakage
from matinee.evaluate.metrics import count_clusters, estimate_mae, estimate_rmse, mae, mean_over_users, rmse
from matinee.evaluate.paired_lists import PairedLists, RankedModel
from matinee.evaluate.recent import count_recent_of
from matinee.formats.decision import DecisionFile, JudgedRows
from matinee.formats.example_lists import ExampleLists
from matinee.formats.history import History
from matinee.formats.manifests import CandidateManifest
from matinee.formats.metrics import (
    Intervals,
    Leakage,
    Metrics,
    Ranking,
    SliceFigures,
    Temporal,
    TemporalHoldout,
)
from matinee.release.ranking_model import RANKING, RankingModel, load_model
from matinee.settings import Settings
from matinee.store import progress
from matinee.store.documents import MANIFEST, read_as
from matinee.store.files import write_json


def write_evaluation(
    folder: Path,
    *,
    candidate: Path,
    ranking: Path,
    split: Path,
    temporal_holdout: Callable[[], Path | None],
    champion: ComparedModel | None,
    anchor: ComparedModel | None,
    settings: Settings,
) -> tuple[Metrics, DecisionFile]:
    """Measure, decide, plot, and fill the folder of an evaluation.

    Args:
        folder: The folder to fill.
        candidate: Folder of the candidate.
        ranking: Folder of its ranking model.
        split: Folder of their split.
        temporal_holdout: Waits for the folder of the temporal holdout; it returns None without one.
        champion: The champion; None without one.
        anchor: The anchor; None without one.
        settings: `evaluate` and `gate`.

    Returns:
        The metrics and the decision, as written.

    Raises:
        StoreError: The candidate or the split is corrupt.
    """
    progress.begin("reading test rows")
    inputs = collect_inputs(candidate, split, champion, anchor if settings.gate.decay else None)
    fitted_on = read_as(candidate / MANIFEST, CandidateManifest).fitted_on
    model = load_model(ranking / RANKING)
    recent = count_recent_of(split, fitted_on, movies=len(inputs.movie_ids))
    most = settings.evaluate.ranking_users
    metrics = measure(
        inputs,
        measure_ranking(inputs.catalog, model, inputs.fitted, inputs.test, users=most, recent=recent),
        leakage=measure_leakage(split, fitted_on, inputs.test),
    )
    progress.begin("comparing with the champion")
    decision = decide(
        inputs.candidate,
        inputs.bias_only,
        champion=inputs.against_champion,
        anchor=inputs.against_anchor,
        drift=inputs.drift,
        lists=_compare_lists(model, inputs, champion, settings) if champion else None,
        settings=settings.gate,
    )
    file = _describe(decision, inputs, champion, anchor)
    write_json(folder / DecisionFile.NAME, file)
    write_json(folder / ExampleLists.NAME, _examples(model, split, inputs))
    progress.begin("drawing plots")
    _draw(folder / "plots", inputs, metrics, read_as(candidate / History.NAME, History))
    progress.begin("temporal holdout")
    if holdout := temporal_holdout():
        metrics = metrics.model_copy(update={"temporal": _read_temporal(holdout)})
    write_json(folder / Metrics.NAME, metrics)
    return metrics, file


def _draw(folder: Path, inputs: EvaluationInputs, metrics: Metrics, history: History) -> None:
    from matinee.evaluate import plots  # noqa: PLC0415 - a finished run draws nothing and need not wait for matplotlib

    plots.draw(folder, inputs=inputs, metrics=metrics, history=history)


def _read_temporal(folder: Path) -> Temporal | None:
    return read_as(folder / TemporalHoldout.NAME, TemporalHoldout).temporal


def _examples(model: RankingModel, split: Path, inputs: EvaluationInputs) -> ExampleLists:
    library = Library(
        users=pl.read_parquet(split / "users.parquet"),
        movies=pl.read_parquet(split / "movies.parquet"),
        scale=inputs.scale,
        relevant_from=inputs.catalog.relevant_from,
    )
    return make_examples(model, inputs.fitted, inputs.test, library)


def _compare_lists(
    model: RankingModel, inputs: EvaluationInputs, champion: ComparedModel, settings: Settings
) -> PairedLists | None:
    """The lists of candidate and champion on the test rows that neither was trained on."""
    paired = inputs.against_champion
    if paired is None:
        return None
    unseen = np.zeros(len(inputs.test), np.bool_)
    unseen[slice(None) if paired.rows is None else paired.rows] = True
    ours = CandidateLists(
        model=RankedModel(model, inputs.movie_ids, inputs.scale),
        fitted=inputs.fitted,
        test=inputs.test,
        users=inputs.catalog.users,
        relevant_from=inputs.catalog.relevant_from,
        most_users=settings.evaluate.ranking_users,
    )
    return ours.against(champion, unseen)


def measure(
    inputs: EvaluationInputs,
    lists: Ranking,
    *,
    leakage: Leakage | None = None,
) -> Metrics:
    """All figures of metrics.json but those of the temporal holdout."""
    test = inputs.test
    return Metrics(
        **_figures("", inputs.candidate, inputs),
        **_figures("bias_only_", inputs.bias_only, inputs),
        **_figures("global_mean_", inputs.global_mean, inputs),
        mean_rating=float(inputs.fitted.ratings.mean(dtype=np.float64)),
        rows=len(test),
        users=count_clusters(test.users),
        movies=count_clusters(test.movies),
        rows_of_unknown_users=int(np.count_nonzero(inputs.user_rows[test.users] == 0)),
        rows_of_unknown_movies=int(np.count_nonzero(inputs.movie_rows[test.movies] == 0)),
        intervals=Intervals(
            rmse=estimate_rmse(inputs.candidate, test.users, test.movies).interval(),
            mae=estimate_mae(inputs.candidate, test.users, test.movies).interval(),
        ),
        calibration=calibrate(test, inputs.candidate, inputs.scale),
        slices=_slices(inputs),
        pairs_in_order=measure_order(inputs.catalog, test, inputs.candidate, inputs.bias_only),
        ranking=lists,
        temporal=None,  # it is computed at the same time
        hindsight=leakage,
    )


def _figures(prefix: str, errors: np.ndarray[Any, Any], inputs: EvaluationInputs) -> dict[str, float]:
    user_rmse, user_mae = mean_over_users(errors, inputs.test.users)
    return {
        f"{prefix}rmse": rmse(errors),
        f"{prefix}mae": mae(errors),
        f"{prefix}mean_user_rmse": user_rmse,
        f"{prefix}mean_user_mae": user_mae,
    }


def _slices(inputs: EvaluationInputs) -> dict[str, list[SliceFigures]]:
    test = inputs.test
    found: dict[str, list[SliceFigures]] = {}
    for slicing in inputs.slicings:
        found[slicing.name] = []
        for label, rows in slicing:
            ours = inputs.candidate[rows]
            estimate = estimate_rmse(ours, test.users[rows], test.movies[rows])
            found[slicing.name].append(
                SliceFigures(
                    slice=label,
                    rows=len(rows),
                    rmse=estimate.value,
                    mae=mae(ours),
                    standard_error=estimate.standard_error,
                    low=estimate.low,
                    high=estimate.high,
                    bias_only_rmse=rmse(inputs.bias_only[rows]),
                    global_mean_rmse=rmse(inputs.global_mean[rows]),
                )
            )
    return found


def _describe(
    decision: Decision, inputs: EvaluationInputs, champion: ComparedModel | None, anchor: ComparedModel | None
) -> DecisionFile:
    compared = len(inputs.against_champion.candidate) if inputs.against_champion else 0
    return DecisionFile(
        promoted=decision.promoted,
        reason=decision.reason,
        champion=champion.version if champion else None,
        anchor=anchor.version if anchor else None,
        becomes_anchor=decision.becomes_anchor,
        drifts=inputs.drift.remembered if inputs.drift else [],
        rows=JudgedRows(test=len(inputs.test), compared=compared),
        rules=list(decision.rules),
    )
