"""Search for settings, then compare them with the defaults on test rows, which the search has not used.

    python bench/tune.py --ratings ratings.csv --titles movies.csv --out results.json [--test test.csv] [--trials 30]

Both are fitted as a run fits them, on train and valid rows, with three seeds. Differences are paired by row or by user.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from matinee.evaluate.inputs import read_fitted, read_test
from matinee.formats.tuning import ScoreDifference
from matinee.pipeline import plan_ranking, plan_training
from matinee.pipeline.chain import Chain, making_missing
from matinee.pipeline.tuning.run import run_here, run_search
from matinee.pipeline.tuning.scores import (
    RowErrors,
    UserLists,
    compare_errors,
    compare_ndcgs,
    row_errors,
    user_lists,
)
from matinee.pipeline.tuning.search import Tuning
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.settings.space import with_values
from matinee.store import Reference, Store

_SEEDS = 3


def main() -> None:
    """Run one search, and print and write what it is worth on test rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--ratings", "--titles", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--test", type=Path, nargs="*", default=[])
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--trials", type=int, default=30)
    call = parser.parse_args()
    base = read_settings(preset=call.preset).for_test_files([str(path) for path in call.test])
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store")
        with store.in_use():
            split = _split(store, call, base)
            tuning = Tuning.open(store, split, base=base, goals=["ratings", "lists"])
            started = time.perf_counter()
            found = run_search(tuning, trials=call.trials, run=run_here(store))
            seconds = time.perf_counter() - started
            figures = {
                "settings": found.settings,
                "says": [goal.says for goal in found.goals],
                "seconds": round(seconds, 1),
                "trials": {goal.goal: [note.state for note in goal.trials] for goal in found.goals},
                **_on_test_rows(store, split, base, with_values(base, found.settings)),
            }
    call.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps({name: value for name, value in figures.items() if name != "trials"}, indent=2))


def _split(store: Store, call: argparse.Namespace, settings: Settings) -> Reference:
    chain = Chain(store, settings, making_missing(store))
    dataset = chain.ingest([call.ratings], call.titles, test=call.test)
    return chain.split(dataset, chain.encode(dataset))


def _on_test_rows(store: Store, split: Reference, base: Settings, tuned: Settings) -> dict[str, object]:
    """RMSE and nDCG@10 of both settings on the test rows, and the paired differences."""
    seeds = [{"train.seed": base.train.seed + seed} for seed in range(_SEEDS)]
    before, after = (
        [_errors(store, split, with_values(settings, seed)) for seed in seeds] for settings in (base, tuned)
    )
    lists = [_lists(store, split, settings) for settings in (base, tuned)]
    return {
        "rmse": {
            "base": [round(_rmse(each), 4) for each in before],
            "tuned": [round(_rmse(each), 4) for each in after],
            **_show(compare_errors(after, before)),
        },
        "ndcg_at_10": {
            "base": round(float(lists[0].ndcgs.mean()), 4),
            "tuned": round(float(lists[1].ndcgs.mean()), 4),
            **_show(compare_ndcgs([lists[1]], [lists[0]])),
        },
    }


def _rmse(found: RowErrors) -> float:
    return float(np.sqrt(np.square(found.errors).mean()))


def _show(difference: ScoreDifference) -> dict[str, float]:
    return {
        "difference": round(difference.value, 5),
        "standard_error": round(difference.standard_error, 5),
    }


def _errors(store: Store, split: Reference, settings: Settings) -> RowErrors:
    model = store.ensure(plan_training(store, split, settings=settings))
    return row_errors(store, model, read_test(store.path(split)))


def _lists(store: Store, split: Reference, settings: Settings) -> UserLists:
    ranking, folder = store.ensure(plan_ranking(store, split, settings=settings)), store.path(split)
    _, _, fitted = read_fitted(folder, refit=True)
    most = settings.evaluate.ranking_users
    return user_lists(store, ranking, folder, fitted=fitted, judged=read_test(folder), most=most)


if __name__ == "__main__":
    main()
