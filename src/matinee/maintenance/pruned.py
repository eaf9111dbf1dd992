"""What a prune did."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pruned:
    """What was removed and what was kept."""

    releases: list[str]
    kept: list[str]
    folders: int  # besides the releases; held candidates and searches are among them
    held_removed: list[str]  # held candidates that are gone
    searches: int
    bytes: int
    held: list[str]  # held candidates that stayed
    why: dict[str, str]  # of each kept release, why it stayed
