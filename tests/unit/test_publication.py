"""What a run publishes: a refit on all rows, the champion with other weights, and no champion that the gate holds."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import polars as pl
import pytest
from judged import store_of

import matinee
from matinee.errors import ConfigError
from matinee.formats.decision import DecisionFile
from matinee.publish import step
from matinee.registry import Registry
from matinee.settings.parse import read_settings
from matinee.split.hash_split import SUBSETS
from matinee.store import Store
from matinee.store.documents import read_as
from matinee.store.ratings import read_ratings


def test_a_champion_that_other_settings_of_the_gate_hold_is_reported_as_held(
    sample: Path, judged: tuple[matinee.Retrained, matinee.Retrained], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(store_of(judged[0]), store)
    worse = ["train.epochs=1", "train.learning_rate=0.0001"]

    def retrain(*assignments: str) -> matinee.Retrained:
        sources = sample / "ratings.csv", sample / "movie_titles.csv"
        return matinee.retrain(*sources, store, settings=read_settings(assignments=[*worse, *assignments]))

    lenient = retrain("gate.tolerance=10", "gate.ranking_tolerance=1", "gate.slices=false").publication
    assert (lenient.promoted, lenient.release) == (True, "v0002")
    held = retrain().publication
    registry = Registry.open(store)
    assert (held.promoted, held.release, registry.champion()) == (False, None, "v0002")
    assert not registry.held()  # it is a release

    registry.point_to("v0002", action="promote", reason="promote by name")
    by_hand = retrain().publication
    assert (by_hand.promoted, by_hand.release) == (True, "v0002")
    assert by_hand.reason == f"promote by name; the gate said: {held.reason}"


def test_a_refit_on_all_rows_is_published_by_one_call(sample: Path, tmp_path: Path) -> None:
    """The release counts the rows of the refit, so that a movie whose only rows are test rows can be recommended."""
    rare = tmp_path / "rare.csv"  # movies with one rating: some of these are test rows
    users = pl.read_csv(sample / "ratings.csv")["userID"].unique().sort()[:60].to_list()
    rare.write_text(
        "userID,movieID,rating,date\n"
        + "".join(f"{user},{90_000 + row},4,2005-01-03\n" for row, user in enumerate(users))
    )
    settings = read_settings(assignments=["train.epochs=3", "train.refit=all"])
    run = matinee.retrain(
        [sample / "ratings.csv", rare], sample / "movie_titles.csv", tmp_path / "store", settings=settings
    )
    assert run.release is not None
    assert (run.release / "tested.safetensors").is_file()
    split = Store(tmp_path / "store").path(run.split)
    tested, everything = (read_ratings(split, subsets) for subsets in (SUBSETS[:2], SUBSETS))
    for axis, codes in ("users", everything.users), ("movies", everything.movies):
        table = pl.read_parquet(run.release / f"{axis}.parquet")
        assert table["train_rows"].to_list() == np.bincount(codes).tolist()
        earlier = tested.users if axis == "users" else tested.movies
        assert table["tested_rows"].to_list() == np.bincount(earlier, minlength=table.height).tolist()
    liked = everything.movies[everything.ratings >= 4]
    release, before = (matinee.load(run.release, tested=which) for which in (False, True))
    catalog, movies = release.catalog, len(release.movies)
    assert catalog.liked_rows.tolist() == np.bincount(liked, minlength=movies).tolist()
    assert before.catalog.train_rows.tolist() == np.bincount(tested.movies, minlength=movies).tolist()

    (only_tested, *_) = np.flatnonzero(catalog.trained & ~before.catalog.trained).tolist()
    movie = release.movies.one(only_tested)
    assert release.recommend(999_999, 1, only=[movie])[0].movie_id == movie
    with pytest.raises(ConfigError, match="has no training row"):
        before.similar(movie)


def test_the_champion_is_published_again_with_other_weights(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refit or another ranking model of the champion's own candidate is decided on in one evaluation."""

    def retrain(*assignments: str) -> matinee.Retrained:
        settings = read_settings(assignments=["train.epochs=3", *assignments])
        return matinee.retrain(
            sample / "ratings.csv", sample / "movie_titles.csv", tmp_path / "store", settings=settings
        )

    def judge_again(*_: object, **__: object) -> NoReturn:
        pytest.fail("The candidate was evaluated again, and would be forever.")

    first = retrain()
    monkeypatch.setattr(step, "evaluate", SimpleNamespace(plan=judge_again))
    refit = retrain("train.refit=all")
    assert refit.candidate == first.candidate
    assert refit.evaluation == first.evaluation
    assert (refit.publication.release, refit.publication.replaced) == ("v0002", "v0001")
    assert retrain("train.refit=all").publication.release == "v0002"

    smaller = retrain("train.refit=all", "release.storage=float16")
    assert (smaller.publication.release, smaller.publication.replaced) == ("v0003", "v0002")

    other = retrain("rank.dropout=0.5")
    assert other.candidate == first.candidate
    assert (
        read_as(Store(tmp_path / "store").path(other.evaluation) / DecisionFile.NAME, DecisionFile).champion
        == "v0003"
    )
