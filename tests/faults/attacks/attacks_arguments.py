"""Arguments and settings without a meaning, or with an unintended one: numbers, names, files, sizes."""

import os
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
from attacks.ground import Attack, Ground

STORE = ["--store", "{store}"]
LISTS = ["recommend", *STORE, "--out", "{folder}/lists.parquet"]
SAMPLE = ["sample", "--out", "{folder}/sample"]
EVALUATE = ["evaluate", *STORE, "--test", "{ratings}"]


def _settings(content: bytes, name: str = "settings.json") -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        (ground.folder / name).write_bytes(content)

    return prepare


def _file(name: str, content: bytes, says: str, *, suffix: str = "json") -> Attack:
    file = f"settings.{suffix}"
    words = [*EVALUATE, "--settings", f"{{folder}}/{file}", "--json"]
    return Attack(f"a settings file with {name}", words, 2, prepare=_settings(content, file), says=[says])


def _number(name: str, words: list[str], says: str = "nvalid", **more: Any) -> Attack:
    return Attack(name, words, 2, says=[says], **more)


def _id(name: str, words: list[str]) -> Attack:
    return _number(name, words, "whole number")


def _one_list(ground: Ground) -> None:
    table = pq.read_table(ground.folder / "lists.parquet")
    assert len(set(table["user_id"].to_pylist())) == 1
    assert table["rank"].to_pylist() == list(range(1, len(table) + 1))


def _no_sample(ground: Ground) -> None:
    assert not (ground.folder / "sample").exists()


def _foreign_sample(ground: Ground) -> None:
    folder = ground.folder / "sample"
    folder.mkdir()
    (folder / "ratings.csv").write_text("mine")
    (folder / "truth.json").write_text("{}")


def _mine(ground: Ground) -> None:
    assert (ground.folder / "sample" / "ratings.csv").read_text() == "mine"


NUMBERS = [
    _id("an id with an underscore", [*LISTS, "--user", "1_0"]),
    _id("an id in digits of another script", ["similar", *STORE, "--movie", "١٢"]),
    _id("an id with blanks", [*LISTS, "--user", " 6"]),
    _id("an id beyond 64 bits", [*LISTS, "--user", "9223372036854775808"]),
    _id("an id of 5,000 digits", ["similar", *STORE, "--movie", "9" * 5000, "--json"]),
    _number("a list of no movies", [*LISTS, "--user", "6", "--top", "0"], "1 or more, found 0"),
    _number("a number of movies with an underscore", ["similar", *STORE, "--movie", "8", "--top", "1_0"]),
    _number("releases to keep in hexadecimal", ["prune", *STORE, "--keep", "0x1"]),
    Attack("an id below zero", ["forget", *STORE, "--user", "-5"], 2),
    Attack(
        "more movies than memory holds",
        [*LISTS, "--user", "6", "--top", "1000000000000"],
        0,
        check=_one_list,
    ),
    Attack(
        "a list longer than any number", ["similar", *STORE, "--movie", "8", "--top", "9" * 18, "--json"], 0
    ),
    Attack("three thousand times one user", [*LISTS, "--user", *["6"] * 3000], 0, check=_one_list),
]

SAMPLES = [
    Attack("a sample of 10^18 ratings", [*SAMPLE, "--ratings", "1" + "0" * 18], 2, says=["expected"], check=_no_sample),
    Attack("a sample without users", [*SAMPLE, "--users", "0"], 2, says=["users is 0"], check=_no_sample),
    Attack("a sample dirtier than itself", [*SAMPLE, "--dirty", "2"], 2, says=["dirty is 2"], check=_no_sample),
    _number("a sample as dirty as nan", [*SAMPLE, "--dirty", "nan"], check=_no_sample),
    Attack("a sample with a seed below zero", [*SAMPLE, "--seed", "-1"], 2, says=["seed is -1"], check=_no_sample),
    Attack("a sample into a file", ["sample", "--out", "{ratings}"], 2, says=["can't be written"]),
    Attack(
        "a sample over files that are none",
        [*SAMPLE, "--ratings", "1000"],
        2,
        prepare=_foreign_sample,
        says=["left as they are"],
        check=_mine,
    ),
]  # fmt: skip

SETTINGS = [
    _file("100,000 brackets", b'{"train": ' + b"[" * 100_000, "nested too deeply"),
    _file("a list at its top", b"[]", "not an object"),
    _file("infinity", b"[gate]\ntolerance = inf", "finite", suffix="toml"),
    Attack("a settings file that is a folder", [*EVALUATE, "--settings", "{folder}"], 2, says=["could not be read"]),
    Attack("a settings file that never ends", [*EVALUATE, "--settings", "/dev/zero"], 2, says=["not a plain file"]),
    Attack("a settings file that is a pipe", [*EVALUATE, "--settings", "{folder}/pipe"], 2,
        prepare=lambda ground: os.mkfifo(ground.folder / "pipe"), says=["not a plain file"]),
    Attack("a setting without a value", [*EVALUATE, "--set", "train.epochs", "--json"], 2, says=["not understood"]),
    Attack("a setting that is nested deep", [*EVALUATE, "--set", "train.epochs=" + "[" * 50_000], 2,
        says=["nested too deeply"]),
    Attack("a file of arguments", ["releases", *STORE, "@{ratings}"], 2, says=["nrecognized"]),
]  # fmt: skip

STORES = [
    Attack("predictions from a folder that is no store", ["predict", "--store", "{foreign}", "--pairs", "{ratings}",
        "--out", "{folder}/out.csv"], 2, says=["is not a Matinee store"]),
    Attack("an absent store", ["prune", "--store", "{folder}/absent"], 2, says=["/absent"]),
]  # fmt: skip

ATTACKS = [*STORES, *NUMBERS, *SAMPLES, *SETTINGS]
