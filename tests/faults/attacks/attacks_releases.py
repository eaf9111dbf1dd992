"""Releases that differ from what was published, or that are impossible: a manifest alone proves nothing."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attacks.ground import Attack, Ground
from safetensors.numpy import load_file, save_file

Change = Callable[[Path], object]
PREDICT = ["predict", "--store", "{store}", "--pairs", "{ratings}", "--out", "{folder}/out.csv"]
SIMILAR = ["similar", "--store", "{store}", "--movie", "1"]
RECOMMEND = ["recommend", "--store", "{store}", "--user", "1", "--out", "{folder}/out.parquet"]
RELEASES = ["releases", "--store", "{store}"]
VERIFY = [*RELEASES, "--verify"]
PROMOTE = ["promote", "--store", "{store}", "v0001"]
ROLLBACK = ["rollback", "--store", "{store}"]
PRUNE = ["prune", "--store", "{store}"]
SIGNED = {"MATINEE_PUBLIC_KEY": "{folder}/key.pub"}


def _release(ground: Ground, version: str = "v0002") -> Path:
    return ground.store / "releases" / version


def _retell(folder: Path, **changes: Any) -> None:
    """A manifest with other values."""
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**told, **changes}))


def _listed(folder: Path, name: str, digest: str = "0" * 64) -> None:
    """One more file in the manifest's list."""
    told = json.loads((folder / "manifest.json").read_text())
    _retell(folder, files={**told["files"], name: digest})


def _correct_checksums(folder: Path) -> None:
    """A manifest with new checksums, as by an attacker who changed a file and knows the format."""
    told = json.loads((folder / "manifest.json").read_text())
    names = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in names
    }
    _retell(folder, **told | {"files": files})


def _spoil(change: Change, *, version: str = "v0002", sealed: bool = True) -> Callable[[Ground], None]:
    """Change files of a release together with its checksums."""

    def prepare(ground: Ground) -> None:
        change(_release(ground, version))
        if sealed:
            _correct_checksums(_release(ground, version))

    return prepare


def _weights(change: Callable[[dict[str, Any]], object], name: str = "weights.safetensors") -> Change:
    def spoil(folder: Path) -> None:
        path = folder / name
        tables = {name: table.copy() for name, table in load_file(path).items()}
        change(tables)
        save_file({name: np.ascontiguousarray(table) for name, table in tables.items()}, path)

    return spoil


def _table(name: str, change: Callable[[pa.Table], pa.Table]) -> Change:
    def spoil(folder: Path) -> None:
        pq.write_table(change(pq.read_table(folder / name)), folder / name)

    return spoil


def _array(name: str, change: Callable[[Any], Any]) -> Change:
    return lambda folder: np.save(folder / name, change(np.load(folder / name)))


def _told(name: str, change: Callable[[Any], object]) -> Change:
    def spoil(folder: Path) -> None:
        told = json.loads((folder / name).read_text())
        change(told)
        (folder / name).write_text(json.dumps(told))

    return spoil


def _infinite(tables: dict[str, Any]) -> None:
    tables["movie_bias"][3] = np.inf


def _nan(tables: dict[str, Any]) -> None:
    tables["user_factors"][5, 1] = np.nan


def _fewer_users(tables: dict[str, Any]) -> None:
    tables["user_factors"], tables["user_bias"] = tables["user_factors"][:-50], tables["user_bias"][:-50]


def _wrong_column(tables: dict[str, Any]) -> None:
    tables["user_factors"] = tables["user_factors"][:, :-1]


def _foreign_table(tables: dict[str, Any]) -> None:
    tables["movie_embedding"] = tables["movie_factors"]


def _lying_header(folder: Path) -> None:
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    path.write_bytes((1 << 62).to_bytes(8, "little") + data[8:])


def _huge_shape(folder: Path) -> None:
    path = folder / "seen.movies.npy"
    path.write_bytes(path.read_bytes()[:40] + b"'descr': '<i4', 'shape': (99999999999999,), }")


def _pickle(folder: Path) -> None:
    np.save(folder / "seen.offsets.npy", np.array([0, {"a": 1}], object), allow_pickle=True)


def _link_out(ground: Ground) -> None:
    path = _release(ground) / "weights.safetensors"
    path.rename(ground.folder / "elsewhere")
    path.symlink_to(ground.folder / "elsewhere")


def _linked_folder(ground: Ground) -> None:
    path = _release(ground) / "plots"
    path.rename(ground.folder / "plots")
    path.symlink_to(ground.folder / "plots")


def _endless(ground: Ground) -> None:
    (_release(ground) / "manifest.json").unlink()
    (_release(ground) / "manifest.json").symlink_to("/dev/zero")


def _fifo(ground: Ground) -> None:
    (_release(ground) / "prior.json").unlink()
    os.mkfifo(_release(ground) / "prior.json")


def _manifest(text: str, version: str = "v0001") -> Callable[[Ground], None]:
    return lambda ground: (_release(ground, version) / "manifest.json").write_text(text) and None


def _swap(ground: Ground) -> None:
    """The older release with the name of the champion."""
    shutil.rmtree(_release(ground))
    shutil.copytree(_release(ground, "v0001"), _release(ground))


def _point(version: Any) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        path = ground.store / "champion.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))

    return prepare


def _keys(ground: Ground, version: str, *, trusted: bool) -> None:
    """A release signed by the trusted key or by another key."""
    minisign = pytest.importorskip("minisign")
    pairs = minisign.KeyPair.generate(), minisign.KeyPair.generate()
    (ground.folder / "key.pub").write_bytes(bytes(pairs[0].public_key))
    path = _release(ground, version) / "manifest.json"
    signed = pairs[0 if trusted else 1].secret_key.sign(path.read_bytes())
    path.with_name("manifest.json.minisig").write_bytes(bytes(signed))


def _signed_and_changed(ground: Ground) -> None:
    _keys(ground, "v0002", trusted=True)
    _weights(lambda tables: tables["movie_bias"].fill(0))(_release(ground))
    signature = (_release(ground) / "manifest.json.minisig").read_bytes()
    (_release(ground) / "manifest.json.minisig").unlink()
    _correct_checksums(_release(ground))
    (_release(ground) / "manifest.json.minisig").write_bytes(signature)


ATTACKS = [
    Attack(
        "no file is listed",
        PREDICT,
        status=1,
        prepare=lambda ground: _retell(_release(ground), files={}),
        says=["is not in the release's manifest"],
    ),
    Attack(
        "tested weights that are not listed",
        RECOMMEND,
        status=1,
        prepare=lambda ground: (_release(ground) / "tested.safetensors").write_bytes(b"x") and None,
        says=["tested.safetensors is not in the release's manifest"],
    ),
    Attack(
        "a listed file outside of the release",
        VERIFY,
        status=1,
        prepare=lambda ground: _listed(_release(ground), "../../champion.json"),
        says=["v0002", "DAMAGED", "plain name", "v0001", "verified"],
    ),
    Attack(
        "an absolute path in the list",
        SIMILAR,
        status=1,
        prepare=lambda ground: _listed(_release(ground), "/dev/zero"),
        says=["plain name"],
    ),
    Attack(
        "weights that are a link",
        PREDICT,
        status=1,
        prepare=_link_out,
        says=["not a plain file"],
        keeps_store=False,
    ),
    Attack("a folder that is a link", VERIFY, status=1, prepare=_linked_folder, says=["not a plain file"]),
    Attack("a manifest without end", SIMILAR, status=1, prepare=_endless, says=["not a plain file"]),
    Attack("a pipe in place of a file", PREDICT, status=1, prepare=_fifo, says=["not a plain file"]),
    Attack(
        "a version that leads elsewhere in the pointer",
        PREDICT,
        status=1,
        prepare=_point("../../foreign"),
        says=["champion.json is damaged"],
    ),
    Attack(
        "a champion that is not there", SIMILAR, status=1, prepare=_point("v0009"), says=["v0009", "promote"]
    ),
    Attack("promote a path", ["promote", "--store", "{store}", "../v0001"], status=2, says=["no release"]),
    Attack(
        "the older release under the champion's name",
        PREDICT,
        status=1,
        prepare=_swap,
        says=["another release"],
    ),
    Attack(
        "a manifest nested 100,000 deep",
        RELEASES,
        status=1,
        prepare=_manifest('{"files":' * 100_000),
        says=["v0001  DAMAGED", "v0002", "champion"],
    ),
    Attack(
        "a scale of 5,000 digits",
        VERIFY,
        status=1,
        prepare=lambda ground: _manifest(
            (_release(ground) / "manifest.json")
            .read_text()
            .replace('"scale": [', '"scale": [' + "9" * 5000 + ",")
        )(ground),
        says=["v0001  DAMAGED"],
    ),
    Attack(
        "a scale that is NaN",
        PROMOTE,
        status=1,
        prepare=lambda ground: _retell(_release(ground, "v0001"), scale=[float("nan"), 5]),
        says=["v0001/manifest.json is damaged"],
    ),
    Attack(
        "a digest in the manifest that leads elsewhere",
        PRUNE,
        status=1,
        prepare=lambda ground: _retell(_release(ground), split={"digest": "../../foreign/work"}),
        says=["split.digest"],
    ),
    Attack(
        "weights that are not numbers",
        PROMOTE,
        1,
        _spoil(_weights(_nan), version="v0001"),
        ["user_factors has"],
    ),
    Attack("an infinite bias", VERIFY, 1, _spoil(_weights(_infinite)), ["movie_bias has", "DAMAGED"]),
    Attack("fewer users than ids", PREDICT, 1, _spoil(_weights(_fewer_users)), ["users.parquet", "400"]),
    Attack(
        "vectors of two sizes",
        ROLLBACK,
        1,
        _spoil(_weights(_wrong_column), version="v0001"),
        ["has the shape"],
    ),
    Attack("a table of another model", SIMILAR, 1, _spoil(_weights(_foreign_table)), ["movie_embedding"]),
    Attack("a header of 2^62 bytes", PREDICT, 1, _spoil(_lying_header), ["weights.safetensors"]),
    Attack("an array of 100 TB", RECOMMEND, 1, _spoil(_huge_shape), ["seen.movies.npy"]),
    Attack("an array with a pickle", RECOMMEND, 1, _spoil(_pickle), ["seen.offsets.npy"]),
    Attack(
        "seen movies that there are not",
        RECOMMEND,
        1,
        _spoil(_array("seen.movies.npy", lambda codes: codes + 10**6)),
        ["has a code that none"],
    ),
    Attack(
        "lists that go back",
        PREDICT,
        1,
        _spoil(_array("seen.offsets.npy", lambda offsets: np.r_[offsets[0], offsets[-2:0:-1], offsets[-1]])),
        ["does not ascend"],
    ),
    Attack(
        "ids in another order",
        PREDICT,
        1,
        _spoil(_table("users.parquet", lambda told: told[::-1])),
        ["ascend"],
    ),
    Attack(
        "ids that are text",
        SIMILAR,
        1,
        _spoil(
            _table(
                "movies.parquet", lambda told: told.set_column(0, "movie_id", told["movie_id"].cast("string"))
            )
        ),
        ["movies.parquet", "movie_key"],
    ),
    Attack(
        "a prior of another size",
        PREDICT,
        1,
        _spoil(_told("prior.json", lambda told: told["mean"].pop())),
        ["prior.json", "mean"],
    ),
    Attack(
        "a weight of popularity that is text",
        RECOMMEND,
        1,
        _spoil(_told("metrics.json", lambda told: told["ranking"].update(popularity_weight="1"))),
        ["metrics.json", "popularity_weight"],
    ),
    Attack(
        "an unsigned release where a key is trusted",
        PROMOTE,
        status=1,
        prepare=lambda ground: _keys(ground, "v0002", trusted=True),
        environment=SIGNED,
        says=["v0001 is not signed"],
    ),
    Attack(
        "a signature by another key",
        PREDICT,
        status=1,
        prepare=lambda ground: _keys(ground, "v0002", trusted=False),
        environment=SIGNED,
        says=["is not a signature of this manifest"],
    ),
    Attack(
        "changed weights with fresh checksums below a good signature",
        [*RELEASES, "--public-key", "{folder}/key.pub"],
        status=1,
        prepare=_signed_and_changed,
        says=["v0002", "DAMAGED"],
    ),
]
