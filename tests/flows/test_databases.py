"""A run on the rows of a PostgreSQL database: its password is not in Prefect's database, log or artifacts."""

import contextlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi
from postgres_server import postgres_server
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

from matinee.cli.main import main
from matinee.errors import ConfigError
from matinee.flows.nightly import nightly
from matinee.ingest.databases import snapshots

pytestmark = pytest.mark.usefixtures("prefect_server")

PASSWORD = "planted-password"
SMALL = ["--set", "train.epochs=1", "--set", "train.device=cpu"]


@contextlib.contextmanager
def _shop() -> Iterator[str]:
    """The address of a database with 3,000 ratings and one row without a user."""
    with postgres_server(PASSWORD, "shop") as port:
        place = f"postgresql://matinee:{PASSWORD}@127.0.0.1:{port}/shop"
        with (
            contextlib.closing(dbapi.connect(place, autocommit=True)) as connection,
            connection.cursor() as run,
        ):
            run.execute(
                "create table r as select u as user_id, 1 + (u * m * 7) % 40 as movie_id, 1 + (u + m) % 5 as rating "
                "from generate_series(1, 200) u, generate_series(1, 15) m union all select null, 1, 1"
            )
        yield f"{place}?query=select * from r"


def _kept(folder: Path) -> dict[str, bytes]:
    """What Prefect and a run have written."""
    database = Path(PREFECT_API_DATABASE_CONNECTION_URL.value().partition("///")[2]).parent
    roots = (database, PREFECT_HOME.value(), folder)
    kept = {str(path): path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}
    assert any(b"/shop?query=select * from r" in content for content in kept.values())
    return kept


def _words(folder: Path, address: str) -> list[str]:
    (folder / "titles.csv").write_text("".join(f"{k},1999,Film {k}\n" for k in range(1, 41)))
    return ["retrain", "--ratings", address, "--titles", f"{folder}/titles.csv", "--store", f"{folder}/store"]


def test_a_run_takes_its_rows_from_a_database_and_prefect_learns_no_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with _shop() as address:  # one reject is too many, so nothing is trained
        assert main([*_words(tmp_path, address), "--verbose", "--set", "ingest.max_reject_fraction=0"]) == 3
    said = "".join(capfd.readouterr())
    assert "user_id_missing" in said
    assert PASSWORD not in said
    assert not [path for path, content in _kept(tmp_path).items() if PASSWORD.encode() in content]


def test_a_night_reads_queries_beside_dropped_files_with_the_password_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Secret(value=PASSWORD).save("shop-login", overwrite=True)
    store, drop, asked = tmp_path / "store", tmp_path / "drop", []

    def retrain(*, ratings: list[str], **_: Any) -> SimpleNamespace:
        with snapshots(store, ratings) as paths:  # the rows that the night has taken already
            asked.append((ratings, [pq.ParquetFile(path).metadata.num_rows for path in paths[1:]]))
        return SimpleNamespace(promoted=False, reason="")

    monkeypatch.setattr("matinee.flows.nightly.retrain", retrain)
    monkeypatch.setattr("matinee.flows.nightly.as_state", lambda summary: summary)
    drop.mkdir()
    (drop / "movie_titles.csv").write_text("".join(f"{k},1999,Film {k}\n" for k in range(1, 41)))
    (drop / "more.csv").write_text("userID,movieID,rating\n" + "".join(f"900,{k},3\n" for k in range(1, 41)))
    with _shop() as address:
        query = address.replace(f":{PASSWORD}", "")
        night = partial(nightly.fn, drop=str(drop), store=str(store), queries=[query])
        with pytest.raises(ConfigError, match="Prefect has no Secret block 'other' with a text"):
            night(password_block="other")
        for _ in range(2):  # the second one has nothing new
            night(password_block="shop-login")
    assert asked == [([str(drop / "more.csv"), query], [3001])]
    assert PASSWORD not in "".join(capfd.readouterr())
    assert not [path for path, content in _kept(tmp_path).items() if PASSWORD.encode() in content]


@pytest.mark.slow
def test_a_release_of_the_rows_of_a_database_has_no_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with _shop() as address:
        for cached in (False, True):
            assert main([*_words(tmp_path, address), "--json", *SMALL]) == 0
            said = capfd.readouterr()
            summary = json.loads(said.out.splitlines()[-1])
            assert summary["rows"]["read"] == 3001
            assert ("ingest" in summary["cached"]) == cached
            assert PASSWORD not in "".join(said)
    assert not [path for path, content in _kept(tmp_path).items() if PASSWORD.encode() in content]
