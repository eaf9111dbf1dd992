"""A drop folder with a good file of ratings, and a night that takes it in."""

from pathlib import Path

from matinee.ingest.inbox.intake import Intake, take_in
from matinee.settings import Settings
from matinee.store import Store

HEADER = "userID,movieID,rating\n"


GOOD = HEADER + "".join(
    f"{user},{movie},{1 + (user + movie) % 5}\n" for user in range(20) for movie in range(9)
)


def write_drop(folder: Path) -> Path:
    """A drop folder with titles and a good file of ratings."""
    folder.mkdir()
    (folder / "movie_titles.csv").write_text("1,2003,A\n2,NULL,B\n")
    (folder / "good.csv").write_text(GOOD)
    return folder


def night(store: Store, drop: Path) -> Intake:
    """One night that waits for no file to settle."""
    return take_in(store, drop, titles="movie_titles.csv", settings=Settings(), settle_seconds=0)
