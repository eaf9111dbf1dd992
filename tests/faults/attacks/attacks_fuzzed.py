"""Findings of the fuzzer, one row per cause: files that caused a traceback, a dead process or a wrong answer."""

import gzip

import pyarrow as pa
from attacks.changed_releases import (
    array,
    changed,
    changed_bytes,
    changed_json,
    claim,
    cutoffs,
    empty_but_says_so,
    table,
    weights,
)
from attacks.ground import Attack
from attacks.spoiling import columns, puts, source, spoil, writes
from packed import nested, zstd

SIMILAR = ["similar", "--store", "{store}", "--movie", "3"]
RELEASES = ["releases", "--store", "{store}", "--verify"]
DOCTOR = ["doctor", "--store", "{store}"]
INGEST = ["ingest", "--titles", "{titles}", "--store", "{folder}/new", "--ratings"]
FORGET = ["forget", "--store", "{store}", "--user", "7"]
PREDICT = ["predict", "--store", "{store}", "--out", "{folder}/out.csv", "--pairs"]
DEEP = b"[" * 100_000


ATTACKS = [
    Attack(
        "null as a line of the log",
        ["prune", "--store", "{store}"],
        0,
        spoil("log.jsonl", lambda data: b"null\n" + data),
        keeps_store=False,
    ),
    Attack(
        "a list of the forgotten in UTF-16",
        FORGET,
        1,
        writes("forgotten.json", '{"salt": ""}'.encode("utf-16")),
        ["forgotten.json"],
    ),
    Attack(
        "a pointer to a number of 400 digits",
        SIMILAR,
        1,
        writes("champion.json", b'{"version": 1' + b"0" * 400 + b"}"),
        ["champion.json"],
    ),
    Attack(
        "a pointer to a list",
        SIMILAR,
        1,
        writes("champion.json", b'{"version": ["v0002"]}'),
        ["champion.json"],
    ),
    Attack("a pointer nested 100,000 deep", DOCTOR, 1, writes("champion.json", DEEP), ["champion.json"]),
    Attack(
        "a step's manifest nested 100,000 deep",
        ["prune", "--store", "{store}"],
        1,
        writes("splits/*/manifest.json", DEEP),
        says=["nested too deeply", "Move the folder"],
    ),
    Attack(
        "lists whose users are halves of numbers",
        FORGET,
        0,
        writes("recommendations/v0002.parquet", columns(user_id=pa.array([0.5, 1, 2], pa.float16()))),
        ["is damaged"],
        keeps_store=False,
    ),
    Attack("a model without a name", SIMILAR, 1, claim(model=""), ["model"]),
    Attack(
        "cutoffs that are text",
        ["evaluate", "--store", "{store}", "--test", "{ratings}"],
        1,
        claim(split={"settings": 3}),
        ["split"],
    ),
    Attack(
        "a cutoff that is a date",
        ["evaluate", "--store", "{store}", "--test", "{ratings}"],
        1,
        changed(cutoffs(test={"1.0": "2020-01-01"}), sealed=False),
        ["split.cutoffs"],
    ),
    Attack(
        "a share of 2**70",
        ["evaluate", "--store", "{store}", "--test", "{ratings}"],
        1,
        changed(cutoffs(test={}, test_share=2.0**70), sealed=False),
        ["split.cutoffs"],
    ),
    Attack(
        "zstd within zstd, 40 deep",
        [*INGEST, "{folder}/deep.zst"],
        3,
        source("deep.zst", lambda data: nested(data, 40, zstd)),
        ["deep.zst"],
    ),
    Attack(
        "gzip with a flag that nobody knows",
        [*INGEST, "{folder}/flag.gz"],
        3,
        source("flag.gz", lambda data: gzip.compress(data)[:3] + b"\xff" + gzip.compress(data)[4:]),
        ["flag.gz"],
    ),
    Attack(
        "Parquet with pictures in a column",
        [*INGEST, "{folder}/p.parquet", "--set", "ingest.scale=1-5"],
        0,
        puts("p.parquet", columns(poster=pa.array([b"\xff", b"", b"\0"]))),
        ["3 accepted"],
    ),
    Attack(
        "Parquet with a footer of 2 GB",
        [*INGEST, "{folder}/f.parquet"],
        3,
        puts("f.parquet", columns()[:-8] + b"\xff\xff\xff\x7fPAR1"),
        ["f.parquet"],
    ),
    Attack(
        "a TOML key of 5,000 parts",
        [*INGEST, "{ratings}", "--settings", "{folder}/s.toml"],
        2,
        puts("s.toml", b".".join([b"a"] * 5000) + b" = 1"),
        ["is not known"],
    ),
    Attack(
        "weights without the movies' biases",
        SIMILAR,
        1,
        changed(weights(lambda tables: tables.pop("movie_bias"))),
        ["movie_bias"],
    ),
    Attack(
        "vectors of one number for all users",
        SIMILAR,
        1,
        changed(weights(lambda tables: tables.update(user_factors=tables["user_factors"].reshape(1, -1)))),
        ["weights.safetensors", "shape"],
    ),
    Attack(
        "fewer users than vectors",
        SIMILAR,
        1,
        changed(table("users.parquet", lambda users: users.slice(0, 7))),
        ["users.parquet"],
    ),
    Attack(
        "movies thrice",
        SIMILAR,
        1,
        changed(table("movies.parquet", lambda movies: pa.concat_tables([movies] * 3))),
        ["movies.parquet"],
    ),
    Attack(
        "a table that says it has rows and has none",
        SIMILAR,
        1,
        changed(changed_bytes("movies.parquet", empty_but_says_so)),
        ["movies.parquet", "contains 0"],
    ),
    Attack(
        "offsets that are truth values",
        SIMILAR,
        1,
        changed(array("seen.offsets.npy", lambda offsets: offsets.astype(bool))),
        ["seen.offsets.npy"],
    ),
    Attack(
        "one offset",
        SIMILAR,
        1,
        changed(array("seen.offsets.npy", lambda offsets: offsets[:1])),
        ["seen.offsets.npy"],
    ),
    Attack(
        "an array whose header does not end",
        SIMILAR,
        1,
        changed(changed_bytes("seen.movies.npy", lambda data: data.replace(b"(", b"((", 1))),
        ["seen.movies.npy"],
    ),
    Attack(
        "a prior whose picks are an empty list",
        SIMILAR,
        1,
        changed(changed_json("prior.json", lambda prior: prior.update(picks=[]))),
        ["prior.json", "picks"],
    ),
    Attack(
        "a prior of texts",
        SIMILAR,
        1,
        changed(changed_json("prior.json", lambda prior: prior.update(mean=["a"]))),
        ["prior.json"],
    ),
    Attack(
        "metrics nested 100,000 deep",
        SIMILAR,
        1,
        changed(changed_bytes("metrics.json", lambda _: DEEP)),
        ["metrics.json"],
    ),
]
