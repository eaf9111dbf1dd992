"""A store with a release and a candidate that the gate held, shared by the tests of a process."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import matinee


@pytest.fixture(scope="session")
def judged(
    sample: Path, tmp_path_factory: pytest.TempPathFactory, pictures: None
) -> "tuple[matinee.Retrained, matinee.Retrained]":
    """A release, and in the same store a worse candidate that the gate held."""
    import matinee
    from matinee.settings.parse import read_settings

    sources = sample / "ratings.csv", sample / "movie_titles.csv"
    store = tmp_path_factory.mktemp("judged") / "store"
    worse = read_settings(assignments=["train.epochs=1", "train.learning_rate=0.0001"])
    fast = read_settings(assignments=["train.epochs=3"])
    return matinee.retrain(*sources, store, settings=fast), matinee.retrain(*sources, store, settings=worse)


def store_of(run: "matinee.Retrained") -> Path:
    """The store of a run."""
    assert run.release is not None
    return run.release.parents[1]
