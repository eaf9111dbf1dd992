"""Compiles the kernels that most tests call, while the linters use the other core: `python tests/compile_kernels.py`.

Otherwise each test process of a fresh checkout compiles them for itself.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matinee
from matinee.sample import write_sample
from matinee.settings.parse import read_settings

_RUNS: Final[Sequence[tuple[dict[str, Any], Sequence[str]]]] = (
    ({}, ()),
    (
        {"dirty": 0.02, "format": "netflix", "users": 1000, "movies": 100},
        (
            "ingest.max_reject_fraction=0.1",
            "train.method=gibbs",
            "train.sweeps=2",
            "train.burn_in=1",
        ),
    ),
    ({"ids": "text"}, ("train.epochs=1",)),
    ({"feedback": "implicit"}, ("ingest.feedback=implicit",)),
)


def main() -> None:
    """Retrain on a small sample of each kind, in a store that is thrown away."""
    with tempfile.TemporaryDirectory() as scratch:
        for number, (given, settings) in enumerate(_RUNS):
            folder = Path(scratch, f"sample{number}")
            write_sample(folder, ratings=5000, **given)
            ratings = sorted(folder.glob("combined_data_*.txt")) or folder / "ratings.csv"
            matinee.retrain(
                ratings,
                folder / "movie_titles.csv",
                Path(scratch, f"store{number}"),
                settings=read_settings(assignments=settings),
            )


if __name__ == "__main__":
    main()
