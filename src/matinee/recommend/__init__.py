"""Movie lists for all users of a release, or for some."""

from matinee.recommend.lists import NARROWED, TOP, Recommended, recommend_all, recommend_some
from matinee.recommend.movie_ids import read_movie_ids

__all__ = ["NARROWED", "TOP", "Recommended", "read_movie_ids", "recommend_all", "recommend_some"]
