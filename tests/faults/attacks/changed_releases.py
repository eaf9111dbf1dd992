"""Releases that attacks change: weights, tables, arrays, manifests, links, pointers and signatures."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attacks.ground import Ground
from safetensors.numpy import load_file, save_file

Change = Callable[[Path], object]


def release(ground: Ground, version: str = "v0002") -> Path:
    return ground.store / "releases" / version


def rewrite_manifest(folder: Path, **changes: Any) -> None:
    """A manifest with other values."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def claim(**values: Any) -> Callable[[Ground], None]:
    """Change values in the champion's manifest."""
    return lambda ground: rewrite_manifest(release(ground), **values)


def list_file(folder: Path, name: str, digest: str = "0" * 64) -> None:
    """One more file in the manifest's list."""
    manifest = json.loads((folder / "manifest.json").read_text())
    rewrite_manifest(folder, files={**manifest["files"], name: digest})


def correct_checksums(folder: Path) -> None:
    """A manifest with new checksums, as by an attacker who changed a file and knows the format."""
    manifest = json.loads((folder / "manifest.json").read_text())
    names = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in names
    }
    rewrite_manifest(folder, **manifest | {"files": files})


def changed(how: Change, *, version: str = "v0002", sealed: bool = True) -> Callable[[Ground], None]:
    """Change files of a release together with its checksums."""

    def prepare(ground: Ground) -> None:
        how(release(ground, version))
        if sealed:
            correct_checksums(release(ground, version))

    return prepare


def weights(change: Callable[[dict[str, Any]], object], name: str = "weights.safetensors") -> Change:
    def spoil(folder: Path) -> None:
        path = folder / name
        tables = {name: table.copy() for name, table in load_file(path).items()}
        change(tables)
        save_file({name: np.ascontiguousarray(table) for name, table in tables.items()}, path)

    return spoil


def table(name: str, change: Callable[[pa.Table], pa.Table]) -> Change:
    def spoil(folder: Path) -> None:
        pq.write_table(change(pq.read_table(folder / name)), folder / name)

    return spoil


def array(name: str, change: Callable[[Any], Any]) -> Change:
    return lambda folder: np.save(folder / name, change(np.load(folder / name)))


def changed_json(name: str, change: Callable[[Any], object]) -> Change:
    def spoil(folder: Path) -> None:
        manifest = json.loads((folder / name).read_text())
        change(manifest)
        (folder / name).write_text(json.dumps(manifest))

    return spoil


def changed_bytes(name: str, change: Callable[[bytes], bytes]) -> Change:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def cutoffs(**values: Any) -> Change:
    """Other cutoffs of the split in the manifest."""
    return changed_json("manifest.json", lambda old: old["split"]["cutoffs"].update(values))


def empty_but_says_so(data: bytes) -> bytes:
    """A Parquet file without rows whose footer has another number of rows: a Thrift integer, seven bits per byte."""
    out = io.BytesIO()
    pq.write_table(pq.read_table(pa.BufferReader(data)).slice(0, 0), out)
    emptied = out.getvalue()
    size = int.from_bytes(emptied[-8:-4], "little")
    body, footer = emptied[: -8 - size], emptied[-8 - size : -8]
    told = 2 * pq.read_metadata(pa.BufferReader(data)).num_rows
    footer = footer.replace(b"\x16\x00\x19", bytes([0x16, told & 0x7F | 0x80, told >> 7, 0x19]), 1)
    claimed = body + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    assert pq.read_metadata(pa.BufferReader(claimed)).num_rows == told // 2
    return claimed


def fewer_users(tables: dict[str, Any]) -> None:
    tables["user_factors"], tables["user_bias"] = tables["user_factors"][:-50], tables["user_bias"][:-50]


def wrong_column(tables: dict[str, Any]) -> None:
    tables["user_factors"] = tables["user_factors"][:, :-1]


def lying_header(folder: Path) -> None:
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    path.write_bytes((1 << 62).to_bytes(8, "little") + data[8:])


def huge_shape(folder: Path) -> None:
    path = folder / "seen.movies.npy"
    path.write_bytes(path.read_bytes()[:40] + b"'descr': '<i4', 'shape': (99999999999999,), }")


def pickle(folder: Path) -> None:
    np.save(folder / "seen.offsets.npy", np.array([0, {"a": 1}], object), allow_pickle=True)


def linked_folder(ground: Ground) -> None:
    path = release(ground) / "plots"
    path.rename(ground.folder / "plots")
    path.symlink_to(ground.folder / "plots")


def endless(ground: Ground) -> None:
    (release(ground) / "manifest.json").unlink()
    (release(ground) / "manifest.json").symlink_to("/dev/zero")


def swap(ground: Ground) -> None:
    """The older release with the name of the champion."""
    shutil.rmtree(release(ground))
    shutil.copytree(release(ground, "v0001"), release(ground))


def point(version: Any) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        path = ground.store / "champion.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))

    return prepare


def keys(ground: Ground, version: str, *, trusted: bool) -> None:
    """A release signed by the trusted key or by another key."""
    minisign = pytest.importorskip("minisign")
    pairs = minisign.KeyPair.generate(), minisign.KeyPair.generate()
    (ground.folder / "key.pub").write_bytes(bytes(pairs[0].public_key))
    path = release(ground, version) / "manifest.json"
    signed = pairs[0 if trusted else 1].secret_key.sign(path.read_bytes())
    path.with_name("manifest.json.minisig").write_bytes(bytes(signed))


def signed_and_changed(ground: Ground) -> None:
    keys(ground, "v0002", trusted=True)
    weights(lambda tables: tables["movie_bias"].fill(0))(release(ground))
    signature = (release(ground) / "manifest.json.minisig").read_bytes()
    (release(ground) / "manifest.json.minisig").unlink()
    correct_checksums(release(ground))
    (release(ground) / "manifest.json.minisig").write_bytes(signature)
