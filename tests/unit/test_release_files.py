"""The checks of a release: exactly the files of its manifest, only plain files, and tables that fit together."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_release import write_checksums, write_release

import matinee
from matinee.errors import ReleaseError
from matinee.registry import Registry
from matinee.release import inspect, verify
from matinee.release.folder import open_file, open_folder
from matinee.release.manifest import read_manifest
from matinee.release.weights import parse_header


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release outside of a store."""
    write_release(tmp_path / "v0003")
    return tmp_path / "v0003"


def _retell(folder: Path, **changes: Any) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**told, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "../v0001"},
        {"version": "v0001\n"},
        {"version": 3},
        {"schema_version": "1"},
        {"schema_version": 0},
        {"model": "svd"},
        {"scale": [5, 1]},
        {"scale": [1]},
        {"scale": ["1", 5]},
        {"files": []},
        {"files": {"x": "0" * 63}},
        {"files": {"x": "A" * 64}},
        {"metrics": {"rmse": {"deep": 1}}},
        {"candidate": "../../foreign"},
        {"created": "\x1b[31m"},
        {"judged_against": "v1/../.."},
        {"data": {"rows_per_rating": {"many": 1}, "drifts": []}},
    ],
    ids=str,
)
def test_a_manifest_is_refused_by_its_schema(changes: dict[str, Any], folder: Path) -> None:
    _retell(folder, **changes)
    with pytest.raises(
        ReleaseError, match=r"manifest\.json is not a release's manifest: " + next(iter(changes))
    ):
        read_manifest(folder)


@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "a/../../x", "a//x", "./x", "", "a\\x", "a\0x", "a\nx", "x" * 300, "manifest.json"],
    ids=repr,
)
def test_a_manifest_lists_only_plain_names(name: str, folder: Path) -> None:
    _retell(folder, files={**read_manifest(folder).files, name: "0" * 64})
    with pytest.raises(ReleaseError, match="is not a release's manifest: files"):
        matinee.load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "\xff",
        '{"a":' * 50_000,
        '{"scale": [NaN, 5]}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a": "\\ud800"}',
    ],
    ids=lambda text: text[:12],
)
def test_invalid_json_is_a_release_error(text: str, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ReleaseError, match=r"manifest\.json is damaged"):
        verify(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ReleaseError, match=r"it has no manifest\.json"):
        verify(folder)


def test_further_keys_are_kept_and_a_later_version_is_named(folder: Path) -> None:
    _retell(folder, later={"anything": [1, None]})
    whole = matinee.load(folder).manifest
    assert whole["later"] == {"anything": [1, None]}
    assert dict(whole) == json.loads((folder / "manifest.json").read_text())
    with pytest.raises(ReleaseError, match="has no 'created'"):
        whole["created"]
    _retell(folder, model="later", schema_version=4)
    with pytest.raises(ReleaseError, match="later Matinee"):
        read_manifest(folder)
    with pytest.raises(ReleaseError, match="lacks split"):
        _ = whole.published_split


def test_a_release_has_exactly_the_files_of_its_manifest(folder: Path) -> None:
    (folder / "tested.safetensors").write_bytes(b"")
    with pytest.raises(ReleaseError, match=r"tested\.safetensors is not in the release's manifest"):
        matinee.load(folder, tested=True)
    (folder / "tested.safetensors").unlink()
    (folder / "notes").mkdir()
    with pytest.raises(ReleaseError, match=r"notes is not in the release's manifest"):
        verify(folder)
    (folder / "notes").rmdir()
    files = read_manifest(folder).files
    _retell(folder, files={name: digest for name, digest in files.items() if name != "prior.json"})
    with pytest.raises(ReleaseError, match=r"prior\.json is not in the release's manifest"):
        matinee.load(folder)


def test_a_release_without_a_prior_loads(folder: Path) -> None:
    (folder / "prior.json").unlink()
    write_checksums(folder, model="dot")
    assert matinee.load(folder).user_prior is None
    (folder / "metrics.json").unlink()
    write_checksums(folder, model="dot")
    with pytest.raises(ReleaseError, match=r"does not list metrics\.json"):
        matinee.load(folder)


@pytest.mark.parametrize("kind", ["link", "pipe", "device", "folder"])
def test_only_plain_files_are_opened(kind: str, folder: Path) -> None:
    path = folder / "users.parquet"
    path.rename(folder.parent / "elsewhere")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(folder.parent / "elsewhere" if kind == "link" else "/dev/zero")
    with pytest.raises(ReleaseError, match=r"users\.parquet is n"):
        matinee.load(folder)
    with (
        open_folder(folder) as opened,
        pytest.raises(ReleaseError, match=r"users\.parquet"),
        open_file(opened, "users.parquet"),
    ):
        pass


def test_the_checked_bytes_are_the_bytes_that_are_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, evil = matinee.load(folder), folder.parent / "evil"
    write_release(evil, weights={"movie_bias": np.full(4, 5.0)})
    compare = matinee.release.files.ReleaseFiles._compare

    def swap(files: Any, name: str, found: str) -> None:
        compare(files, name, found)
        shutil.copyfile(evil / name, folder / f".{name}")
        (folder / f".{name}").replace(folder / name)

    monkeypatch.setattr(matinee.release.files.ReleaseFiles, "_compare", swap)
    loaded = matinee.load(folder)
    pairs = np.repeat(honest.users.ids, 4), np.tile(honest.movies.ids, 3)
    np.testing.assert_array_equal(loaded.predict(*pairs), honest.predict(*pairs))
    np.testing.assert_array_equal(loaded.catalog.seen_movies, honest.catalog.seen_movies)


def test_the_version_must_equal_the_folder_name_only_in_a_store(folder: Path) -> None:
    assert matinee.load(folder.rename(folder.with_name("tonight"))).version == "v0003"
    shutil.copytree(folder.with_name("tonight"), folder.parent / "releases" / "v0004")
    with pytest.raises(ReleaseError, match="belongs to another release, v0003"):
        matinee.load(folder.parent / "releases" / "v0004")


@pytest.mark.parametrize(
    ("model", "weights", "says"),
    [
        ("dot", {"mean": [3.5, 3.5]}, "mean has the shape"),
        ("dot", {"user_bias": np.zeros(2)}, "user_bias has the shape"),
        ("dot", {"user_factors": np.zeros(6)}, "weights.safetensors"),
        ("dot", {"movie_bias": [0, 0, 0, np.nan]}, "movie_bias has"),
        ("dot", {"movie_factors": np.full((4, 2), 1e30)}, "movie_factors has"),
        ("dot", {"extra": [1.0]}, "extra"),
        ("linear", {"output.weight": np.zeros((1, 5))}, "output.weight has the shape"),
        ("linear", {"movie_rows": [1, 2, -3, 0]}, "movie_rows has"),
        ("linear", {"movie_bias": np.zeros(4)}, "movie_bias"),
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_refused(model: str, weights: Any, says: str, tmp_path: Path) -> None:
    write_release(tmp_path / "v0001", model=model, weights=weights)
    verify(tmp_path / "v0001")  # the checksums do not detect it
    with pytest.raises(ReleaseError, match=says):
        matinee.load(tmp_path / "v0001")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff" * 8,
        (2).to_bytes(8, "little") + b"[]",
        *(
            len(text).to_bytes(8, "little") + text + bytes(8)
            for text in (
                b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
                b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
                b'{"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}',
                b'{"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,8]}}',
                b'{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}',
                b'{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}',
                b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
                b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
            )
        ),
    ],
    ids=lambda header: str(header[8:70]),
)
def test_a_false_header_is_refused_before_tables_are_read(header: bytes, folder: Path) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        parse_header(header, len(header))
    (folder / "weights.safetensors").write_bytes(header)
    with pytest.raises(ReleaseError, match="was changed after it was published"):
        matinee.load(folder)
    write_checksums(folder, model="dot")
    with pytest.raises(
        ReleaseError, match=r"weights\.safetensors has not changed since it was published, but"
    ):
        matinee.load(folder)


def test_a_release_that_does_not_load_never_becomes_the_champion(tmp_path: Path) -> None:
    registry = Registry.open(tmp_path)
    for version in ("v0001", "v0002"):
        write_release(registry.folder(version))
        registry.point_to(version, action="publish", reason="test")
    shutil.copyfile(
        registry.folder("v0001") / "users.parquet", registry.folder("v0001") / "tested.safetensors"
    )
    write_checksums(registry.folder("v0001"), model="dot")
    assert matinee.load(registry.folder("v0001")).version == "v0001"
    moves: list[Callable[[], object]] = [lambda: registry.promote("v0001"), registry.rollback]
    for move in moves:
        with pytest.raises(ReleaseError, match=r"tested\.safetensors"):
            move()
    assert registry.champion() == "v0002"
    assert inspect(registry.folder("v0002")).version == "v0002"
