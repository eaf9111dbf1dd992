"""Fixtures for all tests. What takes long to import is imported by the fixtures, as xdist's controller runs no test."""

import base64
import gc
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matinee.ops.environment import PREFECT_DEFAULTS
from matinee.store import Reference, Store
from matinee.store.files import write_json

sys.path.insert(0, str(Path(__file__).parent))  # helpers that tests share
from calls import Answer
from compiled_once import kernels as kernels  # noqa: PLC0414 - fixtures
from judged import judged as judged  # noqa: PLC0414
from object_store import object_store as object_store  # noqa: PLC0414
from object_store import remote as remote  # noqa: PLC0414
from objects_in_memory import objects_in_memory as objects_in_memory  # noqa: PLC0414
from prefect_database import prefect_database as prefect_database  # noqa: PLC0414
from rendered_once import pictures as pictures  # noqa: PLC0414
from rendered_once import pytest_runtest_protocol as pytest_runtest_protocol  # noqa: PLC0414
from running import environment_of, free_port

if TYPE_CHECKING:
    from matinee.formats.manifests import SplitManifest
    from matinee.publish import Publication
    from matinee.settings import Settings

# Until the tests are collected: a third of the time of their imports would be collections, which find no garbage.
gc.disable()
# Set before any test module imports Prefect, which reads the environment once.
os.environ.update(PREFECT_DEFAULTS)
# The time of an example depends on what else the machine does.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")
# Only a power failure shows whether a file was synced, and no test causes one. A test of a failing sync patches it.
for _sync in ("fsync", "fdatasync"):
    setattr(os, _sync, lambda handle: None)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With parallel workers, keep the tests of a file together, and those of a fixture that takes long to make."""
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        used = getattr(item, "fixturenames", ())
        shared = [name for name in ("prefect_server", "judged") if name in used]
        item.add_marker(pytest.mark.xdist_group((shared or [item.nodeid.partition("::")[0]])[0]))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what is imported, which stays until the end."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Collect once. pytest would collect five times, to report errors of destructors that the first did not reach."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logs_reach_caplog() -> None:
    """Undo what Prefect's logging, which an earlier test of this process set up, does to the loggers of Matinee."""
    for name in (
        "matinee",
        *(each for each in logging.root.manager.loggerDict if each.startswith("matinee.")),
    ):
        logger = logging.getLogger(name)
        logger.propagate, logger.disabled = True, False


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ratings, which are not part of the project. Without it, the test is skipped."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MATINEE_REAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set MATINEE_REAL_DATA to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sample data that trains in one second."""
    from matinee.sample import write_sample

    out = tmp_path_factory.mktemp("sample")
    write_sample(out, ratings=40_000, users=400, movies=150, seed=1)
    return out


@pytest.fixture
def answer_of(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Calls the command line with --json: (words, status=0) to the JSON that it prints."""
    from matinee.cli.main import main

    def answer(*words: str, status: int = 0) -> Any:
        assert main([*words, "--json"]) == status
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return answer


@pytest.fixture(scope="session")
def steps() -> Callable[..., "Publication"]:
    """Runs the steps of the retrain flow without Prefect: (store, ratings, titles, settings) to the release."""
    from matinee.pipeline import retrain

    def run(store: Store, ratings: Path, titles: Path, settings: "Settings") -> "Publication":
        return retrain(ratings, titles, store.root, settings=settings).publication

    return run


@pytest.fixture(scope="session")
def prefect_server(
    prefect_database: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One Prefect server with a separate database for the whole session."""
    from prefect.testing.utilities import prefect_test_harness

    folder = prefect_database(tmp_path_factory.mktemp("prefect") / "server" / "prefect-test.db").parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect.testing.utilities.mkdtemp", lambda: str(folder))
        with prefect_test_harness(server_startup_timeout=120):
            yield


@dataclass(frozen=True)
class Up:
    """A running `make up`: process, UI address, home (which all its processes have) and password."""

    process: "subprocess.Popen[str]"
    url: str
    home: Path
    password: str

    def ask(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """The answer of the API to a call with the password."""
        data = None if body is None else json.dumps(body).encode()
        secret = base64.b64encode(self.password.encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {secret}"}
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers, method=method)
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                # SQLite is busy. Prefect's client repeats the call too.
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)


@pytest.fixture(scope="module")
def up(prefect_database: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Server, worker and deployments with a separate database, for one module."""
    home = tmp_path_factory.mktemp("home")
    prefect_database(home / ".prefect" / "prefect.db")
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "matinee.cli", "up", "--port", url.rpartition(":")[2]]
    command += ["--drop", str(home / "drop"), "--store", str(home / "store")]
    with subprocess.Popen(
        command,
        env=environment_of(home),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        lines = list(itertools.takewhile(lambda line: not line.startswith("The UI is at"), process.stdout))
        (named,) = (line for line in lines if line.startswith("The UI asks for a password"))
        yield Up(process, url, home, Path(named.split()[-1]).read_text().strip())
        process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="session")
def split_manifest() -> "Callable[..., SplitManifest]":
    """Creates the manifest of a shuffled split. Arguments override its values."""
    from matinee.formats.manifests import SplitManifest
    from matinee.settings import SplitSettings

    def make(**given: Any) -> SplitManifest:
        drawn = SplitSettings(strategy="shuffle", seed=1).model_dump()
        told = {"rows": 0, "dataset": "d", "encoding": "e", "scale": [1, 5], "strategy": "shuffle"}
        told |= {"settings": drawn, "counts": {}, "counts_per_rating": {}, "cutoffs": None, "days": None}
        return SplitManifest.model_validate({**told, "inherited": False, **given})

    return make


@pytest.fixture
def planted_split(
    tmp_path: Path, split_manifest: "Callable[..., SplitManifest]"
) -> Callable[..., tuple[Store, Reference]]:
    """Creates a store with one split. Its ratings are a mean, biases, a dot product of rank 2, and noise."""

    def make(
        *, rows: int = 4000, users: int = 60, movies: int = 40, noise: float = 0.3
    ) -> tuple[Store, Reference]:
        draw = np.random.default_rng(5)
        user, movie = draw.integers(0, users - 1, rows), draw.integers(0, movies - 1, rows)
        bias = draw.normal(0, 0.4, users)[user] + draw.normal(0, 0.4, movies)[movie]
        dot = np.einsum(
            "nk,nk->n", draw.normal(0, 0.7, (users, 2))[user], draw.normal(0, 0.7, (movies, 2))[movie]
        )
        planted = 3 + bias + dot
        rating = np.clip(planted + draw.normal(0, noise, rows), 1, 5).astype(np.float32)
        part = draw.choice(3, rows, p=[0.8, 0.1, 0.1])
        store = Store.open(tmp_path / "store")
        folder = store.folder("splits", "planted")
        folder.mkdir(parents=True)
        counts = {}
        for number, name in enumerate(("train", "valid", "test")):
            # The last user and the last movie are not in train, so no model knows them.
            mine = part == number
            codes = [
                np.where(mine & (number > 0) & (draw.random(rows) < 0.05), last, code)
                for last, code in ((users - 1, user), (movies - 1, movie))
            ]
            columns = {
                "user_code": codes[0][mine].astype(np.int32),
                "movie_code": codes[1][mine].astype(np.int32),
            }
            dates = pa.nulls(int(mine.sum()), pa.date32())
            columns |= {"rating": rating[mine], "date": dates, "planted": planted[mine]}
            pq.write_table(pa.table(columns), folder / f"{name}.parquet")
            counts[name] = int(mine.sum())
        trained = part == 0
        for name, codes_of, size in (("user", user, users), ("movie", movie, movies)):
            counts_of = np.bincount(codes_of[trained], minlength=size)
            table = {f"{name}_id": np.arange(size), "train_rows": counts_of, "liked_rows": counts_of // 2}
            table |= {"title": pa.nulls(size, pa.string()), "year": pa.nulls(size, pa.int16())}
            pq.write_table(pa.table(table), folder / f"{name}s.parquet")
        write_json(
            folder / "manifest.json",
            split_manifest(kind="splits", digest="planted", rows=rows, scale=[1.0, 5.0], counts=counts),
        )
        return store, store.reference("splits", "planted")

    return make


@pytest.fixture
def random_release(tmp_path: Path) -> Callable[..., Path]:
    """Creates a release folder with random weights and a manifest like that of publish. Ids are 10 * code + 3."""

    def make(
        *,
        users: int = 50,
        movies: int = 40,
        size: int = 5,
        model: str = "dot",
        ranked: bool = False,
        **more: np.ndarray,
    ) -> Path:
        from small_release import write_release

        folder = Store.open(tmp_path / "store").root / "releases" / "v0001"
        write_release(folder, users=users, movies=movies, size=size, model=model, ranked=ranked, weights=more)
        write_json(folder.parents[1] / "champion.json", {"version": "v0001"})
        return folder

    return make


@pytest.fixture(scope="session", autouse=True)
def _caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Caches of stores in object stores are not those of this user, also of addresses that are only parsed."""
    os.environ["MATINEE_CACHE"] = str(tmp_path_factory.mktemp("caches"))
