"""What a release of plays cannot do: predict ratings. Its lists, similar movies and reasons are as those of others."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from matinee.errors import ConfigError, ReleaseError

PLAYS_MODEL: Final = "ranking"  # `model` in the manifest of a release that has only lists
OF_PLAYS: Final = "A model that lists movies, fitted on plays. It predicts no ratings."
NO_PREDICTIONS: Final = (
    "It was trained on plays (ingest.feedback=implicit), so it has lists and no predicted ratings: ask it for "
    "recommend, similar, fold_in or explain."
)


def is_of_plays(scale: tuple[float, float]) -> bool:
    """Whether a scale is that of plays, whose ends are the same."""
    return scale[0] == scale[1]


def no_predictions(version: str) -> ReleaseError:
    """The error for a prediction that a release of plays is asked for."""
    return ReleaseError(f"Release {version} can't predict ratings. {NO_PREDICTIONS}")


def played_ids(given: Iterable[Any], version: str) -> list[Any]:
    """The movies that a new user played, each once.

    Raises ConfigError for ratings, of which a release of plays makes nothing.
    """
    ids = [] if isinstance(given, Mapping) else list(given)
    if isinstance(given, Mapping) or any(isinstance(each, tuple | list) for each in ids):
        raise ConfigError(
            f"Release {version} was trained on plays and takes no ratings. Give the ids of the movies that the user "
            "played, such as fold_in([1, 2, 3])."
        )
    return list(dict.fromkeys(ids))
