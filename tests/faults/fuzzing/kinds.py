"""The kinds of fuzzed files: how each is corrupted, and which probes call the program afterwards."""

from dataclasses import dataclass

from fuzzing.ground import NOBODY
from fuzzing.probes import (
    ODD_FOLDERS,
    Probe,
    again,
    answers,
    assigned,
    dropped,
    forged,
    hived,
    ingested,
    noticed,
    predicted,
    queried,
    resumed,
    signed,
    signing,
    tabled,
    understood,
    verb,
)

from matinee.store import documents

ODD_FOLDERS += (
    "rating=%2F",
    "rating=" + "9" * 200,
    "rating=%",
    "rating=\udcff",
    "4",
    "rating=__HIVE_DEFAULT_PARTITION__",
)


@dataclass(frozen=True)
class Kind:
    """Files with the same mutations, and their probes: one of `probes` per case, and each of `always`."""

    form: str
    files: tuple[str, ...]  # globs below the ground
    probes: tuple[Probe, ...] = ()
    always: tuple[Probe, ...] = ()
    covered: bool = (
        False  # by a sha256 or checksums: an answer of `always` that differs without an error is a finding
    )


_LIST = verb("releases", "--store", "{store}", "--verify", "--json")
_LISTED = verb("releases", "--store", "{store}")
_PAIRS = ("--pairs", "{inputs}/pairs.csv", "--out", "{out}.csv")
_PREDICT = verb("predict", "--store", "{store}", *_PAIRS)
_RECOMMEND = verb("recommend", "--store", "{store}", "--user", "6", "7", "--out", "{out}.parquet")
_SIMILAR = verb("similar", "--store", "{store}", "--movie", "3")
_EVALUATE = verb(
    "evaluate",
    "--store",
    "{store}",
    "--test",
    "{inputs}/ratings.csv",
    "--set",
    "ingest.max_reject_fraction=0.1",
)
_DOCTOR = verb("doctor", "--store", "{store}")
_PRUNE = verb("prune", "--store", "{store}", "--keep", "1")
_FORGET = verb("forget", "--store", "{store}", "--user", "7")
_NOBODY = verb("forget", "--store", "{store}", "--user", str(NOBODY + 1))
_ROLLBACK = verb("rollback", "--store", "{store}")
_PROMOTE = verb("promote", "--store", "{store}", "v0001")
_USERS = (_PREDICT, _RECOMMEND, _SIMILAR, _LIST, _LISTED)
_KEEPERS = (_DOCTOR, _PRUNE, _FORGET, _NOBODY, _ROLLBACK, _PROMOTE, _EVALUATE)
_PLAYS = (
    verb("releases", "--store", "{plays}", "--verify", "--json"),
    verb("recommend", "--store", "{plays}", "--user", "6", "7", "--out", "{out}.parquet"),
    verb("predict", "--store", "{plays}", *_PAIRS),
    verb("doctor", "--store", "{plays}"),
    verb("prune", "--store", "{plays}", "--keep", "1"),
    verb("forget", "--store", "{plays}", "--user", "7"),
    verb("rollback", "--store", "{plays}"),
    verb("promote", "--store", "{plays}", "v0001"),
    verb("evaluate", "--store", "{plays}", "--test", "{inputs}/plays.csv"),
)
_TEXTS = (
    verb("releases", "--store", "{texts}", "--verify", "--json"),
    verb("recommend", "--store", "{texts}", "--user", "u6-é", "u7-é", "--out", "{out}.parquet"),
    verb("doctor", "--store", "{texts}"),
    verb("prune", "--store", "{texts}", "--keep", "1"),
    verb("forget", "--store", "{texts}", "--user", "u7-é"),
    verb("forget", "--store", "{texts}", "--user", "nobody"),
    verb("evaluate", "--store", "{texts}", "--test", "{inputs}/texts.csv"),
)
_STEPS = documents.KINDS
_V = "store/releases/v*/"


def _of_release(form: str, *names: str) -> Kind:
    return Kind(form, tuple(_V + name for name in names), always=(answers, forged), covered=True)


def _of_steps(form: str, *endings: str) -> Kind:
    files = tuple(f"store/{step}/*/{ending}" for step in _STEPS for ending in endings)
    return Kind(form, files, probes=(*_KEEPERS * 3, again), always=(noticed,), covered=True)


def _of_plays(form: str, *files: str) -> Kind:
    return Kind(form, files, probes=_PLAYS, always=(noticed,), covered=True)


def _source(form: str, name: str) -> Kind:
    return Kind(form, (f"inputs/{name}",), probes=(ingested, dropped, dropped))


KINDS: dict[str, Kind] = {
    "release weights": _of_release("safetensors", "weights.safetensors", "tested.safetensors"),
    "release ids": _of_release("parquet", "users.parquet", "movies.parquet"),
    "release ranking": _of_release("safetensors", "ranking.safetensors", "tested_ranking.safetensors"),
    "release seen": _of_release("npy", "seen.[mo]*.npy"),
    "release levels": _of_release("npy", "seen.levels.npy"),
    "release json": _of_release("json", "prior.json", "metrics.json", "settings.json"),
    "release pages": _of_release("bytes", "CARD.md", "plots/*.png"),
    "release manifest": Kind(
        "json", (_V + "manifest.json",), probes=(signed, *_USERS, *_KEEPERS), always=(answers,)
    ),
    "release signature": Kind(
        "text", (_V + "manifest.json.minisig",), always=(signed,), probes=(answers, _LIST), covered=True
    ),
    "public key": Kind("text", ("inputs/key.pub",), always=(signed,), covered=True),
    "secret key": Kind("text", ("inputs/key.sec",), probes=(signing,)),
    "pointer": Kind("json", ("store/champion.json",), probes=(*_USERS, *_KEEPERS)),
    "log": Kind("jsonl", ("store/log.jsonl",), probes=(*_USERS, *_KEEPERS)),
    "store json": Kind("json", ("store/*.json",), probes=(*_KEEPERS, again)),
    "lists": Kind("parquet", ("store/recommendations/*.parquet",), probes=(_FORGET, _PRUNE, _DOCTOR)),
    "step manifests": Kind(
        "json", tuple(f"store/{step}/*/manifest.json" for step in _STEPS), probes=(*_KEEPERS, again)
    ),
    "step json": _of_steps("json", "[!m]*.json", "metrics.json"),
    "step tables": _of_steps("parquet", "*.parquet"),
    "step weights": _of_steps("safetensors", "*.safetensors"),
    "step plots": _of_steps("bytes", "plots/*.png"),
    "checkpoint": Kind(
        "safetensors",
        ("store/work/*/*.safetensors",),
        always=(resumed,),
        probes=(_FORGET, *[_PRUNE] * 4),
        covered=True,
    ),
    "kept titles": Kind("text", ("store/titles/*",), probes=(dropped, _DOCTOR, _PRUNE)),
    "ratings csv": _source("text", "ratings.csv"),
    "ratings netflix": _source("text", "netflix.txt"),
    "ratings gzip": _source("gzip", "ratings.csv.gz"),
    "ratings zstd": _source("zstd", "ratings.csv.zst"),
    "ratings tar": _source("tar", "ratings.tar"),
    "ratings tar.gz": _source("tar.gz", "ratings.tar.gz"),
    "ratings zip": _source("zip", "ratings.zip"),
    "ratings bz2": _source("bz2", "ratings.csv.bz2"),
    "ratings xz": _source("xz", "ratings.csv.xz"),
    "ratings arrow": _source("arrow", "ratings.arrow"),
    "ratings json lines": _source("jsonl", "ratings.jsonl"),
    "ratings inter": _source("text", "ratings.inter"),
    "ratings utf-16": _source("utf-16", "utf-16.csv"),
    "delta log": Kind("jsonl", ("inputs/delta/_delta_log/*.json",), probes=(tabled,)),
    "delta checkpoint": Kind("parquet", ("inputs/delta/_delta_log/*.parquet",), probes=(tabled,)),
    "plays releases": Kind(
        "safetensors", ("plays/releases/*/ranking.safetensors",), always=(answers, forged), covered=True
    ),
    "plays release json": Kind(
        "json", ("plays/releases/*/metrics.json", "plays/releases/*/manifest.json"), probes=_PLAYS
    ),
    "plays evaluations": _of_plays(
        "json", "plays/evaluations/*/metrics.json", "plays/evaluations/*/decision.json"
    ),
    "plays manifests": Kind(
        "json", ("plays/rankings/*/manifest.json", "plays/evaluations/*/manifest.json"), probes=_PLAYS
    ),
    "plays tables": _of_plays("parquet", "plays/splits/*/*.parquet", "plays/partitions/*/*.parquet"),
    "text releases": Kind(
        "parquet", ("texts/releases/*/[um]*.parquet",), always=(answers, forged), covered=True
    ),
    "text tables": Kind(
        "parquet",
        tuple(f"texts/{step}/*/*.parquet" for step in ("partitions", "datasets", "encodings", "splits")),
        probes=_TEXTS,
        always=(noticed,),
        covered=True,
    ),
    "ratings text ids": Kind("text", ("inputs/texts.csv",), probes=(ingested, ingested, dropped)),
    "ratings sqlite": Kind("sqlite", ("inputs/ratings.sqlite",), probes=(queried,)),
    "ratings duckdb": Kind("duckdb", ("inputs/ratings.duckdb",), probes=(queried,)),
    "hive folder": Kind("parquet", ("inputs/hive/*/*.parquet",), probes=(hived,)),
    "ratings parquet": _source("parquet", "ratings.parquet"),
    "titles": _source("text", "titles.csv"),
    "titles gzip": _source("gzip", "titles.csv.gz"),
    "titles movielens": _source("text", "movies.dat"),
    "pairs": Kind("text", ("inputs/pairs.csv", "inputs/probe.txt"), probes=(predicted,)),
    "pairs gzip": Kind("gzip", ("inputs/pairs.csv.gz",), probes=(predicted,)),
    "settings json": Kind("json", ("inputs/settings.json",), probes=(understood,)),
    "settings toml": Kind("toml", ("inputs/settings.toml",), probes=(understood, assigned)),
}
