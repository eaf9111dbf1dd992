"""The encode step: gives each user and each movie of the dataset a dense code.

A movie with a title and no rating gets a code too, so that a release has every title.
"""

from pathlib import Path

import polars as pl

from matinee.formats.manifests import EncodingManifest
from matinee.ingest import read_counts, read_id_texts, read_titles_table
from matinee.release.idmap import IdMap
from matinee.schemas.encoded import TEXT_COLUMNS
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of


def plan(store: Store, dataset: Reference) -> Plan:
    """The folder of id maps of a dataset: users.parquet and movies.parquet, the row number being the code."""
    digest = digest_of(code=code_digest(__name__), dataset=dataset.digest)
    return Plan("encodings", digest, lambda folder: _make(folder, store=store, dataset=dataset))


def read_maps(store: Store, encoding: Reference) -> tuple[IdMap, IdMap]:
    """The id maps of users and of movies."""
    folder = store.path(encoding)
    users = pl.read_parquet(folder / "users.parquet")["user_id"].to_numpy()
    movies = pl.read_parquet(folder / "movies.parquet")["movie_id"].to_numpy()
    return IdMap(users), IdMap(movies)


def _make(folder: Path, *, store: Store, dataset: Reference) -> EncodingManifest:
    titles = read_titles_table(store, dataset)
    users = read_counts(store, dataset, column="user_id").select("user_id")
    movies = read_counts(store, dataset, column="movie_id").select("movie_id")
    known = pl.concat([movies, titles.select("movie_id")]).unique().sort("movie_id")
    movie_table = known.join(titles, on="movie_id", how="left", maintain_order="left")
    users = _add_texts(users, "user_id", read_id_texts(store, dataset, column="user_id"))
    movie_table = _add_texts(movie_table, "movie_id", read_id_texts(store, dataset, column="movie_id"))
    users.write_parquet(folder / "users.parquet")
    movie_table.write_parquet(folder / "movies.parquet")
    return EncodingManifest(
        rows=dataset.rows, dataset=dataset.digest, users=users.height, movies=movie_table.height
    )


def _add_texts(table: pl.DataFrame, column: str, texts: pl.DataFrame) -> pl.DataFrame:
    """The table with the texts of text ids, whose numbers it has, in a last column."""
    if texts.is_empty():
        return table
    named = texts.rename({"id": column, "text": TEXT_COLUMNS[column]})
    return table.join(named, on=column, how="left", maintain_order="left")
