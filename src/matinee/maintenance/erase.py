"""Copy a release or a split without one user. The codes of later users decrease by one."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import safe_open

from matinee.formats.manifests import SplitManifest
from matinee.release import sha256, verify
from matinee.release.folder import EXAMPLES, REPORT
from matinee.release.item_catalog import LEVELS, MOVIES, OFFSETS
from matinee.release.manifest import SIGNATURE
from matinee.release.rating_levels import by_rating
from matinee.release.signature import is_signed_by_us, sign
from matinee.release.weights import write_weights
from matinee.store.checksums import compute_checksums
from matinee.store.documents import MANIFEST, read_as, with_checksum
from matinee.store.files import copy_tree, write_json

log = logging.getLogger(__name__)

_USERS = "users.parquet"
_BATCH_ROWS = 1 << 20


def erase_from_release(source: Path, target: Path, code: int) -> None:
    """Copy a release to an empty folder without one user.

    Movie weights keep what they learned from the user until the next training. A signature of our own key is renewed if
    the key is available. Any other signature would be wrong and is left out, with a warning.

    Args:
        source: The release.
        target: An empty folder.
        code: The code of the user.

    Raises:
        ReleaseError: The release has changed since it was published, which new checksums would hide.
    """
    manifest = verify(source, public_key=False)
    signed, ours = (source / SIGNATURE).exists(), is_signed_by_us(source)
    copy_tree(source, target)
    users = _erase_row(source / _USERS, target / _USERS, code)
    weights = [path.name for path in source.glob("*.safetensors")]
    for name in weights:
        _erase_weights(source / name, target / name, code, users=users)
    seen = _erase_seen(source, target, code)
    fresh = {name: sha256(target / name) for name in (_USERS, *seen, *weights)}
    lists = {EXAMPLES, REPORT}  # anyone's list may be among them
    files = {name: digest for name, digest in {**manifest.files, **fresh}.items() if name not in lists}
    for name in lists:
        (target / name).unlink(missing_ok=True)
    forgotten = manifest.forgotten + 1
    write_json(target / MANIFEST, manifest.model_copy(update={"files": files, "forgotten": forgotten}))
    (target / SIGNATURE).unlink(missing_ok=True)
    if ours:
        sign(target)
    elif signed:
        log.warning("%s is no longer signed. Sign it again with `matinee sign`.", manifest.version)


def erase_from_split(source: Path, target: Path, code: int) -> None:
    """Copy a split to an empty folder without the user of a code."""
    copy_tree(source, target)
    _erase_row(source / _USERS, target / _USERS, code)
    manifest = read_as(source / MANIFEST, SplitManifest)
    gone = {
        subset: _erase_rows(source / f"{subset}.parquet", target / f"{subset}.parquet", code)
        for subset in manifest.counts_per_rating
    }
    (target / MANIFEST).unlink()
    erased = manifest.model_copy(
        update={
            "rows": manifest.rows - sum(rows.total() for rows in gone.values()),
            "counts": {subset: count - gone[subset].total() for subset, count in manifest.counts.items()},
            "counts_per_rating": {
                subset: _less(counts, gone[subset]) for subset, counts in manifest.counts_per_rating.items()
            },
            "seal": compute_checksums(target),
        }
    )
    write_json(target / MANIFEST, with_checksum(erased.model_dump(mode="json")))


def _erase_row(source: Path, target: Path, code: int) -> int:
    """Copy a table without the row of a code; returns the number of rows that it had."""
    table = pq.read_table(source)
    pq.write_table(pa.concat_tables([table.slice(0, code), table.slice(code + 1)]), target)
    return int(table.num_rows)


def _erase_weights(source: Path, target: Path, code: int, *, users: int) -> None:
    with safe_open(source, framework="numpy") as file:
        metadata, tables = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, table in tables.items():
        if name.rpartition(".")[2].startswith("user_"):
            if len(table) != users:
                raise ValueError(f"{source}: {name} has {len(table)} rows for {users} users.")
            tables[name] = np.delete(table, code, axis=0)
    write_weights(target, tables, metadata=metadata)


def _erase_seen(source: Path, target: Path, code: int) -> list[str]:
    """Copy the memory-mapped seen lists without that of a code; returns the names of the files."""
    offsets = np.load(source / OFFSETS, mmap_mode="r")
    first, last = int(offsets[code]), int(offsets[code + 1])
    np.save(target / OFFSETS, np.concatenate([offsets[: code + 1], offsets[code + 2 :] - (last - first)]))
    columns = [name for name in (MOVIES, LEVELS) if (source / name).exists()]
    for name in columns:
        values = np.load(source / name, mmap_mode="r")
        head = np.lib.format.header_data_from_array_1_0(values) | {"shape": (len(values) - (last - first),)}
        with (target / name).open("wb") as out:  # not memory-mapped, as a full disk would kill the process
            np.lib.format.write_array_header_1_0(out, head)
            for kept in (values[:first], values[last:]):
                for start in range(0, len(kept), _BATCH_ROWS):
                    out.write(kept[start : start + _BATCH_ROWS].tobytes())
    return [OFFSETS, *columns]


def _erase_rows(source: Path, target: Path, code: int) -> Counter[str]:
    """Copy the rows of a split without those of a code; returns the number of removed rows per rating."""
    gone: Counter[float] = Counter()
    with pq.ParquetFile(source) as file:
        place = file.schema_arrow.get_field_index("user_code")
        with pq.ParquetWriter(target, file.schema_arrow, compression="zstd", compression_level=1) as writer:
            for batch in file.iter_batches(_BATCH_ROWS):
                table = pa.Table.from_batches([batch])
                users = table["user_code"].to_numpy()
                gone.update(table["rating"].to_numpy()[users == code].tolist())
                moved = pa.array(users - (users > code).astype(users.dtype))
                table = table.set_column(place, file.schema_arrow.field("user_code"), moved)
                writer.write_table(table.filter(pa.array(users != code)))
    return Counter(by_rating(gone))


def _less(counts: dict[str, int], gone: Counter[str]) -> dict[str, int]:
    return {rating: count - gone[rating] for rating, count in counts.items() if count > gone[rating]}
