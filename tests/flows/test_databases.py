"""A run on the rows of a PostgreSQL database: its password is not in Prefect's database, log or artifacts."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbc_driver_postgresql import dbapi
from postgres_server import postgres_server
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

from matinee.cli.main import main

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
