"""The flows refuse paths that contain each other, and empty ones, before they touch anything."""

from collections.abc import Callable
from pathlib import Path

import pytest

from matinee.errors import ConfigError
from matinee.flows.nightly import nightly
from matinee.flows.recommend import recommend
from matinee.flows.retrain import retrain

CALLS: dict[str, Callable[[str], object]] = {
    "a store within the drop folder": lambda root: nightly.fn(
        drop=f"{root}/drop", store=f"{root}/drop/store"
    ),
    "a drop folder within the store": lambda root: nightly.fn(
        drop=f"{root}/store/drop", store=f"{root}/store"
    ),
    "titles within the store": lambda root: nightly.fn(
        drop=f"{root}/drop", store=f"{root}/store", titles=f"{root}/store/titles.csv"
    ),
    "a store within the ratings": lambda root: retrain.fn(
        ratings=[f"{root}/drop"], titles=f"{root}/t.csv", store=f"{root}/drop/store"
    ),
    "test rows within the store": lambda root: retrain.fn(
        ratings=[f"{root}/drop"],
        titles=f"{root}/t.csv",
        store=f"{root}/store",
        test=[f"{root}/store/test.csv"],
    ),
    "no drop folder": lambda root: nightly.fn(drop="", store=f"{root}/store"),
    "no titles": lambda root: nightly.fn(drop=f"{root}/drop", store=f"{root}/store", titles=""),
    "no store": lambda root: nightly.fn(drop=f"{root}/drop", store=" "),
    "no store for ratings": lambda root: retrain.fn(
        ratings=[f"{root}/drop"], titles=f"{root}/t.csv", store=""
    ),
    "no ratings": lambda root: retrain.fn(ratings=[""], titles=f"{root}/t.csv", store=f"{root}/store"),
    "no store for lists": lambda root: recommend.fn(store=""),
    "no file for lists": lambda root: recommend.fn(store=f"{root}/store", out=""),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_flow_refuses_bad_paths_before_it_changes_anything(name: str, tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "r.csv").write_text("1,2,3\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=r"one is inside the other|is empty"):
        CALLS[name](str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before
