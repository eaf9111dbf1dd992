"""Plays without ratings: what is read as a play, what is trained, how the gate decides, and what a release answers."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from page_checks import check_page

import matinee
from matinee.errors import ConfigError, ReleaseError
from matinee.evaluate.comparison import compare_models
from matinee.formats.decision import DecisionFile
from matinee.formats.play_metrics import PlayMetrics
from matinee.maintenance.forget import forget
from matinee.maintenance.prune import prune
from matinee.monitor.file_evaluation import evaluate_champion
from matinee.monitor.play_evaluation import PlayFileEvaluation
from matinee.pipeline import Retrained
from matinee.publish.report.compare_page import compare_page
from matinee.recommend import recommend_all
from matinee.release.plays import OF_PLAYS
from matinee.release.predict_file import predict_file
from matinee.settings import RecommendSettings, Settings
from matinee.settings.ingest import IngestSettings
from matinee.store import Store
from matinee.store.documents import read_as

PLAYS = Settings.model_validate({"ingest": {"feedback": "implicit"}, "evaluate": {"temporal": False}})
USERS, MOVIES, GROUPS = 240, 60, 4


def _draw(nights: int) -> list[list[tuple[int, int, str]]]:
    """Plays of several nights: users of four groups play movies of their own group nine times in ten."""
    draw = np.random.default_rng(3)
    rows: dict[tuple[int, int], str] = {}
    for user in range(USERS):
        for _ in range(24):
            group = user % GROUPS if draw.random() < 0.9 else int(draw.integers(GROUPS))
            movie = group + GROUPS * int(draw.integers(MOVIES // GROUPS))
            rows.setdefault((user + 1, movie + 1), f"2024-01-{draw.integers(1, 29):02d}")
    every = [(user, movie, day) for (user, movie), day in rows.items()]
    order = draw.permutation(len(every))
    cuts = np.array_split(order, 10)
    parts = [np.concatenate(cuts[:8]), *cuts[8:]][:nights]
    return [[every[row] for row in part] for part in parts]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plays of three nights, a file of each, and titles."""
    folder = tmp_path_factory.mktemp("plays")
    for night, rows in enumerate(_draw(3), 1):
        lines = [f"{user},{movie},{day}" for user, movie, day in rows]
        (folder / f"night{night}.csv").write_text("\n".join(["userID,movieID,date", *lines, ""]))
    titles = [f"{movie},2000,Movie {movie}" for movie in range(1, MOVIES + 1)]
    (folder / "movie_titles.csv").write_text("\n".join([*titles, ""]))
    return folder


@pytest.fixture(scope="module")
def nights(files: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Retrained]:
    """Two nights in one store: the second one has more plays."""
    store = tmp_path_factory.mktemp("nights") / "store"
    return [
        matinee.retrain(
            [files / f"night{number}.csv" for number in range(1, last + 1)],
            files / "movie_titles.csv",
            store,
            settings=PLAYS,
        )
        for last in (1, 2)
    ]


def test_the_first_release_of_plays_has_lists_better_than_popularity_and_no_predictions(
    nights: list[Retrained], tmp_path: Path
) -> None:
    first = nights[0]
    assert (first.candidate, first.publication.promoted) == (None, True)
    metrics = first.metrics
    assert isinstance(metrics, PlayMetrics)
    assert metrics.ndcg_at_10 > 1.5 * metrics.popularity_ndcg_at_10
    assert metrics.ranking.expected_rating is None
    assert first.release is not None
    release = matinee.load(first.release)
    assert (release.manifest["feedback"], release.manifest["schema_version"]) == ("implicit", 2)
    assert release.manifest["metrics"]["ndcg_at_10"] == metrics.ndcg_at_10
    assert not list(first.release.glob("weights*")) and not (first.release / "prior.json").exists()
    assert OF_PLAYS in (first.release / "CARD.md").read_text()
    page = (first.release / "report.html").read_text("utf-8")
    check_page(page)
    assert OF_PLAYS in page and "older ratings" not in page
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("userID,movieID\n1,2\n")
    for ask in (
        lambda: release.predict(1, 2),
        lambda: release.fold_in([1]).predict(2),
        lambda: release.expect(0),
        lambda: predict_file(release, pairs, out=tmp_path / "out.csv"),
    ):
        with pytest.raises(ReleaseError, match="was trained on plays"):
            ask()
    assert not (tmp_path / "out.csv").exists()


def test_releases_of_plays_are_compared_by_their_lists(nights: list[Retrained]) -> None:
    assert nights[0].release is not None
    found = compare_models(Store(nights[0].release.parents[1]), ["v0001", "v0002"])
    assert [figure.name for figure in found.figures] == ["ndcg_at_10", "recall_at_10"]
    assert found.rows.list_users > 0 and found.slices == []
    assert "v0002" in compare_page(found)


def test_a_release_of_plays_answers_with_lists_similar_movies_guests_and_reasons(
    nights: list[Retrained], tmp_path: Path
) -> None:
    release = matinee.load(nights[0].release or "")
    user = 1  # of the first group, whose movies are 1, 5, 9, ...
    listed = release.recommend(user, 3, explain=True)
    assert {movie.movie_id % GROUPS for movie in listed} == {user % GROUPS}
    assert all(movie.expected_rating is None and movie.because for movie in listed)
    played = [
        int(release.movies.ids[code])
        for code in release.catalog.seen(release.users.encode(np.array([user]))[0])
    ]
    guest = release.fold_in(played)
    met = guest.recommend(3)
    assert [movie.movie_id for movie in met] == [movie.movie_id for movie in listed]
    assert np.allclose([movie.score for movie in met], [movie.score for movie in listed], atol=1e-5)
    why = release.explain(user, listed[0].movie_id)
    assert sum(reason.share for reason in why.reasons) == pytest.approx(why.score, abs=1e-5)
    assert {(reason.rating, reason.says) for reason in why.reasons} == {(None, "played")}
    assert {movie.movie_id % GROUPS for movie in release.similar(1, 3)} == {1}
    with pytest.raises(ConfigError, match=r"takes no ratings.*fold_in\(\[1, 2, 3\]\)"):
        release.fold_in({1: 5})
    done = recommend_all(release, out=tmp_path / "all.parquet", top=3, settings=RecommendSettings())
    lists = pq.read_table(tmp_path / "all.parquet")
    assert done.users == USERS
    assert lists["expected_rating"].null_count == done.rows
    of_user = lists.filter(np.asarray(lists["user_id"]) == user)["movie_id"].to_pylist()
    assert of_user == [movie.movie_id for movie in listed]


def test_the_second_night_is_judged_by_lists_on_plays_unseen_by_both(
    nights: list[Retrained], files: Path
) -> None:
    second = nights[1]
    folder = second.store.folder("evaluations", second.publication.evaluation)
    decision = read_as(folder / DecisionFile.NAME, DecisionFile)
    assert [rule.name for rule in decision.rules] == ["rows", "lists", "popularity", "lists_decay", "drift"]
    assert (decision.champion, decision.promoted) == ("v0001", True)
    assert "nDCG@10" in decision.reason and "of popularity" in decision.reason
    assert "trained on plays" in second.champion_score.says
    trial = evaluate_champion(second.store, [files / "night3.csv"], IngestSettings())
    assert isinstance(trial, PlayFileEvaluation)
    assert trial.ndcg_at_10 > 1.5 * trial.popularity_ndcg_at_10
    assert trial.rows + trial.rows_seen == trial.rows_accepted


def test_a_store_holds_one_kind_of_feedback(nights: list[Retrained], files: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"holds plays, and this run reads ratings.*ingest\.feedback=implicit"
    ):
        matinee.retrain(files / "night1.csv", None, nights[0].store.root)


def test_a_user_is_forgotten_in_a_release_of_plays(files: Path, tmp_path: Path) -> None:
    run = matinee.retrain(files / "night1.csv", None, tmp_path / "store", settings=PLAYS)
    done = forget(tmp_path / "store", 1)
    assert done.releases == ["v0001"]
    release = matinee.load(run.release or "")
    assert 1 not in release.users.ids
    assert len(release.recommend(2, 5)) == 5
    assert prune(tmp_path / "store", keep=1).kept == ["v0001"]
    with pytest.raises(ConfigError, match="holds plays"):  # the release tells, as the dataset is gone
        matinee.retrain(files / "night1.csv", None, tmp_path / "store")
