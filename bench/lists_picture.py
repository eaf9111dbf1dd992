"""A picture of results of bench/lists.py: nDCG@10 by data set and system.

    python bench/lists_picture.py --out PICTURE.svg NAME=RESULTS.json ...

A system that a result does not have is shown as not run.
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import numpy as np
from matplotlib import pyplot as plt

_SYSTEMS = {
    "matinee": "Matinee",
    "ease": "EASE",
    "lenskit": "LensKit",
    "als": "implicit, ALS",
    "knn": "implicit, item-kNN",
    "bpr": "implicit, BPR",
    "popularity": "popularity",
}
_OURS, _OTHERS = "#0b5394", "#9a9a9a"


def main() -> None:
    """Draw one panel per data set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", metavar="NAME=RESULTS.json")
    parser.add_argument("--out", type=Path, required=True)
    call = parser.parse_args()
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "matinee", "font.family": "sans-serif"}
    figure, panels = plt.subplots(1, len(call.results), figsize=(11, 3), layout="constrained", sharey=True)
    for panel, given in zip(np.atleast_1d(panels), call.results, strict=True):
        name, path = given.split("=", 1)
        found = json.loads(Path(path).read_text("utf-8"))
        shown = list(
            _SYSTEMS
        )  # with an empty bar where one was not run, so that all panels have the same bars
        values = [found.get(system, {}).get("ndcg_at_10", 0.0) for system in shown]
        bars = panel.barh(
            [_SYSTEMS[system] for system in shown],
            values,
            color=[_OURS if system == "matinee" else _OTHERS for system in shown],
        )
        panel.bar_label(
            bars,
            [f"{value:.4f}".removeprefix("0") if value else "not run" for value in values],
            padding=3,
            fontsize=9,
        )
        panel.set(title=name, xticks=[], xlim=(0, max(values) * 1.25))
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(length=0)
    np.atleast_1d(panels)[0].invert_yaxis()
    figure.suptitle("nDCG@10 of lists of ten (longer is better)", x=0.01, ha="left", fontsize=11)
    figure.savefig(call.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
