"""JSON files of a store that are cut, empty, of another type, corrupted or too deep: named, with the right advice."""

import os
from collections.abc import Callable

from attacks.ground import Attack, Ground
from attacks.spoiling import first, writes

INGEST = ["ingest", "--store", "{store}", "--ratings", "{ratings}", "--titles", "{titles}"]
RETRAIN = ["retrain", *INGEST[1:]]
PRUNE = ["prune", "--store", "{store}", "--keep", "1"]
FORGET = ["forget", "--store", "{store}", "--user", "6"]
PREDICT = ["predict", "--store", "{store}", "--pairs", "{ratings}", "--out", "{folder}/out.csv"]
ROLLBACK = ["rollback", "--store", "{store}"]
PROMOTE = ["promote", "--store", "{store}", "v0001"]
RELEASES = ["releases", "--store", "{store}"]
DOCTOR = ["doctor", "--store", "{store}"]
DEEP = '{"a": ' * 50_000


def _change(place: str, old: str, new: str) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        path = first(ground, place)
        text = path.read_text("utf-8")
        assert old in text, text
        path.write_text(text.replace(old, new, 1), "utf-8")

    return prepare


def _pipe(place: str) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        path = ground.store / place
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return prepare


def _points_to(version: str) -> Callable[[Ground], None]:
    def check(ground: Ground) -> None:
        assert f'"version": "{version}"' in (ground.store / "champion.json").read_text("utf-8")

    return check


def _forgotten(ground: Ground) -> None:
    assert (ground.store / "forgotten.json").is_file()


ATTACKS = [
    Attack(
        "forget with a list that is nested too deep",
        FORGET,
        1,
        writes("forgotten.json", DEEP),
        ["nested too deeply", "Restore it from a backup"],
        ["emove"],
    ),
    Attack(
        "forget with a list of numbers",
        FORGET,
        1,
        writes("forgotten.json", '{"key": "00", "hashes": [1]}'),
        ["forgotten.json", "hashes.0"],
        ["emove"],
    ),
    Attack(
        "doctor sees a series without points",
        DOCTOR,
        1,
        writes("progressive.json", '{"points": {}}'),
        ["fail  files", "progressive.json", "move this file elsewhere"],
        ["emove the folder"],
    ),
    Attack(
        "doctor sees a mark that is none",
        DOCTOR,
        0,
        writes("nightly.json", "{}"),
        ["nightly.json", "next night"],
    ),
    Attack(
        "doctor sees a step's file of other bytes",
        DOCTOR,
        0,
        writes("evaluations/*/decision.json", b'{"\xff'),
        ["decision.json", "not UTF-8"],
    ),
    Attack(
        "doctor sees a manifest whose number was changed",
        DOCTOR,
        0,
        _change("splits/*/manifest.json", '"rows": ', '"rows": 1'),
        ["was changed after it was written"],
    ),
    Attack(
        "predict with an empty pointer",
        PREDICT,
        1,
        writes("champion.json", ""),
        ["champion.json is damaged", "v0002` writes the file"],
    ),
    Attack(
        "predict with a pointer that is a pipe",
        PREDICT,
        1,
        _pipe("champion.json"),
        ["champion.json is damaged"],
    ),
    Attack(
        "rollback with a pointer of another type",
        ROLLBACK,
        1,
        writes("champion.json", "[]"),
        ["matinee promote"],
    ),
    Attack(
        "promote writes a damaged pointer again",
        PROMOTE,
        0,
        writes("champion.json", "\0\0"),
        keeps_store=False,
        check=_points_to("v0001"),
    ),
    Attack(
        "prune with a manifest without a byte",
        PRUNE,
        1,
        writes("candidates/*/manifest.json", ""),
        ["it is empty", "nothing was removed", "computes it again"],
    ),
    Attack(
        "prune with a manifest that belongs elsewhere",
        PRUNE,
        1,
        writes("candidates/*/manifest.json", '{"kind": "splits", "digest": "x", "rows": 1}'),
        ["is not the manifest of that folder"],
    ),
    Attack(
        "prune with a file of partitions that is no object",
        PRUNE,
        1,
        writes("datasets/*/partitions.json", '"x"'),
        ["partitions.json", "nothing was removed"],
    ),
    Attack(
        "prune with a profile that was cut",
        PRUNE,
        1,
        _change("datasets/*/profile.json", "}", ""),
        ["profile.json", "nothing was removed"],
    ),
    Attack(
        "ingest makes a damaged dataset again",
        INGEST,
        0,
        writes("datasets/*/manifest.json", '{"rows": []}'),
        ["is damaged"],
        keeps_store=False,
    ),
    Attack(
        "forget on a store with an empty manifest of a candidate",
        FORGET,
        0,
        writes("candidates/*/manifest.json", ""),
        ["the user was erased from"],
        keeps_store=False,
        check=_forgotten,
    ),
    Attack(
        "forget with the users of a release cut",
        FORGET,
        1,
        writes("releases/v0001/users.parquet", "PAR1"),
        ["release v0001 is damaged", "future runs skip"],
        keeps_store=False,
        check=_forgotten,
    ),
    Attack(
        "forget with metrics of a release that were changed",
        FORGET,
        1,
        writes("releases/v0002/metrics.json", "{}"),
        ["release v0002 is damaged", "or remove"],
        keeps_store=False,
    ),
    Attack(
        "forget with lists that were cut",
        FORGET,
        0,
        writes("recommendations/v0001.parquet", "PAR1"),
        ["v0001.parquet is damaged"],
        keeps_store=False,
    ),
]
