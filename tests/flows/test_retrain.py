"""All steps on sample data: results of a run, and steps of a second run."""

import json
import logging
from collections.abc import Iterator
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from calls import Answer, retrain_words
from huggingface_hub import ModelCard

import matinee
from matinee.cli.main import main
from matinee.evaluate.slices import SLICINGS
from matinee.publish.card_front_matter import without_front_matter
from matinee.registry import Registry
from matinee.sample import write_sample
from matinee.store import Store

pytestmark = pytest.mark.usefixtures("prefect_server")

FAST = "train.epochs=6"


@pytest.fixture(scope="module")
def logged() -> Iterator[list[logging.LogRecord]]:
    """The log of the runs of this module."""
    handler, logger = BufferingHandler(10_000), logging.getLogger("matinee.run")
    logger.addHandler(handler)
    yield handler.buffer
    logger.removeHandler(handler)


@pytest.fixture(scope="module")
def first(
    sample: Path,
    tmp_path_factory: pytest.TempPathFactory,
    prefect_server: None,
    logged: list[logging.LogRecord],
) -> tuple[Path, dict[str, Any]]:
    """A store with one release, and the output of the run."""
    from matinee.flows.retrain import retrain
    from matinee.settings.parse import read_settings

    store = tmp_path_factory.mktemp("store")
    summary = retrain(
        ratings=[str(sample / "ratings.csv")],
        titles=str(sample / "movie_titles.csv"),
        store=str(store),
        settings=read_settings(assignments=[FAST]),
    )
    return store, summary.model_dump()


def test_a_run_ends_in_a_release_that_beats_bias_only(
    first: tuple[Path, dict[str, Any]], sample: Path
) -> None:
    store, said = first
    assert said["promoted"]
    assert said["release"] == "v0001"
    assert said["rows"] == {"read": 40_000, "accepted": 40_000, "rejected": 0}
    truth = json.loads((sample / "truth.json").read_text())
    assert truth["best_rmse"] < said["metrics"]["rmse"] < said["metrics"]["bias_only_rmse"]
    assert {"ingest", "encode", "split", "train", "compile", "evaluate", "publish"} <= said["seconds"].keys()
    assert said["cached"] == []
    folder = store / "releases" / "v0001"
    there = {path.name for path in folder.iterdir()}
    assert {
        "weights.safetensors",
        "users.parquet",
        "movies.parquet",
        "settings.json",
        "metrics.json",
    } <= there
    assert {"CARD.md", "manifest.json", "plots"} <= there
    card = (folder / "CARD.md").read_text()
    assert without_front_matter(card).startswith("# Release v0001\n")
    (rmse, _, ndcg) = ModelCard(card, ignore_metadata_errors=False).data.eval_results
    assert rmse.metric_value == pytest.approx(said["metrics"]["rmse"], abs=1e-6)
    assert ndcg.metric_value == pytest.approx(said["metrics"]["ranking"]["recommend"]["ndcg_at_10"], abs=1e-6)
    shown = {line.partition("](")[2].rstrip(")") for line in card.splitlines() if line.startswith("![")}
    assert shown == {f"plots/{path.name}" for path in (folder / "plots").glob("*.png")}
    manifest, metrics = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("manifest", "metrics")
    )
    lineage = [manifest[name] for name in ("dataset", "candidate", "evaluation", "digest")]
    low = metrics["intervals"]["rmse"]["low"]
    for told in (*lineage, manifest["split"]["digest"], f"{low:.4f}", manifest["versions"]["torch"]):
        assert told in card
    for slicing, found in metrics["slices"].items():
        for each in found:
            assert f"| {SLICINGS[slicing]} | {each['slice']} | {each['rows']:,} | {each['rmse']:.4f} " in card


def test_the_test_rmse_is_that_of_the_release_on_the_test_rows(first: tuple[Path, dict[str, Any]]) -> None:
    store, said = first
    parts = Store(store).folder(*said["folders"]["split"].split("/"))
    test, users, movies = (pl.read_parquet(parts / f"{name}.parquet") for name in ("test", "users", "movies"))
    release = matinee.load(store / "releases" / "v0001")
    predicted = release.predict(
        users["user_id"].to_numpy()[test["user_code"]], movies["movie_id"].to_numpy()[test["movie_code"]]
    )
    errors = predicted - test["rating"].to_numpy()
    assert said["metrics"]["rmse"] == pytest.approx(np.sqrt(np.mean(errors.astype(float) ** 2)), abs=1e-6)
    assert said["metrics"]["rows"] == test.height


def test_the_release_has_the_movies_that_each_user_rated(
    first: tuple[Path, dict[str, Any]], sample: Path
) -> None:
    store, _ = first
    folder = store / "releases" / "v0001"
    offsets, movies = np.load(folder / "seen.offsets.npy"), np.load(folder / "seen.movies.npy")
    release = matinee.load(folder)
    ratings = pl.read_csv(sample / "ratings.csv")
    code = release.users.encode(np.array([user := int(ratings["userID"][0])]))[0]
    seen = release.movies.decode(movies[offsets[code] : offsets[code + 1]])
    assert seen.tolist() == sorted(ratings.filter(pl.col("userID") == user)["movieID"])


def test_a_refit_that_is_not_configured_is_one_line_of_the_log(
    first: tuple[Path, dict[str, Any]], logged: list[logging.LogRecord]
) -> None:
    skipped = "skipped, because a refit on all rows needs train.refit=all"
    lines = "\n".join(record.getMessage() for record in logged)
    assert f"\nrefit: {skipped}\nrefit_ranking: {skipped}\npublish: " in lines


def test_an_identical_run_computes_nothing(
    first: tuple[Path, dict[str, Any]], sample: Path, answer_of: Answer
) -> None:
    store, said = first
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    again = answer_of(*retrain_words(sample, store, FAST))
    assert again["cached"] == ["ingest", "encode", "split", "train", "rank", "evaluate"]
    assert (again["release"], again["metrics"]) == (said["release"], said["metrics"])
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()} == before


def test_a_worse_candidate_is_held_and_the_champion_stays(
    first: tuple[Path, dict[str, Any]],
    sample: Path,
    answer_of: Answer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, _ = first
    words = retrain_words(sample, store, FAST, "model.name=linear")
    said = answer_of(*words, "--fail-on-hold", status=4)
    assert (said["promoted"], said["release"]) == (False, None)
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
    assert run.state
    assert (run.state.type, run.state.name, run.state.message) == ("COMPLETED", "Held", said["reason"])
    registry = Registry.open(store)
    assert (registry.champion(), registry.versions()) == ("v0001", ["v0001"])
    assert registry.log()[-1].action == "hold"
    held = registry.log()[-1].candidate
    assert main(["releases", "--store", str(store)]) == 0
    assert held in capsys.readouterr().out
    for name in ("f" * 20, "", held[:3]):
        assert main(["promote", "--store", str(store), name]) == 2
        assert held in capsys.readouterr().err
    assert main(["prune", "--store", str(store), "--keep", "1"]) == 0  # the night of the hold
    assert held in capsys.readouterr().out
    done = answer_of("promote", "--store", str(store), held[:6])
    assert done == {"champion": "v0002", "replaced": "v0001"}
    last = registry.log()[-1]
    assert (last.action, last.candidate, last.anchor) == ("promote", held, "v0002")
    assert matinee.load(store / "releases" / "v0002").manifest["model"] == "linear"
    # A repeated run finds finished steps and its candidate as the champion.
    again = answer_of(*words)
    assert (again["release"], again["cached"][-1]) == ("v0002", "evaluate")
    assert "promote by name" in again["reason"]
    assert main(["rollback", "--store", str(store)]) == 0
    assert (registry.champion(), registry.anchor(), registry.held()) == ("v0001", "v0001", [])


def test_inverted_ratings_are_held(
    first: tuple[Path, dict[str, Any]], sample: Path, tmp_path: Path, answer_of: Answer
) -> None:
    store, _ = first
    table = pl.read_csv(sample / "ratings.csv").with_columns(rating=6 - pl.col("rating"))
    table.write_csv(tmp_path / "ratings.csv")
    (tmp_path / "movie_titles.csv").write_bytes((sample / "movie_titles.csv").read_bytes())
    said = answer_of(*retrain_words(tmp_path, store, FAST))
    assert not said["promoted"]
    decision = json.loads((store / said["folders"]["evaluate"] / "decision.json").read_text())
    (drift,) = (rule for rule in decision["rules"] if rule["name"] == "drift")
    assert drift["psi"] > drift["psi_limit"]
    assert [drift[name] for name in ("new_users", "new_movies", "lost", "growth")] == [0, 0, 0, 0]


def test_refit_on_all_rows_keeps_the_tested_weights(
    sample: Path, tmp_path: Path, answer_of: Answer, logged: list[logging.LogRecord]
) -> None:
    before = len(logged)
    said = answer_of(*retrain_words(sample, tmp_path, FAST, "train.refit=all"))
    assert said["promoted"]
    assert "skipped, because" not in str([record.getMessage() for record in logged[before:]])
    shipped, tested = (matinee.load(said["location"], tested=which) for which in (False, True))
    assert any(not np.array_equal(shipped.weights[name], tested.weights[name]) for name in shipped.weights)
    assert shipped.manifest["rows_fitted"] == 40_000
    assert shipped.manifest["refit"]["passed"]


def test_a_refit_that_differs_from_the_tested_weights_is_discarded(
    sample: Path, tmp_path: Path, answer_of: Answer
) -> None:
    strict = ("train.refit=all", "gate.refit_difference=0.0001")
    said = answer_of(*retrain_words(sample, tmp_path, FAST, *strict))
    release = matinee.load(said["location"])
    assert not (Path(said["location"]) / "tested.safetensors").exists()
    assert release.manifest["candidate"] == release.manifest["shipped"]
    assert not release.manifest["refit"]["passed"]


def test_a_grown_dataset_keeps_every_row_in_its_subset(
    sample: Path, tmp_path: Path, answer_of: Answer
) -> None:
    lines = (sample / "ratings.csv").read_text().splitlines(keepends=True)
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "ratings.csv").write_text("".join(lines[:30_000]))
    (tmp_path / "early" / "movie_titles.csv").write_bytes((sample / "movie_titles.csv").read_bytes())
    store = tmp_path / "store"

    def sides(said: dict[str, Any]) -> dict[str, set[tuple[int, int]]]:
        parts = store / said["folders"]["split"]
        users = pl.read_parquet(parts / "users.parquet")["user_id"]
        movies = pl.read_parquet(parts / "movies.parquet")["movie_id"]
        tables = {part: pl.read_parquet(parts / f"{part}.parquet") for part in ("train", "valid", "test")}
        return {
            part: set(zip(users[rows["user_code"]], movies[rows["movie_code"]], strict=True))
            for part, rows in tables.items()
        }

    early = answer_of(*retrain_words(tmp_path / "early", store, FAST))
    grown = answer_of(*retrain_words(sample, store, FAST))
    before, after = sides(early), sides(grown)
    assert sum(map(len, after.values())) == 40_000
    assert all(before[part] <= after[part] for part in before)
    assert grown["cached"] == []


def test_evaluate_on_a_file_omits_rows_that_the_champion_was_trained_on(
    first: tuple[Path, dict[str, Any]], sample: Path, tmp_path: Path, answer_of: Answer
) -> None:
    store, said = first
    header, _, rows = (sample / "ratings.csv").read_text("utf-8").partition("\n")
    other = tmp_path / "other.csv"
    other.write_text(f"{header.replace('userID', 'who')}\n{rows}1,1,six,2005-01-01\n", "utf-8")
    columns = "ingest.columns=user_id=who,movie_id=movieID,rating=rating"
    found = answer_of("evaluate", "--store", str(store), "--test", str(other), "--set", columns)
    assert found["rows"] + found["rows_seen"] == found["rows_accepted"] == 40_000
    assert (found["rejects"], found["warnings"]) == ({"rating_not_a_number": 1}, [])
    # Its unseen rows are the test rows of its split, so the source file gives the same figure.
    assert found["rows"] == said["metrics"]["rows"]
    assert found["rmse"] == pytest.approx(said["metrics"]["rmse"], abs=1e-6)


def test_plays_run_without_train_and_have_lists(
    tmp_path: Path,
    answer_of: Answer,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, store = tmp_path / "plays", tmp_path / "store"
    write_sample(source, ratings=10_000, users=400, movies=150, feedback="implicit")
    words = retrain_words(source, store, "ingest.feedback=implicit")
    assert answer_of(*words, "--set", FAST, status=2)["kind"] == "ConfigError"  # plays have no train.epochs
    with caplog.at_level("WARNING"):
        said = answer_of(*words)
        lists = tmp_path / "lists.parquet"
        assert main(["recommend", "--store", str(store), "--all", "--out", str(lists), "--top", "3"]) == 0
    assert not [record for record in caplog.records if "could not be shown" in record.message]
    assert said["promoted"]
    assert said["metrics"]["temporal"]["lists"]["ndcg_at_10"] > 0
    assert "rmse" not in said["metrics"]
    assert not {"train", "refit", "compile"} & said["seconds"].keys()
    assert {"rank", "evaluate", "refit_ranking", "publish"} <= said["seconds"].keys()
    assert pl.read_parquet(lists)["expected_rating"].null_count() == 400 * 3
    capsys.readouterr()
    pairs = ["predict", "--store", str(store), "--pairs", str(source / "ratings.csv")]
    assert main([*pairs, "--out", str(tmp_path / "out.csv")]) == 1
    assert "it has lists and no predicted ratings" in capsys.readouterr().err
