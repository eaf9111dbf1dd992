"""The retrain flow on a store in an object store, from two hosts with caches of their own."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from pydantic import SecretStr

import matinee
from matinee.errors import ConfigError
from matinee.ops.inbox_watcher import InboxWatcher, _NotNow
from matinee.sample import write_sample
from matinee.settings.parse import read_settings
from matinee.store.remote import local_store, remote_of
from matinee.store.remote.address import parse_address
from matinee.store.remote.objects import Objects

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_the_flow_of_a_second_host_finds_all_steps_finished(
    remote: Callable[[str], str], tmp_path: Path
) -> None:
    from matinee.flows.recommend import recommend
    from matinee.flows.retrain import retrain

    write_sample(tmp_path / "few", ratings=8_000, users=120, movies=100, seed=2)
    call = {
        "ratings": [str(tmp_path / "few" / "ratings.csv")],
        "titles": str(tmp_path / "few" / "movie_titles.csv"),
        "settings": read_settings(assignments=["train.epochs=3"]),
    }
    first = retrain(store=remote("first"), **call)
    assert first.promoted
    assert first.cached == []
    second = retrain(store=remote("second"), **call)
    assert (second.promoted, second.release) == (True, "v0001")
    assert second.cached == ["ingest", "encode", "split", "train", "rank", "evaluate"]
    lists = recommend(store=remote("second"))
    assert Path(lists.out).is_file()
    again = recommend(store=remote("third"))
    assert (again.rows, again.seconds) == (lists.rows, 0.0)  # found, not computed
    assert matinee.load(remote("fourth")).version == "v0001"


def test_a_night_of_one_host_has_nothing_new_for_another_one(
    remote: Callable[[str], str], tmp_path: Path
) -> None:
    from matinee.flows.nightly import nightly

    write_sample(tmp_path / "drop", ratings=8_000, users=120, movies=100, seed=3)
    (tmp_path / "drop" / "truth.json").unlink()
    call = {"drop": str(tmp_path / "drop"), "settle_seconds": 0, "keep": 1}
    settings = read_settings(assignments=["train.epochs=3"])
    first = nightly(store=remote("first"), settings=settings, **call)
    assert (first.promoted, first.release) == (True, "v0001")
    second = nightly(store=remote("second"), settings=settings, **call, return_state=True)
    assert second.name == "Nothing new"
    assert matinee.load(remote("second")).version == "v0001"


def test_a_file_under_a_prefix_becomes_a_release_and_a_broken_one_is_moved_there(
    remote: Callable[[str], str], tmp_path: Path
) -> None:
    from matinee.flows.nightly import nightly

    store = remote("first")
    drop = Objects(parse_address(store.replace("stores/one", "drop")))
    write_sample(tmp_path / "few", ratings=8_000, users=120, movies=100, seed=3)
    for name in ("ratings.csv", "movie_titles.csv"):
        drop.upload(name, tmp_path / "few" / name)
    drop.put("broken.csv", b"userID,movieID,rating\n1,2,many\n")
    call = {"drop": drop.address.text, "keep": 1}
    settings = read_settings(assignments=["train.epochs=3"])
    first = nightly(store=store, settings=settings, **call)
    assert (first.promoted, first.release) == (True, "v0001")
    moved = [each.key for each in drop.list("refused")]
    assert moved == [f"refused/broken.csv{end}" for end in ("", ".rejects.csv", ".report.txt")]
    assert drop.find("broken.csv") is None
    second = nightly(store=remote("second"), settings=settings, **call, return_state=True)
    assert second.name == "Nothing new"

    watcher, deployment = InboxWatcher(tmp_path), uuid4()
    assert {name for name, _ in watcher._find_objects(deployment, drop.address.text)} == {
        "ratings.csv",
        "movie_titles.csv",
    }
    with pytest.raises(_NotNow):
        watcher._find_objects(deployment, drop.address.text)


class AwsCredentials(Block):
    """The fields of the block of this name in prefect-aws that a run uses."""

    _block_type_slug = "aws-credentials"
    aws_access_key_id: str
    aws_secret_access_key: SecretStr
    region_name: str | None = None
    aws_client_parameters: dict[str, str]


def test_a_run_takes_its_credentials_from_a_block_and_shows_them_nowhere(
    remote: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    from matinee.flows.recommend import recommend

    store, clients = remote("first"), []
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of other keys")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    Secret(value=json.dumps({name: f"planted-{name}" for name in names})).save("films", overwrite=True)
    Secret(value=json.dumps({"PATH": "/tmp"})).save("other", overwrite=True)
    AwsCredentials(
        aws_access_key_id="planted-id",
        aws_secret_access_key=SecretStr("planted-key"),
        aws_client_parameters={"endpoint_url": os.environ["AWS_ENDPOINT_URL"]},
    ).save("films", overwrite=True)
    for name in names:
        monkeypatch.delenv(name)
    for block, said in {
        "films": "expected secret/NAME or aws-credentials/NAME",
        "secret/none": "Prefect has no block 'secret/none'",
        "secret/other": "has the variable PATH. Expected only names that begin with AWS_",
    }.items():
        with pytest.raises(ConfigError, match=said):
            recommend(store=store, credentials_block=block)
    for block, key in {
        "secret/films": "planted-AWS_ACCESS_KEY_ID",
        "aws-credentials/films": "planted-id",
    }.items():
        with pytest.raises(ConfigError, match="There is no store at"):  # the bucket has answered
            recommend(store=store, credentials_block=block)
        assert os.environ["AWS_ACCESS_KEY_ID"] == key
        assert "AWS_SESSION_TOKEN" not in os.environ
        asked = remote_of(local_store(store))
        assert asked is not None
        clients.append(asked.objects._clients)
    assert clients[0] is not clients[1]  # made again, with the keys of the second block
    shown = "".join((*capfd.readouterr(), caplog.text))
    assert "There is no store at" in shown
    assert "planted-" not in shown
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"planted-" in data for data in kept)
