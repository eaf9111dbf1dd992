"""Probes: each calls a part of the program on a corrupted file.

A probe returns the answer as text, or raises: a MatineeError is a refusal, anything else a finding.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzzing.ground import Ground, settings_of

import matinee
from matinee import ingest
from matinee.cli.main import main
from matinee.errors import MatineeError, StoreError
from matinee.ingest.databases import snapshots
from matinee.ingest.inbox.intake import take_in
from matinee.registry import Registry
from matinee.release import Release
from matinee.release.predict_file import predict_file
from matinee.release.signature import SIGNING_KEY, sign
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.store.checksums import find_damage
from matinee.train.checkpoint import FitState, load_checkpoint
from matinee.train.ranking.krylov import KrylovState

Probe = Callable[[Ground, str, Random], str]  # the ground, the name of the corrupted file


class FaultError(Exception):
    """The program gave an answer that is never allowed."""


def answers(ground: Ground, name: str, rng: Random) -> str:
    """The answers of the release with the corrupted file: predictions, lists, neighbours, a guest; for both models."""
    folder = ground.root / Path(*Path(name).parts[:3])
    told = _answers(matinee.load(folder))
    return told if "plays" in folder.parts else told + _answers(matinee.load(folder, tested=True))


def _answers(release: Release) -> str:
    ids = release.users.ids[:40].tolist(), release.movies.ids[:40].tolist()
    users, movies = ([*some, type(some[0])(1)] for some in ids)  # and one without ratings
    told: list[Any] = []
    if release.manifest.get("feedback") != "implicit":
        told += [release.predict(np.array(users)[:, None], np.array(movies)[None]).tobytes().hex()]
    told += [release.recommend(user, 5) for user in (*users[:3], users[-1])]
    with contextlib.suppress(MatineeError):  # an earlier version without a ranking model
        told += [release.explain(user, movies[0]) for user in (*users[:3], users[-1])]
    with contextlib.suppress(MatineeError):  # a movie without train rows has no neighbours
        told += [release.similar(movies[0], 4)]
    with contextlib.suppress(MatineeError):  # another model has no closed form
        told += [release.fold_in(dict.fromkeys(movies[:4], 3.0)).recommend(5)]
    told += [release.version, release.manifest["model"], release.scale, repr(release)]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def forged(ground: Ground, name: str, rng: Random) -> str:
    """The same, with the sha256 of the corrupted file in the manifest, as in a deliberate attack."""
    path = ground.root / Path(*Path(name).parts[:3]) / "manifest.json"
    manifest = json.loads(path.read_text())
    inner = str(Path(*Path(name).parts[3:]))
    manifest["files"][inner] = hashlib.sha256((ground.root / name).read_bytes()).hexdigest()
    ground.write(str(path.relative_to(ground.root)), json.dumps(manifest).encode())
    answers(ground, name, rng)
    return "loaded"


def signed(ground: Ground, name: str, rng: Random) -> str:
    """The answers of a release whose signature is checked: the champion, or the release with the corrupted file."""
    folder = (
        ground.root / Path(*Path(name).parts[:3])
        if "releases" in name
        else ground.store / "releases" / "v0002"
    )
    return _answers(matinee.load(folder, public_key=ground.inputs / "key.pub"))


def signing(ground: Ground, name: str, rng: Random) -> str:
    """A release signed by the corrupted key."""
    os.environ[SIGNING_KEY] = str(ground.root / name)
    try:
        sign(ground.store / "releases" / "v0002")
    finally:
        del os.environ[SIGNING_KEY]
    return "signed"


def verb(*words: str) -> Probe:
    """A verb of the command line, with `{store}` and other paths filled in."""

    def probe(ground: Ground, name: str, rng: Random) -> str:
        names = {
            "store": ground.store,
            "plays": ground.root / "plays",
            "texts": ground.root / "texts",
            "inputs": ground.inputs,
            "out": ground.out,
        }
        return command([word.format(**names) for word in words])

    probe.__name__ = words[0]
    return probe


def command(words: list[str]) -> str:
    """Run the command line in this process; returns its output and its status."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape") for _ in range(2))
    logger = logging.getLogger("matinee")
    handlers = logger.handlers[:]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*words, "--verbose"])
    finally:
        logger.handlers[:] = handlers
    texts = [
        stream.buffer.getvalue().decode("utf-8", "surrogateescape")
        for stream in (out, err)
        if not stream.flush()
    ]  # type: ignore[attr-defined]
    said = "".join(texts)
    if "matinee: Unexpected" in texts[1] or status not in (0, 1, 2, 3, 4):
        raise FaultError(f"status {status}: {said}")
    if any(char < " " and char not in "\n\t" for char in said):
        raise FaultError(f"control characters: {ascii(said)[:2000]}")
    return f"{status} {texts[0]}"


def noticed(ground: Ground, name: str, rng: Random) -> str:
    """Whether a run would use the folder with the corrupted file or compute it again, as `Store.take` decides."""
    damaged, _ = find_damage((ground.root / name).parents[1 if "/plots/" in name else 0])
    if damaged:
        raise StoreError(f"{name} is damaged")
    return "taken"


def again(ground: Ground, name: str, rng: Random) -> str:
    """Repeat the run that made the store: damaged folders are computed again, and the result is the same."""
    settings = settings_of(1)
    run = matinee.retrain(
        ground.inputs / "ratings.csv", ground.inputs / "titles.csv", ground.store, settings=settings
    )
    fitted = {
        run.candidate: run.store.path(run.candidate) / "weights.safetensors",
        run.ranking: run.store.path(run.ranking) / "ranking.safetensors",
    }
    told = [run.dataset.digest, run.split.digest]
    told += [hashlib.sha256(path.read_bytes()).hexdigest() for path in fitted.values()]
    for reference in (run.dataset, run.encoding, run.split, *fitted, run.evaluation):
        damaged, _ = find_damage(run.store.path(reference))
        if damaged:
            raise FaultError(f"{reference.location} was taken although it is damaged: {damaged}")
    return repr(told)


def ingested(ground: Ground, name: str, rng: Random) -> str:
    """A dataset of the corrupted source in a new store; rows read = rows accepted + rows rejected."""
    is_titles = Path(name).name.startswith(("titles", "movies"))
    ratings, titles = ground.inputs / "netflix.txt", ground.inputs / "titles.csv"
    given = (ratings, ground.root / name) if is_titles else (ground.root / name, titles)
    _read(ground, [given[0]], given[1])
    return "ingested"


def _read(ground: Ground, ratings: list[Path], titles: Path | None) -> int:
    """The rows of a dataset of sources in a new store."""
    store = Store.open(ground.new_store)
    plan = ingest.plan(store, ratings=ratings, titles=titles, settings=Settings().ingest)
    reference = store.ensure(plan)
    manifest = store.manifest(reference.kind, reference.digest)
    if manifest["rows_read"] < manifest["rows"] + manifest["rows_rejected"]:
        raise FaultError(f"rows read are fewer than accepted and rejected: {manifest}")
    return int(manifest["rows_read"])


def tabled(ground: Ground, name: str, rng: Random) -> str:
    """A dataset of a folder in which a file is corrupted: all rows of its two files, or an error."""
    return str(_read(ground, [ground.inputs / "delta"], ground.inputs / "titles.csv"))


ODD_FOLDERS = (
    "rating=",
    "=4",
    "rating=4=5",
    "rating=%00",
    "rating=..",
    "rating=\x1b[2J",
    "rating=nan",
    "user_id=1",
)


def hived(ground: Ground, name: str, rng: Random) -> str:
    """A dataset of a folder of Hive with the corrupted file, perhaps in a folder with an odd name."""
    folder = (ground.root / name).parent
    if rng.random() < 0.5:
        folder.rename(folder.with_name(rng.choice(ODD_FOLDERS)))
    return str(_read(ground, [ground.inputs / "hive"], None))


_COLUMNS = (
    "user_id, movie_id, rating, date",
    "*",
    "movie_id, user_id, rating",
    "user_id, movie_id, max(rating) as rating",
)


def queried(ground: Ground, name: str, rng: Random) -> str:
    """A dataset of the rows of a query of the corrupted database."""
    columns = rng.choice(_COLUMNS)
    more = " group by 1, 2" if "max" in columns else rng.choice(("", "", " order by rating"))
    address = f"{Path(name).suffix[1:]}:///{ground.root / name}?query=select {columns} from ratings{more}"
    with snapshots(ground.new_store, [address]) as paths:
        return str(_read(ground, paths, None))


def dropped(ground: Ground, name: str, rng: Random) -> str:
    """A night with the corrupted file and a good file in the drop folder: it is used or set aside, never an error."""
    drop, store = ground.root / "drop", Store.open(ground.store)
    target = drop / ("titles.csv" if "titles" in name else Path(name).name)
    target.unlink(missing_ok=True)
    shutil.copy(ground.root / name, target)
    try:
        taken = take_in(store, drop, titles="titles.csv", settings=Settings(), settle_seconds=0)
    except MatineeError as error:
        if target.name == "titles.csv":  # without titles of an earlier night, there is no fallback
            raise
        raise FaultError(f"a night ended at one file: {error}") from error
    if str(drop / "half.csv") not in taken.ratings:
        raise FaultError(f"the good file was not taken: {taken}")
    return "taken" if str(target) in taken.ratings else "set aside"


def predicted(ground: Ground, name: str, rng: Random) -> str:
    """Predictions for the corrupted pairs: one line per row, with its columns and one more."""
    ground.out.mkdir()
    out = ground.out / "out.csv"
    release = _release(ground.template)
    rows = predict_file(release, ground.root / name, out=out)
    return f"{rows.rows} rows"


_loaded: dict[Path, Release] = {}


def _release(template: Path) -> Release:
    """The champion of the template, loaded once per process."""
    if template not in _loaded:
        _loaded[template] = matinee.load(Registry.open(template / "store").champion_folder())
    return _loaded[template]


def understood(ground: Ground, name: str, rng: Random) -> str:
    """The corrupted settings file: accepted values are within their bounds, directly and as text."""
    settings = read_settings(file=ground.root / name).resolved()
    return settings.model_dump_json()[:100]


def assigned(ground: Ground, name: str, rng: Random) -> str:
    """Each line of the corrupted file as a value of `--set`."""
    lines = (ground.root / name).read_bytes().decode("utf-8", "surrogateescape").split("\n")
    read_settings(assignments=[line.replace(" ", "") for line in lines if line])
    return "understood"


def resumed(ground: Ground, name: str, rng: Random) -> str:
    """The checkpoint of a killed fit: it is unchanged or absent."""
    found = load_checkpoint(ground.root / name, KrylovState if "ranking" in name else FitState)
    if found is None:
        raise StoreError("the fit starts from the beginning")
    return hashlib.sha256(repr(found).encode()).hexdigest()
