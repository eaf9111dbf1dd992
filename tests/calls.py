"""Words of the command line, as tests call it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = Callable[..., Any]  # the fixture `answer_of`: what the command line prints with --json


def sources(folder: Path) -> list[str]:
    """The options that name the ratings and titles of a sample."""
    return ["--ratings", str(folder / "ratings.csv"), "--titles", str(folder / "movie_titles.csv")]


def retrain_words(folder: Path, store: Path, *settings: str) -> list[str]:
    """A call of `retrain` on a sample."""
    chosen = [word for setting in settings for word in ("--set", setting)]
    return ["retrain", *sources(folder), "--store", str(store), *chosen]
