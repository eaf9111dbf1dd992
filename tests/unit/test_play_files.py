"""Files of plays: which rows are taken, what is refused, and which settings have no effect."""

from pathlib import Path

import pytest

from matinee.errors import ConfigError, DataError
from matinee.formats.manifests import DatasetManifest
from matinee.ingest.reading.recognition import recognize
from matinee.settings import Settings
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

PLAYS = Settings.model_validate({"ingest": {"feedback": "implicit"}, "evaluate": {"temporal": False}})
IMPLICIT = IngestSettings(feedback="implicit")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("user,item,timestamp\n1,2,1700000000\n", {"user_id": 0, "movie_id": 1, "date": 2}),
        ("movieId,userId\n2,1\n", {"user_id": 1, "movie_id": 0}),
        ("1,2\n3,4\n", {"user_id": 0, "movie_id": 1}),
        ("1\t2\t2024-05-01\n3\t4\t2024-05-02\n", {"user_id": 0, "movie_id": 1, "date": 2}),
        ("1\t2\t5\t881250949\n3\t4\t1\t881250950\n", {"user_id": 0, "movie_id": 1, "date": 3}),
        ("1,2,7\n3,4,1\n", {"user_id": 0, "movie_id": 1}),
        ("8:\n7\n9\n", {"user_id": 0}),
        ("8:\n7,2005-01-02\n", {"user_id": 0, "date": 1}),
        ("8:\n7,4,2005-01-02\n", {"user_id": 0, "date": 2}),
        ("u1,tt01\nu2,tt02\n", {"user_id": 0, "movie_id": 1}),
        ("u1\ttt01\t1700000000\nu2\ttt02\t1700000009\n", {"user_id": 0, "movie_id": 1, "date": 2}),
    ],
    ids=repr,
)
def test_a_row_of_plays_is_a_user_a_movie_and_perhaps_a_date(text: str, read: dict[str, int]) -> None:
    dialect = recognize(text.encode(), IMPLICIT, label="plays.csv")
    assert (dict(dialect.columns), dialect.plays) == (read, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("userId,movieId,tag,timestamp\n1,2,dark,1700000000\n", "its rows are tags and not plays"),
        ("1,2003,Dinosaur Planet\n2,2004,Isle of Man\n", "looks like a titles file"),
        ("who,what\n1,2\n", "no column for user_id, movie_id"),
    ],
)
def test_what_is_no_file_of_plays_is_named(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        recognize(text.encode(), IMPLICIT, label="plays.csv")


def test_a_file_without_ratings_names_the_setting_for_plays() -> None:
    with pytest.raises(DataError, match=r"no column for rating.*ingest\.feedback=implicit"):
        recognize(b"userID,movieID,date\n1,2,2024-05-01\n", IngestSettings(), label="plays.csv")


def test_ratings_and_counts_beside_plays_are_warned_of_and_a_repeated_play_is_one(tmp_path: Path) -> None:
    from matinee import ingest

    source = tmp_path / "log.csv"
    source.write_text(
        "user,movie,rating,plays,date\n1,2,bad,3,2024-05-01\n1,2,5,1,2024-05-02\n3,2,1,1,2024-05-02\n"
    )
    store = Store.open(tmp_path / "store")
    made = store.ensure(ingest.plan(store, ratings=[source], titles=None, settings=IMPLICIT))
    manifest = store.read(DatasetManifest, made.digest)
    assert (manifest.rows, manifest.rejects, manifest.scale) == (2, {"superseded": 1}, [1, 1])
    assert [warning.partition(" (")[0] for warning in manifest.warnings] == [
        "Columns that are not read: rating, plays",
        "Ratings are not used",
        "Numbers of plays are not used",
    ]


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("model", "embedding_size", 8),
        ("train", "epochs", 3),
        ("ingest", "scale", "1-5"),
        ("ingest", "duplicates", "off"),
        ("gate", "tolerance", 0.1),
        ("gate", "slice_min_rows", 7),
        ("gate", "drift_psi", 0.3),
    ],
)
def test_a_setting_of_ratings_is_refused_for_plays(section: str, name: str, value: object) -> None:
    given = PLAYS.model_dump()
    given[section][name] = value
    with pytest.raises(ConfigError, match=rf"{section}\.{name} has no effect with ingest\.feedback=implicit"):
        Settings.model_validate(given).check()
    given = PLAYS.model_dump()
    given["train"] |= {"threads": 1, "refit": "all"}
    Settings.model_validate(given).check()
