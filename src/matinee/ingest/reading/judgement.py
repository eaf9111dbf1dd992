"""Judges a whole source file of a folder: it is read if it holds ratings, or an archive with some."""

from matinee.errors import ConfigError, DataError
from matinee.ingest.reading.entries import LeftOut, fault, judge
from matinee.ingest.reading.members import read_heads
from matinee.ingest.reading.sources import Source
from matinee.settings.ingest import IngestSettings


def judge_source(source: Source, settings: IngestSettings) -> LeftOut | None:
    """None for a file that holds ratings, else what it is or why it could not be read."""
    try:
        members = read_heads(source, settings)
        found = [
            judge(
                member.head,
                member.name,
                settings,
                label=source.label(member.name),
                is_text=member.is_text,
            )
            for member in members
        ]
    except (ConfigError, DataError) as error:
        return fault(source.name, error)
    others = [each for each in found if isinstance(each, LeftOut)]
    if len(others) < len(found):
        return None
    if not any(member.in_archive for member in members) and others:
        return others[0]
    faults = [each for each in others if each.is_fault]
    if faults or not others:
        return fault(source.name, DataError(f"{source.label()} is an archive without a rating file"))
    return LeftOut(
        source.name, f"an archive of {', '.join(sorted({each.reason for each in others}))}", is_fault=False
    )
