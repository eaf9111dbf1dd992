"""Files with any mixture of traits: accepted rows are those of a slow reader, and no row is lost.

`make traits` tries thousands of mixtures.
"""

import os
import tempfile
from datetime import date
from pathlib import Path

from file_traits import BASE, PACK, TEXTS, Row, Traits, read_slowly, traits, values, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matinee import ingest
from matinee.formats.manifests import DatasetManifest
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

EXAMPLES = int(os.environ.get("MATINEE_TRAIT_EXAMPLES", "25"))


def _accepted(folder: Path, data: bytes, *, text_ids: bool) -> tuple[list[Row], int, int]:
    """The accepted rows of ingest, and the numbers of rows that it read and rejected."""
    path = folder / "ratings.csv"
    path.write_bytes(data)
    store = Store.open(folder / "store")
    chosen = IngestSettings(
        duplicates="off", max_reject_fraction=1, scale="1-5", ids="text" if text_ids else "integer"
    )
    dataset = store.ensure(ingest.plan(store, ratings=[path], titles=None, settings=chosen))
    manifest = store.read(DatasetManifest, dataset.digest)
    users, movies = (
        dict(ingest.read_id_texts(store, dataset, column=side).iter_rows())
        for side in ("user_id", "movie_id")
    )
    found = [row for batch in ingest.iter_ratings(store, dataset) for row in batch.iter_rows()]
    rows = [(users.get(user, user), movies.get(movie, movie), *rest) for user, movie, *rest in found]
    return rows, manifest.rows_read, manifest.rows_rejected


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck], database=None)
@given(traits=traits(), more=st.lists(values, max_size=30), texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_accepted_rows_are_those_of_a_slow_reader_and_none_is_lost(
    traits: Traits, more: list[tuple[int, int, float, date, str | None]], texts: list[str]
) -> None:
    base: list[tuple[Row, str | None]] = [(row, None) for row in BASE]
    rows = [*base[:40], *((each[:4], each[4]) for each in more), *base[40:]]
    data = write(traits, rows, texts)
    expected, count = read_slowly(traits, data)
    assert count == len(rows), "the slow reader and the writer differ"
    with tempfile.TemporaryDirectory() as folder:
        accepted, read, rejected = _accepted(
            Path(folder), PACK[traits.packed](data), text_ids=traits.text_ids
        )
    assert accepted == expected
    assert read == count == len(accepted) + rejected
