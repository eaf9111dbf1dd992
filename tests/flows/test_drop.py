"""`make up` and a file in the drop folder give a release and lists for all users, without a further command."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import wait_until

from matinee.registry import Registry

NOTHING_NEW = {
    "flow_runs": {"state": {"name": {"any_": ["Nothing new"]}}},
    "flows": {"name": {"any_": ["nightly"]}},
}


@pytest.mark.slow
def test_a_file_in_the_drop_folder_becomes_a_release_and_lists(up: Any, sample: Path) -> None:
    drop, registry = up.home / "drop", Registry(up.home / "store")
    wait_until(drop.is_dir, 10)
    shutil.copy(sample / "movie_titles.csv", drop)
    (drop / "broken.csv").write_text("userID,movieID,rating\n1,2,many\n")
    (drop / "half.csv.part").write_text("userID,movieID,rating\n1,2,")
    shutil.copy(sample / "ratings.csv", drop)
    wait_until(lambda: registry.root.is_dir() and registry.champion() == "v0001", 300)
    wait_until(registry.lists("v0001").exists, 300)
    lists = pl.read_parquet(registry.lists("v0001"))
    assert 390 < lists["user_id"].n_unique() <= 400  # a user who has rated all movies has no list
    report = (drop / "refused" / "broken.csv.report.txt").read_text()
    assert "broken.csv, line 2: '1,2,many'" in report
    assert "rating_not_a_number" in (drop / "refused" / "broken.csv.rejects.csv").read_text()
    assert sorted(path.name for path in drop.iterdir()) == [
        "half.csv.part",
        "movie_titles.csv",
        "ratings.csv",
        "refused",
    ]
    # The same bytes in another file start a run that finds nothing new.
    shutil.copy(sample / "ratings.csv", drop)
    wait_until(lambda: up.ask("flow_runs/filter", NOTHING_NEW), 300)
    (run,) = up.ask("flow_runs/filter", NOTHING_NEW)
    assert run["state_type"] == "COMPLETED"
    assert run["total_run_time"] < 30  # seconds, also on a busy machine
    assert registry.versions() == ["v0001"]
