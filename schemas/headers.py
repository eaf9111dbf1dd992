"""Known names of the columns of rating files."""

from typing import Final

# By column, in lower case without spaces or punctuation, the preferred name first: if a file has `date` and
# `timestamp`, the date is read.
USUAL: Final[dict[str, tuple[str, ...]]] = {
    "user_id": ("userid", "customerid", "custid", "user", "customer", "uid"),
    "movie_id": ("movieid", "itemid", "filmid", "movie", "item", "film", "iid"),
    "rating": ("rating", "rate", "stars", "score"),
    "date": ("date", "ratingdate", "timestamp", "time", "unixtime", "unixtimestamp"),
}
_DATABASES: Final = (
    "imdbid",
    "tconst",
    "tmdbid",
)  # ids of movie databases, which a file may have in addition to ids of its own
# Names in data of other things than movies.
_OTHER: Final[dict[str, tuple[str, ...]]] = {
    "user_id": ("reviewerid", "memberid", "accountid", "profileid", "viewerid", "username", "usermd5"),
    "movie_id": (
        *(
            "animeid",
            "malid",
            "bookid",
            "isbn",
            "parentasin",
            "asin",
            "businessid",
            "productid",
            "trackid",
            "songid",
        ),
        *("artistid", "gameid", "appid", "showid", "titleid", "contentid", "articleid", "recipeid"),
        *_DATABASES,
    ),
    "rating": (
        "overall",
        "bookrating",
        "userrating",
        "ratingvalue",
        "starrating",
        "ratingscore",
        "ratingval",
        "star",
        "grade",
        "reviewscore",
        "myscore",
    ),
    "date": (
        *("watchedat", "watcheddate", "ratedat", "createdat", "reviewedat", "reviewdate"),
        *(
            "unixreviewtime",
            "reviewtime",
            "datetime",
            "ts",
            "playedat",
            "viewedat",
            "ratingtime",
            "dateadded",
        ),
    ),
}
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    column: (*names, *_OTHER[column]) for column, names in USUAL.items()
}

# The same for titles files. `id` and the names of movie ids above are their movie ids.
TITLE_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "movie_id": (*(name for name in ALIASES["movie_id"] if name not in _DATABASES), "id", *_DATABASES),
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
    """A column's name in lower case, without spaces, punctuation and a type such as `:token`."""
    return "".join(char for char in name.partition(":")[0].lower() if char.isalnum())
