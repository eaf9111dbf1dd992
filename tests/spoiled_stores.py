"""What may be damaged in a store before forget runs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matinee.registry import Registry

BASE = 7_654_321_000  # ids unlike any other number in a store
WHO = BASE + 500


def first(root: Path, kind: str, name: str) -> Path:
    return sorted(root.glob(f"{kind}/*/{name}"))[0]


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "a manifest of a candidate without a byte": lambda root: first(
        root, "candidates", "manifest.json"
    ).write_text(""),
    "a partition without its users": lambda root: first(root, "partitions", "user_id.parquet").unlink(),
    "a table of users that was cut": lambda root: cut(first(root, "encodings", "users.parquet")),
    "rejects that were cut": lambda root: cut(first(root, "partitions", "rejects.parquet")),
    "JSON that is not UTF-8": lambda root: first(root, "evaluations", "decision.json").write_bytes(b'{"\xff'),
    "JSON of another type": lambda root: first(root, "datasets", "manifest.json").write_text("[]"),
    "a folder without a manifest": lambda root: first(root, "splits", "manifest.json").unlink(),
    "a manifest that names no dataset": lambda root: rename_key(first(root, "splits", "manifest.json")),
    "a pipe in place of a table": lambda root: pipe(first(root, "encodings", "users.parquet")),
    "lists that were cut": lambda root: write_lists(root).write_bytes(b"PAR1" + WHO.to_bytes(8, "little")),
    "files of somebody else": lambda root: [
        (root / kind / "notes.txt").write_text("mine") for kind in ("datasets", "releases")
    ],
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def rename_key(path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace('"dataset"', '"datasat"'), "utf-8")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def write_lists(root: Path) -> Path:
    lists = Registry(root).lists("v0001")
    lists.parent.mkdir()
    return lists


def link_work(root: Path) -> str:
    elsewhere = root.parent / "elsewhere"
    (root / "work").rename(elsewhere)
    (root / "work").symlink_to(elsewhere)
    return "work"


def cut_users(root: Path) -> str:
    cut(root / "releases" / "v0001" / "users.parquet")
    return "releases/v0001"


def empty_manifest(root: Path) -> str:
    (root / "releases" / "v0001" / "manifest.json").write_text("")
    return "releases/v0001"


def lose_manifest(root: Path) -> str:
    (root / "releases" / "v0001" / "manifest.json").unlink()
    return "releases/v0001"
