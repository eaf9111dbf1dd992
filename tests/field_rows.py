"""Rows of generated rating files, in any form, and what ingest makes of such a file."""

from datetime import date
from pathlib import Path
from typing import Any

from matinee import ingest
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

EPOCH = date(1970, 1, 1)
HEADER = "userId,movieId,rating,date\n"
# Users are above all movies, so that swapped columns show.
PLAIN = [(1000 + k % 40, 1 + k % 17, 1 + k % 5, date(2003, 1 + k % 12, 1 + k % 28)) for k in range(120)]
TITLES = "".join(f"{movie},1999,Film {movie}\n" for movie in (*range(1, 20), *range(103, 220)))
Row = tuple[int, int, float, date | None]


def lines(form: str, rows: list[Any] = PLAIN) -> str:
    """The rows, each as `form` has its fields u, m, r, d and the seconds s."""
    return "".join(
        form.format(u=u, m=m, r=r, d=d, s=86400 * (d - EPOCH).days + 60) + "\n" for u, m, r, d in rows
    )


def make(folder: Path, content: str | bytes, **setting: Any) -> tuple[list[Row], dict[str, Any]]:
    """The accepted rows of a file, and the manifest of its dataset."""
    path, titles = folder / "ratings.txt", folder / "titles.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    titles.write_text(TITLES)
    store = Store.open(folder / "store")
    settings = IngestSettings.model_validate({"duplicates": "off", "max_reject_fraction": 0.02, **setting})
    dataset = store.ensure(ingest.plan(store, ratings=[path], titles=titles, settings=settings))
    manifest = store.manifest("datasets", dataset.digest)
    assert manifest["rows_read"] == manifest["rows"] + manifest["rows_rejected"]
    rows: list[Row] = []
    for batch in ingest.iter_ratings(store, dataset):
        rows += batch.iter_rows()
    return rows, manifest


UNDATED = [(u, m, r, None) for u, m, r, _ in PLAIN]
COMMAS = lines("{u},{m},{r},{d}")
HALF = len(PLAIN) // 2
