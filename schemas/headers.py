"""Known names of the columns of rating files."""

from typing import Final

# By column, in lower case without spaces and punctuation, the preferred name first: if a file has `date` and
# `timestamp`, the date is read.
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "user_id": ("userid", "customerid", "custid", "user", "customer", "uid"),
    "movie_id": ("movieid", "itemid", "filmid", "movie", "item", "film", "iid"),
    "rating": ("rating", "rate", "stars", "score"),
    "date": ("date", "ratingdate", "timestamp", "time", "unixtime", "unixtimestamp"),
}

# The same for titles files. `id` and the names of movie ids above are their movie ids.
TITLE_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "movie_id": (*ALIASES["movie_id"], "id"),
    "title": (
        *("title", "movietitle", "filmtitle", "name", "moviename", "filmname", "booktitle", "itemtitle"),
        *("primarytitle", "originaltitle", "productname", "itemname"),
    ),
    "year": (
        *("year", "yearofrelease", "releaseyear", "startyear", "yearofpublication", "publicationyear"),
        *("originalpublicationyear", "releasedate"),
    ),
}


def plain_name(name: str) -> str:
    """A column's name in lower case, without spaces and punctuation."""
    return "".join(char for char in name.lower() if char.isalnum())
