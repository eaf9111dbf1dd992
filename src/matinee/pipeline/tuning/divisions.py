"""The rows of a search: train and valid rows of a split, without its test rows.

Division 0 has the valid rows of the split. Each other division draws as many valid rows at random, so that the best
trials are judged on rows that did not choose them. A split by time keeps its valid rows, which have to be later than
the train rows.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matinee.formats.manifests import SplitManifest
from matinee.release.rating_levels import by_rating
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of

_BY_TIME: Final = ("temporal", "last_n")


def plan_division(store: Store, split: Reference, number: int) -> Plan:
    """A split without test rows.

    Args:
        store: The store that holds the split.
        split: The split.
        number: 0 for its own valid rows; each other number draws others.

    Returns:
        The plan of a folder in `splits/`.
    """
    drawn = number if store.read(SplitManifest, split.digest).strategy not in _BY_TIME else 0
    digest = digest_of(code=code_digest(__name__), split=split.digest, division=drawn)
    return Plan("splits", digest, partial(_make, store, split, drawn))


def _make(store: Store, split: Reference, number: int, folder: Path) -> SplitManifest:
    source = store.path(split)
    for name in ("users.parquet", "movies.parquet"):
        shutil.copyfile(source / name, folder / name)
    train, valid = (pq.read_table(source / f"{name}.parquet") for name in ("train", "valid"))
    if number:
        rows = pa.concat_tables([train, valid])
        draw = np.random.Generator(np.random.Philox(number))
        chosen = np.zeros(len(rows), np.bool_)
        chosen[draw.choice(len(rows), len(valid), replace=False)] = True
        train, valid = rows.filter(pa.array(~chosen)), rows.filter(pa.array(chosen))
    parts = {"train": train, "valid": valid, "test": train.slice(0, 0)}
    for name, table in parts.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", compression_level=1)
    manifest = store.read(SplitManifest, split.digest)
    return SplitManifest(
        rows=len(train) + len(valid),
        dataset=manifest.dataset,
        encoding=manifest.encoding,
        scale=manifest.scale,
        feedback=manifest.feedback,
        strategy=manifest.strategy,
        settings=manifest.settings,
        counts={name: len(table) for name, table in parts.items()},
        counts_per_rating={name: by_rating(_counts(table)) for name, table in parts.items()},
        cutoffs=None,
        days=manifest.days,
        inherited=manifest.inherited,
    )


def _counts(table: pa.Table) -> dict[float, int]:
    counted = pc.value_counts(table["rating"])
    return {row["values"]: row["counts"] for row in counted.to_pylist()}
