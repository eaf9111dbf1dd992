"""The columns of lists: ids are integers or text, as the release has them."""

from typing import Final

import pyarrow as pa

from matinee.release import Release
from matinee.schemas.columns import arrow_fields
from matinee.schemas.recommendations import Recommendations

_FIELDS: Final = tuple(arrow_fields(Recommendations))


def text_columns(release: Release) -> list[str]:
    """The columns whose ids are text."""
    maps = {"user_id": release.users, "movie_id": release.movies}
    return [name for name, ids in maps.items() if ids.texts is not None]


def lists_schema(release: Release) -> pa.Schema:
    """The schema of the lists by a release."""
    texts = text_columns(release)
    return pa.schema([field.with_type(pa.string()) if field.name in texts else field for field in _FIELDS])
