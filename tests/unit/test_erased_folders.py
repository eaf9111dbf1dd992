"""Forget, folder by folder: which ones have the user, and what is left of lists and of the list of forgotten users."""

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from spoiled_stores import WHO

from matinee.formats import manifests
from matinee.formats.base import Manifest
from matinee.maintenance import forget
from matinee.registry import Registry
from matinee.store import Plan, Store
from matinee.store.documents import KINDS
from matinee.store.erased_users import Forgotten


def test_every_kind_of_folder_that_has_a_manifest_is_known_to_the_store() -> None:
    kinds = {
        model.KIND for model in vars(manifests).values() if isinstance(model, type) and hasattr(model, "KIND")
    }
    assert kinds - {""} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_any_kind_that_has_the_user_is_removed(kind: str, tmp_path: Path) -> None:
    def make(folder: Path, ids: list[int]) -> Manifest:
        pl.DataFrame({"user_id": ids}).write_parquet(folder / "users.parquet")
        pl.DataFrame({"user_id": ids}).write_parquet(folder / "user_id.parquet")
        return Manifest.model_validate({"rows": len(ids)})

    store = Store.open(tmp_path / "store")
    theirs, other = (
        store.ensure(Plan(kind, digit * 20, partial(make, ids=ids)))
        for digit, ids in (("a", [WHO]), ("b", [WHO + 1]))
    )
    assert forget.forget(store.root, WHO).folders == 1
    assert not store.folder(kind, theirs.digest).exists()
    assert store.path(other).exists()


def test_the_list_of_forgotten_users_has_only_hashes() -> None:
    listed = Forgotten(b"key").plus(5).plus(2**62).plus(-9)
    ids = np.array([5, 6, 2**62, -9, 9, 5], np.int64)
    assert listed.among(ids).tolist() == [True, False, True, True, False, True]
    assert listed.among(ids).tolist() == [True, False, True, True, False, True]
    assert [listed.mentioned(text) for text in ("6,05,1", "55,x", "a-9;", "", "9" * 99)] == [1, 0, 1, 0, 0]
    other = Forgotten(b"other").plus(5)
    assert not listed.hashes & other.hashes


def test_lists_in_the_store_are_rewritten_without_the_user(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    lists = Registry(store.root).lists("v0001")
    lists.parent.mkdir()
    begun = lists.parent / f".{lists.name}.0123.partial"
    begun.mkdir()
    table = pl.DataFrame({"user_id": [WHO, WHO, WHO + 1], "rank": [1, 2, 1]}).to_arrow()
    pq.write_table(table.replace_schema_metadata({"matinee.release": "v0001"}), lists)
    forget.forget(store.root, WHO)
    assert pl.read_parquet(lists)["user_id"].to_list() == [WHO + 1]
    assert pq.read_schema(lists).metadata[b"matinee.release"] == b"v0001"
    assert [path.name for path in lists.parent.iterdir()] == ["v0001.parquet"]
