"""A fit on the processes of torchrun: each is a call of `matinee.cli.ranks`, and `retrain` finds its candidate."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from rank_threads import RankThread, SharedByThreads

from matinee.cli.ranks import main
from matinee.pipeline.chain import Chain, making_missing
from matinee.pipeline.on_ranks import _train
from matinee.pipeline.steps import plan_training
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.store.progress import silent
from matinee.train import device_lock
from matinee.train.ranks import rank

SETTINGS = ["train.epochs=2", "train.device=cpu"]
ALONE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}


class KilledError(Exception):
    """Simulates the end of the process."""


def test_a_candidate_of_ranks_is_the_one_that_retrain_finds(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**ALONE, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    ratings, titles = sample / "ratings.csv", sample / "movie_titles.csv"
    call = ["--ratings", str(ratings), "--titles", str(titles), "--store", str(tmp_path / "store")]
    call += [word for setting in SETTINGS for word in ("--set", setting)]
    assert main(call) == 0, capsys.readouterr().err
    (digest,) = Store(tmp_path / "store").names("candidates")
    assert f"candidate {digest}." in capsys.readouterr().out
    assert main(call) == 0
    assert f"candidate {digest}." in capsys.readouterr().out, "it is found, and not fitted again"

    store, settings = Store(tmp_path / "store"), read_settings(assignments=SETTINGS)
    chain = Chain(store, settings, making_missing(store))
    dataset = chain.ingest([str(ratings)], str(titles), test=())
    split = chain.split(dataset, chain.encode(dataset))
    assert plan_training(store, split, settings=settings).digest == digest

    assert main([*call[:1], str(tmp_path / "none.csv"), *call[2:]]) == 2
    assert "none.csv does not exist" in capsys.readouterr().err


def test_all_ranks_fit_while_the_first_one_holds_the_device(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []

    @contextlib.contextmanager
    def hold(device: str) -> Iterator[None]:
        held.append(device)
        yield

    monkeypatch.setattr(device_lock, "hold", hold)
    shared = SharedByThreads(2)
    train = partial(
        _train,
        tmp_path / "store",
        [str(sample / "ratings.csv")],
        str(sample / "movie_titles.csv"),
        test=(),
        settings=read_settings(assignments=SETTINGS),
        listener=silent,
    )
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(train, ranks=RankThread(number, shared)) for number in (0, 1)]
        first, second = (call.result() for call in calls)
    assert first is not None
    assert second is None
    assert held == ["cpu"]
    assert Store(tmp_path / "store").names("candidates") == [first.digest]


def test_a_rank_ends_with_its_agent_even_if_that_ended_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(parent: int) -> None:
        raise KilledError(parent)

    monkeypatch.setenv(rank.AGENT, "7")  # while another process is the parent by now
    monkeypatch.setattr("matinee.train.ranks.rank.signal.signal", lambda *_: None)
    monkeypatch.setattr(rank, "end_with_parent", ended)
    with pytest.raises(KilledError, match="7"):
        rank.run("no-job.json")
