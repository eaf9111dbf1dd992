"""A store of text ids, from rating files to answers: two nights, lists, the gate and an erased user."""

import csv
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import matinee
from matinee.errors import ConfigError
from matinee.maintenance.forget import forget
from matinee.pipeline import Retrained
from matinee.recommend import recommend_all, recommend_some
from matinee.release.predict_file import predict_file
from matinee.sample import write_sample
from matinee.settings import RecommendSettings, Settings
from matinee.store import Store

QUICK = Settings.model_validate({"evaluate": {"temporal": False}})


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Retrained]]:
    """Two nights in one store of text ids: the second one has more ratings."""
    folder = tmp_path_factory.mktemp("texts")
    write_sample(folder, ratings=6000, users=120, movies=60, seed=2, ids="text")
    header, *rows = (folder / "ratings.csv").read_text().splitlines(keepends=True)
    for night, part in ((1, rows[:5000]), (2, rows[5000:])):
        (folder / f"night{night}.csv").write_text("".join([header, *part]))
    made = [
        matinee.retrain(
            [folder / f"night{number}.csv" for number in range(1, last + 1)],
            folder / "movie_titles.csv",
            folder / "store",
            settings=QUICK,
        )
        for last in (1, 2)
    ]
    return folder, made


def _rows(folder: Path) -> list[list[str]]:
    return list(csv.reader((folder / "ratings.csv").read_text().splitlines()[1:]))


def test_a_release_of_text_ids_answers_in_texts(nights: tuple[Path, list[Retrained]], tmp_path: Path) -> None:
    folder, made = nights
    release = matinee.load(made[0].release or "")
    rows = _rows(folder)[:5000]
    assert release.manifest.ids == {"user_id": "text", "movie_id": "text"}
    assert release.manifest.schema_version == 3
    assert set(release.users.ids) == {row[0] for row in rows}
    user, movie = rows[0][:2]
    seen = {row[1] for row in rows if row[0] == user}
    listed = release.recommend(user, 60, explain=True)
    assert not seen & {each.movie_id for each in listed} and all(
        isinstance(each.movie_id, str) for each in listed
    )
    assert {each.because.movie_id for each in listed if each.because} <= seen
    best = listed[0].movie_id
    assert [each.movie_id for each in release.recommend(user, only=[best, movie])] == [best]
    assert best not in [each.movie_id for each in release.recommend(user, exclude=[best])]
    assert release.explain(user, best).movie_id == best
    assert {each.movie_id for each in release.similar(movie)} <= set(release.movies.ids) - {movie}
    guest = release.fold_in({movie: 5, "unknown": 1})
    assert movie not in [each.movie_id for each in guest.recommend(60)]
    assert guest.predict([movie, "unknown"]).shape == (2,)
    with pytest.raises(ConfigError, match="expected a text"):
        release.predict(7, movie)

    (tmp_path / "pairs.csv").write_text(f'movie,user\n {movie},{user}\n"{best}",nobody\n')
    assert predict_file(release, tmp_path / "pairs.csv", out=tmp_path / "out.csv").rows == 2
    predicted = [line[-1] for line in csv.reader((tmp_path / "out.csv").read_text().splitlines()[1:])]
    wanted = release.predict([user, "nobody"], [movie, best])
    assert predicted == [f"{rating:.4f}" for rating in wanted]


def test_lists_of_text_ids_for_all_are_those_for_one(
    nights: tuple[Path, list[Retrained]], tmp_path: Path
) -> None:
    release = matinee.load(nights[1][0].release or "")
    recommend_all(release, out=tmp_path / "all", top=3, settings=RecommendSettings(device="cpu"))
    every = pl.read_parquet(tmp_path / "all")
    some = every["user_id"].unique(maintain_order=True)[:5].to_list()
    recommend_some(release, some, out=tmp_path / "some", top=3)
    assert_frame_equal(pl.read_parquet(tmp_path / "some"), every.head(15), rel_tol=1e-4)


def test_a_second_night_keeps_subsets_and_measures_the_champion(nights: tuple[Path, list[Retrained]]) -> None:
    folder, made = nights
    point = made[1].champion_score.point
    assert point is not None and point.rows == 1000
    assert made[1].publication.promoted is not None
    store = Store.open(folder / "store")
    first, second = (
        {
            tuple(pair): subset
            for subset in ("train", "valid", "test")
            for pair in _pairs_of(store.path(each.split), subset)
        }
        for each in made
    )
    assert len(first) == 5000 and first.items() <= second.items()


def _pairs_of(split: Path, subset: str) -> list[tuple[str, str]]:
    rows = pl.read_parquet(split / f"{subset}.parquet")
    users = pl.read_parquet(split / "users.parquet")["user_text"]
    movies = pl.read_parquet(split / "movies.parquet")["movie_text"]
    return list(zip(users.gather(rows["user_code"]), movies.gather(rows["movie_code"]), strict=True))


def test_a_forgotten_text_id_leaves_the_store(nights: tuple[Path, list[Retrained]]) -> None:
    folder, made = nights
    user = next(row[0] for row in _rows(folder) if row[0].startswith("A"))
    done = forget(folder / "store", user)
    assert done.found and len(done.releases) >= 1
    here = [path for path in (folder / "store").rglob("*") if path.is_file()]
    assert not [path for path in here if user.encode() in path.read_bytes()]
    release = matinee.load(made[0].release or "")
    assert release.users.find(user, "user") < 0 and len(release.users) == 119
