"""metrics.json and outlook.json for plays without ratings: only figures of lists."""

from typing import ClassVar

from pydantic import Field

from matinee.formats.base import Format
from matinee.formats.metrics import Figures, Leakage, Ranking, TemporalLists


class PlayTemporal(Format):
    """Lists for the latest tenth of the plays, by a ranking model of the plays before."""

    cut: str = Field(description="First day of the held-out rows, as YYYY-MM-DD.")
    rows: int = Field(description="Rows from that day on.")
    rows_fitted: int = Field(description="Rows before it.")
    users_share: float = Field(
        description="Share of the users that the figures are about; 1 up to five million rows."
    )
    lists: TemporalLists | None = Field(description="Lists for the time after the cut.")


class PlayTemporalHoldout(Format):
    """outlook.json of plays."""

    NAME: ClassVar[str] = "outlook.json"

    temporal: PlayTemporal | None = Field(description="The figures; null where there are too few dates.")


class PlayMetrics(Figures):
    """metrics.json of plays, which have no ratings figures."""

    NAME: ClassVar[str] = "metrics.json"

    ndcg_at_10: float = Field(description="nDCG@10 of `recommend` on the test rows.")
    recall_at_10: float = Field(description="Recall@10 of `recommend`.")
    popularity_ndcg_at_10: float = Field(description="nDCG@10 of popularity on the same users.")
    rows: int = Field(description="Number of test rows.")
    users: int = Field(description="Users with a test row.")
    movies: int = Field(description="Movies with a test row.")
    rows_of_unknown_users: int = Field(description="Test rows of users without a fitted row.")
    rows_of_unknown_movies: int = Field(description="Test rows of movies without a fitted row.")
    ranking: Ranking = Field(description="Order of the whole catalog.")
    temporal: PlayTemporal | None = Field(None, description="Lists for the latest plays; null without dates.")
    hindsight: Leakage | None = Field(
        None, description="What the split lets the model see; null without dates."
    )
