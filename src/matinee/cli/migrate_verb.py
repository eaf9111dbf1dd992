"""The verb `migrate`."""

import argparse
from collections import Counter
from collections.abc import Iterator

from matinee.cli.outcome import Outcome
from matinee.pipeline.upgrade import ReleaseFormat, Upgrade
from matinee.pipeline.upgrade import migrate as library
from matinee.release.manifest import TEXT_SCHEMA_VERSION
from matinee.store.identity import STORE_VERSION


def migrate(call: argparse.Namespace) -> Outcome:
    """Update the file formats of a store to this version, and report what the next run will compute again.

    The exit status is 1 if this version can't use a release.
    """
    found = library(call.store, dry_run=call.dry_run)
    status = 1 if any(release.error for release in found.releases) else 0
    return Outcome(found.model_dump(), [*_lines(found, dry_run=call.dry_run)], status)


def _lines(found: Upgrade, *, dry_run: bool) -> Iterator[str]:
    change = "nothing to change"
    if found.unmarked:
        change = "lacks its marker, " + ("which would be added" if dry_run else "which was added")
    yield f"store     format {found.store_version} of {STORE_VERSION}: {change}"
    yield f"releases  {_counted(found.releases)}"
    for release in found.releases:
        if release.error:
            yield f"          {release.version} can't be used: {release.error}"
    if found.unknown:
        yield f"next run  not known: {found.unknown}"
    elif found.computed_again:
        yield f"next run  for the champion's files, these steps are computed again: {', '.join(found.computed_again)}"
    else:
        yield "next run  for the champion's files, every step is already finished"


def _counted(releases: list[ReleaseFormat]) -> str:
    if not releases:
        return "none"
    formats = Counter(release.schema_version for release in releases if release.schema_version is not None)
    each = ", ".join(f"{count} of format {version}" for version, count in sorted(formats.items()))
    return (
        f"{each or 'none that can be read'}; this Matinee reads formats 1 to {TEXT_SCHEMA_VERSION}, and "
        "writes the lowest one that has what a release needs"
    )
