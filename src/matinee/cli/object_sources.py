"""Sources of a call that are in an object store."""

import argparse

from matinee.store.remote import names_remote


def fetch_sources(call: argparse.Namespace) -> None:
    """Put files of this host in place of ratings, test rows and titles that are in an object store."""
    given = [*getattr(call, "ratings", []), *getattr(call, "test", []), getattr(call, "titles", "")]
    if not any(map(names_remote, given)):
        return
    from matinee.ingest.reading.object_sources import local_file, local_sources  # noqa: PLC0415 - imports polars

    for name in {"ratings", "test"} & vars(call).keys():
        setattr(call, name, local_sources(getattr(call, name)))
    if hasattr(call, "titles"):
        call.titles = local_file(call.titles)
