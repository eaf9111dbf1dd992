"""How often `matinee compare` sees a difference between equally good models: pairs that differ in their seed alone.

About one in twenty 95% intervals should not contain 0. Each pair has seeds of its own, so that pairs are independent.
"""

import argparse
import json
import tempfile
from pathlib import Path

import matinee
from matinee.evaluate.comparison import compare_models
from matinee.formats.comparison import Comparison
from matinee.sample import write_sample
from matinee.settings.parse import read_settings
from matinee.store import Store

_QUICK = ("evaluate.temporal=false", "evaluate.ranking_users=1000", "gate.tolerance=1", "gate.drift=false")


def compare_seeds(folder: Path, *, pairs: int, ratings: int) -> list[Comparison]:
    """Train pairs of models on one generated data set and compare each pair."""
    write_sample(folder / "sample", ratings=ratings, seed=1)
    sources = folder / "sample/ratings.csv", folder / "sample/movie_titles.csv"
    found = []
    for pair in range(pairs):
        names = []
        for seed in (2 * pair, 2 * pair + 1):
            settings = read_settings(assignments=[*_QUICK, f"train.seed={seed}"])
            run = matinee.retrain(*sources, folder / "store", settings=settings)
            names.append(run.evaluation.digest)
        found.append(compare_models(Store(folder / "store"), names))
        rmse = found[-1].figures[0].differences[0]
        print(f"{pair:3}  {rmse.value:+.5f}  {rmse.low:+.5f} to {rmse.high:+.5f}  {rmse.verdict}", flush=True)
    return found


def main() -> None:
    """Print how many intervals of each figure contain 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--ratings", type=int, default=100_000)
    call = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = compare_seeds(Path(folder), pairs=call.pairs, ratings=call.ratings)
    facts = {
        figure.name: sum(each.figures[place].differences[0].verdict in ("same", "unclear") for each in found)
        for place, figure in enumerate(found[0].figures)
    }
    print(json.dumps({"pairs": call.pairs, "intervals_that_contain_0": facts}))


if __name__ == "__main__":
    main()
