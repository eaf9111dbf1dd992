"""Movie lists for all users of a release, or for some."""

from matinee.recommend.lists import TOP, Recommended, recommend_all, recommend_some

__all__ = ["TOP", "Recommended", "recommend_all", "recommend_some"]
