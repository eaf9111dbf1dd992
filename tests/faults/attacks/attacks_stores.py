"""Folders that are not a store, or only partly: foreign files, links, names that look like Matinee's, lost markers."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from attacks.ground import Attack, Ground

MARKER = "matinee-store.json"
DIGEST = "0123456789abcdef0123"
NO_STORE = "is not a Matinee store"
DEAD = 2**22 + 1  # no process has this number

SOURCES = ["--ratings", "{ratings}", "--titles", "{titles}"]
CHANGES = {
    "ingest": ["ingest", *SOURCES],
    "retrain": ["retrain", *SOURCES],
    "evaluate": ["evaluate", "--test", "{ratings}"],
    "prune": ["prune"],
    "forget": ["forget", "--user", "1"],
    "promote": ["promote", "v0001"],
    "rollback": ["rollback"],
    "rollback by name": ["rollback", "v0001"],
    "recommend to all": ["recommend", "--all", "--out", "{folder}/lists.parquet"],
}


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def _foreign(
    name: str, words: Sequence[str], prepare: Callable[[Ground], None] = lambda ground: None
) -> Attack:
    return Attack(name, [*words, "--store", "{foreign}"], 2, prepare, says=[NO_STORE, MARKER])


def _emptied(ground: Ground) -> None:
    """A foreign folder in which all names look like Matinee's and lead to foreign files."""
    for path in (ground.foreign / "letter.txt", *(ground.foreign / "running").rglob("*.txt")):
        path.unlink()
    (ground.foreign / "work" / "mine").rename(ground.foreign / "work" / DIGEST)
    (ground.foreign / "releases" / "mine").rename(ground.foreign / "releases" / "v0001")


def _link_marker(ground: Ground) -> None:
    (ground.foreign / MARKER).symlink_to(ground.store / MARKER)


def _unmark(ground: Ground) -> None:
    (ground.store / MARKER).unlink()


def _marked_again(ground: Ground) -> None:
    assert (ground.store / MARKER).is_file()


def _damage_marker(ground: Ground) -> None:
    (ground.store / MARKER).write_text("[" * 10_000)


def _unmark_to(kept: str) -> Callable[[Ground], None]:
    """Remove everything that identifies the store, except one file."""

    def prepare(ground: Ground) -> None:
        for name in {MARKER, "champion.json", "log.jsonl"} - {kept}:
            (ground.store / name).unlink()

    return prepare


def _without(name: str) -> Callable[[Ground], None]:
    return lambda ground: (ground.store / name).unlink()


def _link(place: str, target: str = ".") -> Callable[[Ground], None]:
    """Replace a part of the store by a link to foreign files."""

    def prepare(ground: Ground) -> None:
        path = ground.store / place
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            path.rename(ground.folder / "moved")
        path.symlink_to(ground.foreign / target)

    return prepare


def _still_linked(place: str) -> Callable[[Ground], None]:
    def check(ground: Ground) -> None:
        assert (ground.store / place).is_symlink()
        assert (ground.foreign / "letter.txt").is_file()

    return check


def _move_out(place: str) -> Callable[[Ground], None]:
    """Move a part of the store elsewhere, and link to it."""

    def prepare(ground: Ground) -> None:
        (ground.store / place).rename(ground.foreign / "moved")
        (ground.store / place).symlink_to(ground.foreign / "moved")

    return prepare


def _link_log(ground: Ground) -> None:
    (ground.store / "log.jsonl").unlink()
    (ground.store / "log.jsonl").symlink_to(ground.foreign / "letter.txt")


def _odd_releases(ground: Ground) -> None:
    os.mkfifo(ground.store / "releases" / "v0003")
    (ground.store / "releases" / "v0004").symlink_to("nowhere")
    (ground.store / "releases" / "v0001" / "loop").symlink_to("loop")


def _lose_champion(ground: Ground) -> None:
    (ground.store / "releases" / "v0002").rename(ground.folder / "moved")


def _plant(*names: str) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        for name in names:
            _write(ground.store / name, "mine")
            os.utime((ground.store / name).parent, (0, 0))

    return prepare


def _stay(*names: str) -> Callable[[Ground], None]:
    def check(ground: Ground) -> None:
        assert [name for name in names if not (ground.store / name).exists()] == []

    return check


def _is_cleared(ground: Ground) -> None:
    left = {path.name for path in ground.store.glob(".*")}
    assert left == {f".mine.json.{DEAD}", f".champion.json.{os.getppid()}"}


BACKUP = ["backup", "--store", "{store}", "--out", "{folder}/copy"]
PRUNE, FORGET = ["prune", "--store", "{store}"], ["forget", "--store", "{store}", "--user", "1"]
THESIS = ("datasets/mine/thesis.txt", "work/mine.partial/thesis.txt", "splits/v1.pruned/thesis.txt")
RUNS = ("running/mine/thesis.txt", "running/notes.txt", "releases/mine.pruned/thesis.txt")

ATTACKS = [
    *(_foreign(f"{name} on a folder that is no store", words) for name, words in CHANGES.items()),
    _foreign("prune where all names are ours", PRUNE[:1], _emptied),
    _foreign("forget where all names are ours", ["forget", "--user", "1"], _emptied),
    _foreign("prune where a link is the marker", PRUNE[:1], _link_marker),
    Attack("releases of a folder that is no store", ["releases", "--store", "{foreign}"], 0, says=[NO_STORE[3:]]),
    _foreign("similar in a folder that is no store", ["similar", "--movie", "1"]),
    Attack("doctor of a folder that is no store", ["doctor", "--store", "{foreign}"], 1, says=[NO_STORE]),
    Attack("prune of a file", ["prune", "--store", "{ratings}"], 2, says=["There is no store"]),
    Attack("a store below a file", ["ingest", *SOURCES, "--store", "{ratings}/store"], 2, says=["is a file"]),
    Attack(
        "a store without its marker is recognised", PRUNE, 0, _unmark, keeps_store=False, check=_marked_again
    ),
    Attack(
        "a damaged marker is written again", PRUNE, 0, _damage_marker, keeps_store=False, check=_marked_again
    ),
    Attack(
        "nothing but its log is left",
        ["promote", "--store", "{store}", "v0001"],
        0,
        _unmark_to("log.jsonl"),
        keeps_store=False,
        check=_marked_again,
    ),
    *(
        Attack(f"{words[0]} without its pointer", words, 1, _without("champion.json"), says=["promote --store"])
        for words in (PRUNE, ["rollback", *PRUNE[1:3]], ["releases", *PRUNE[1:3]], ["doctor", *PRUNE[1:3]], BACKUP)
    ),
    Attack(
        "nothing but its folders are left", PRUNE, 0, _unmark_to(""), keeps_store=False, check=_marked_again
    ),
    *(
        Attack(f"prune where {place} is a link", PRUNE, 0, _link(place, target), says=["symbolic link"],
               keeps_store=False, check=_still_linked(place))
        for place, target in (("work", "work"), ("splits", "datasets"), (f"datasets/{DIGEST}", "datasets/mine"))
    ),
    Attack("prune where running is a link", PRUNE, 2, _link("running", "running"), says=["symbolic link"]),
    *(
        Attack(f"forget where {place} is a link", FORGET, 1, _link(place, target), says=["symbolic link", place],
               keeps_store=False, check=_still_linked(place))
        for place, target in (("work", "work"), ("recommendations", "."), (f"outlooks/{DIGEST}", "datasets/mine"))
    ),
    *(
        Attack(f"forget where {place} are elsewhere", FORGET, 1, _move_out(place), says=[f"{place} is a symbolic link"],
               hides=["pruned"], keeps_store=False, check=_still_linked(place))
        for place in ("releases", "releases/v0002")
    ),
    Attack("a log that leads to another's file", ["promote", "v0001", "--store", "{store}"], 1, _link_log,
           says=["log.jsonl is a symbolic link"]),
    Attack("doctor among releases that are none", ["doctor", "--store", "{store}"], 0, _odd_releases,
           says=["ok    champion"], hides=["Errno"]),
    Attack("prune without the champion's folder", PRUNE, 1, _lose_champion,
           says=["champion.json names v0002", "promote"]),
    Attack("prune beside foreign folders", PRUNE, 0, _plant(*THESIS, *RUNS), check=_stay(*THESIS, *RUNS)),
    Attack(
        "forget beside foreign folders", FORGET, 0, _plant(*THESIS), keeps_store=False, check=_stay(*THESIS)
    ),
    Attack(
        "temporary files of dead processes go, others stay",
        PRUNE,
        0,
        _plant(f".champion.json.{DEAD}", f".probe-{DEAD}", f".mine.json.{DEAD}", f".champion.json.{os.getppid()}"),
        keeps_store=False,
        check=_is_cleared,
    ),
]  # fmt: skip
