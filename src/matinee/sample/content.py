"""The content of a sample: titles and ratings in one format, and the ground truth about them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from matinee.errors import ConfigError
from matinee.sample.dirt import Dirt, plan_dirt, soil_titles
from matinee.sample.planted import RANK, Planted, plant
from matinee.sample.rows import SampleStatistics, write_csv, write_netflix, write_table
from matinee.sample.tables import TableFormat
from matinee.sample.text_ids import with_text_id
from matinee.sample.titles import invent_titles
from matinee.store import progress

SampleFormat = Literal["csv", "netflix", TableFormat]
RATINGS: Final = "ratings.csv"
TITLES: Final = "movie_titles.csv"
_VERSION: Final = 1  # of the generator: raise it when the same seed gives other bytes


class Truth(BaseModel):
    """The ground truth of a sample; every RMSE is over its clean rows."""

    model_config = ConfigDict(frozen=True)

    version: int
    seed: int
    format: SampleFormat
    feedback: Literal["explicit", "implicit"] = "explicit"
    ids: Literal["integer", "text"] = "integer"
    dirty: float
    rows: int  # ratings and bad rows together
    ratings: int  # clean rows, each pair once
    users: int
    movies: int
    rated_movies: int
    rank: int
    mean_rating: float | None = None  # these four are null for plays
    best_rmse: float | None = None
    bias_only_rmse: float | None = None
    global_mean_rmse: float | None = None
    rejects: dict[str, int]
    titles: int  # clean title rows
    title_rejects: dict[str, int]


@dataclass(frozen=True)
class Sample:
    """The sample to write; the fields are the arguments of `write_sample`."""

    ratings: int
    users: int
    movies: int
    seed: int
    format: SampleFormat
    dirty: float
    feedback: Literal["explicit", "implicit"]
    ids: Literal["integer", "text"]

    @property
    def is_of_plays(self) -> bool:
        return self.feedback == "implicit"

    @property
    def has_text_ids(self) -> bool:
        return self.ids == "text"

    def check_format(self) -> None:
        """Raise ConfigError for a format that the rows can't be written in."""
        if self.is_of_plays and (self.format != "csv" or self.dirty):
            raise ConfigError(
                "No sample was written: plays are written as clean CSV. Leave out --format and --dirty."
            )
        if self.has_text_ids and self.format == "netflix":
            raise ConfigError(
                "No sample was written: the format of Netflix has numbers as ids of movies. Leave out --ids text, or "
                "--format netflix."
            )
        if self.format not in ("csv", "netflix") and self.dirty:
            raise ConfigError(
                f"No sample was written: {self.format} is written without bad rows. Leave out --dirty, or use csv or "
                "netflix."
            )

    def write(self, folder: Path) -> Truth:
        """Write titles and ratings; returns the ground truth."""
        planted = plant(ratings=self.ratings, users=self.users, movies=self.movies, seed=self.seed)
        netflix, text_ids = self.format == "netflix", self.has_text_ids
        dirt = plan_dirt(self.ratings, dirty=self.dirty, netflix=netflix, seed=self.seed, text_ids=text_ids)
        title_rejects = self._write_titles(folder / TITLES)
        progress.begin("writing ratings", total=self.ratings, unit="ratings")
        statistics = self._write_ratings(folder, planted, dirt)
        return Truth(
            version=_VERSION,
            seed=self.seed,
            format=self.format,
            feedback=self.feedback,
            ids=self.ids,
            dirty=self.dirty,
            rows=self.ratings + len(dirt.kinds),
            ratings=self.ratings,
            users=self.users,
            movies=self.movies,
            rated_movies=int(statistics.rated.sum()),
            rank=RANK,
            **({} if self.is_of_plays else _figures(statistics)),
            rejects=dirt.counts(),
            titles=self.movies,
            title_rejects=title_rejects,
        )

    def _write_titles(self, path: Path) -> dict[str, int]:
        """Write a title for each movie, and bad rows; returns the number of those by code."""
        titles, text_ids = invent_titles(self.movies, seed=self.seed), self.has_text_ids
        lines, rejects = soil_titles(titles, dirty=self.dirty, seed=self.seed, text_ids=text_ids)
        if text_ids:
            lines = list(map(with_text_id, lines))
        path.write_bytes("".join(f"{line}\n" for line in lines).encode("iso-8859-1"))
        return rejects

    def _write_ratings(self, folder: Path, planted: Planted, dirt: Dirt) -> SampleStatistics:
        if self.format == "csv":
            plays, text_ids = self.is_of_plays, self.has_text_ids
            return write_csv(folder / RATINGS, planted, dirt=dirt, plays=plays, text_ids=text_ids)
        if self.format == "netflix":
            return write_netflix(folder, planted, dirt=dirt)
        return write_table(
            folder / f"ratings.{self.format}", planted, self.format, text_ids=self.has_text_ids
        )


def _figures(statistics: SampleStatistics) -> dict[str, float]:
    names = ("mean_rating", "best_rmse", "bias_only_rmse", "global_mean_rmse")
    return {name: round(getattr(statistics, name), 6) for name in names}
