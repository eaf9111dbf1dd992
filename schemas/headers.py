"""What the columns of files are called: the names that are known without being told."""

from typing import Final

# By column, without case, spaces and signs, the preferred one first: of `date` and `timestamp` in one file the date
# is read.
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "user_id": ("userid", "customerid", "custid", "user", "customer", "uid"),
    "movie_id": ("movieid", "itemid", "filmid", "movie", "item", "film", "iid"),
    "rating": ("rating", "rate", "stars", "score"),
    "date": ("date", "ratingdate", "timestamp", "time", "unixtime", "unixtimestamp"),
}


def plain_name(name: str) -> str:
    """A column's name without case, spaces and signs."""
    return "".join(char for char in name.lower() if char.isalnum())
