"""Releases with an impossible ranking model, or impossible rating levels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attacks.attacks_releases import PREDICT, PROMOTE, RECOMMEND, ROLLBACK, SIMILAR, VERIFY
from attacks.changed_releases import Change, array, changed, changed_json, release, weights
from attacks.ground import Attack, Ground

RANKING, TESTED, LEVELS = "ranking.safetensors", "tested_ranking.safetensors", "seen.levels.npy"
EXPLAIN = ["explain", "--store", "{store}", "--user", "1", "--movie", "1"]


def _tables(**changes: Callable[[Any], Any]) -> Change:
    """Another ranking model, with each named table replaced by the result of its function."""

    def change(tables: dict[str, Any]) -> None:
        for name, make in changes.items():
            tables[name] = make(tables[name])

    return weights(change, RANKING)


def _with(value: float) -> Callable[[Any], Any]:
    def change(table: Any) -> Any:
        spoiled = table.astype(np.float32)
        spoiled.flat[len(spoiled) // 2] = value
        return spoiled

    return change


def _too_high(levels: Any) -> Any:
    return np.where(np.arange(len(levels)) == 7, 241, levels).astype(np.uint8)


def _pickled(folder: Path) -> None:
    np.save(folder / LEVELS, np.array([0, {"a": 1}], object), allow_pickle=True)


def _unlisted(*names: str) -> Callable[[Ground], None]:
    """A manifest without some files of the folder."""

    def prepare(ground: Ground) -> None:
        changed_json("manifest.json", lambda old: [old["files"].pop(name) for name in names])(release(ground))

    return prepare


def _gone(*names: str, kept_as: str | None = None) -> Change:
    """A release without some files, with its ranking model under another name."""

    def spoil(folder: Path) -> None:
        if kept_as:
            (folder / RANKING).rename(folder / kept_as)
        for name in names:
            (folder / name).unlink(missing_ok=True)
            (folder / name.replace("ranking", "tested_ranking")).unlink(missing_ok=True)

    return spoil


ATTACKS = [
    Attack(
        "levels too short", RECOMMEND, 1, changed(array(LEVELS, lambda old: old[:-1])), [LEVELS, "expected"]
    ),
    Attack("no levels", EXPLAIN, 1, changed(array(LEVELS, lambda old: old[:0])), [LEVELS, "it has 0 levels"]),
    Attack("levels too long", PREDICT, 1, changed(array(LEVELS, lambda old: np.r_[old, old])), [LEVELS]),
    Attack("a level above 240", RECOMMEND, 1, changed(array(LEVELS, _too_high)), [LEVELS, "up to 241"]),
    Attack(
        "levels of another type", VERIFY, 1, changed(array(LEVELS, lambda old: old.astype("<i4"))), [LEVELS]
    ),
    Attack("signed levels", SIMILAR, 1, changed(array(LEVELS, lambda old: old.astype("|i1"))), [LEVELS]),
    Attack(
        "levels in a table",
        PROMOTE,
        1,
        changed(array(LEVELS, lambda old: old[None]), version="v0001"),
        [LEVELS],
    ),
    Attack("levels with a pickle", RECOMMEND, 1, changed(_pickled), [LEVELS]),
    Attack(
        "changed levels",
        EXPLAIN,
        1,
        changed(array(LEVELS, lambda old: old[::-1]), sealed=False),
        ["changed"],
    ),
    Attack(
        "ranking tables of fewer movies",
        RECOMMEND,
        1,
        changed(_tables(decode=lambda old: old[:-1])),
        [RANKING],
    ),
    Attack("a flat ranking table", EXPLAIN, 1, changed(_tables(decode=lambda old: old.ravel())), [RANKING]),
    Attack(
        "ranking tables of two sizes",
        ROLLBACK,
        1,
        changed(_tables(encode_liked=lambda old: old[:, :-1]), version="v0001"),
        [RANKING],
    ),
    Attack(
        "ranking tables of integers",
        RECOMMEND,
        1,
        changed(_tables(popularity=lambda old: old.astype(np.int32))),
        [RANKING, "popularity"],
    ),
    Attack(
        "ranking tables of another type",
        RECOMMEND,
        1,
        changed(_tables(decode=lambda old: old.astype(np.float64))),
        [RANKING],
    ),
    Attack(
        "ranking weights that are NaN",
        PROMOTE,
        1,
        changed(_tables(decode=_with(np.nan)), version="v0001"),
        [RANKING],
    ),
    Attack(
        "an infinite popularity",
        VERIFY,
        1,
        changed(_tables(popularity=_with(np.inf))),
        ["popularity", "DAMAGED"],
    ),
    Attack(
        "huge ranking weights", RECOMMEND, 1, changed(_tables(encode_rated=_with(1e30))), ["encode_rated"]
    ),
    Attack(
        "a foreign ranking table",
        SIMILAR,
        1,
        changed(weights(lambda tables: tables.update(more=tables["decode"]), RANKING)),
        [RANKING],
    ),
    Attack(
        "no ranking table",
        SIMILAR,
        1,
        changed(weights(lambda tables: tables.pop("decode"), RANKING)),
        [RANKING],
    ),
    Attack("a ranking model without levels", RECOMMEND, 1, changed(_gone(LEVELS)), ["does not list", LEVELS]),
    Attack("levels without a ranking model", EXPLAIN, 1, changed(_gone(RANKING)), ["does not list", RANKING]),
    Attack(
        "a tested ranking model alone", VERIFY, 1, changed(_gone(LEVELS, kept_as=TESTED)), ["does not list"]
    ),
    Attack(
        "no ranking model where the manifest has one",
        PREDICT,
        1,
        changed(_gone(RANKING, LEVELS)),
        ["ranking model"],
    ),
    Attack("levels that are not listed", RECOMMEND, 1, _unlisted(LEVELS), [f"{LEVELS} is not in"]),
    Attack("a ranking model that is not listed", RECOMMEND, 1, _unlisted(RANKING), [f"{RANKING} is not in"]),
    Attack(
        "both of them not listed", EXPLAIN, 1, _unlisted(RANKING, LEVELS), ["not in the release's manifest"]
    ),
]
