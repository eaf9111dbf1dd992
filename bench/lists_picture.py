"""A picture of results of bench/lists.py: nDCG@10 by data set and system.

    python bench/lists_picture.py --out PICTURE.svg NAME=RESULTS.json ...

Colours have enough contrast on a white page and in print; the values stand at the bars.
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import numpy as np
from matplotlib import pyplot as plt

_SYSTEMS = {
    "matinee": ("Matinee", "#0b5394"),
    "ease": ("EASE", "#bf6900"),
    "lenskit": ("LensKit", "#4d7c2a"),
    "als": ("implicit, ALS", "#7a7a7a"),
    "knn": ("implicit, item-kNN", "#9a9a9a"),
    "bpr": ("implicit, BPR", "#b8b8b8"),
    "popularity": ("popularity", "#d4d4d4"),
}


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
        shown = [system for system in _SYSTEMS if system in found]
        values = [found[system]["ndcg_at_10"] for system in shown]
        bars = panel.barh(
            [_SYSTEMS[system][0] for system in shown],
            values,
            color=[_SYSTEMS[system][1] for system in shown],
        )
        panel.bar_label(bars, [f"{value:.4f}".removeprefix("0") for value in values], padding=3, fontsize=9)
        panel.set(title=name, xticks=[], xlim=(0, max(values) * 1.25))
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(length=0)
    np.atleast_1d(panels)[0].invert_yaxis()
    figure.suptitle("nDCG@10 of lists of ten (longer is better)", x=0.01, ha="left", fontsize=11)
    figure.savefig(call.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
