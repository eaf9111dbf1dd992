"""Parses the first lines of files, from which scale, kinds of ids and order of columns are guessed."""

from collections.abc import Iterator

import numpy as np

from matinee.containers import Member
from matinee.errors import DataError
from matinee.ingest.reading.blocks import Block, Span
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.members import read_heads, translate_parser_errors
from matinee.ingest.reading.parser import ParsedBlock, parse_block
from matinee.ingest.reading.recognition import recognize
from matinee.ingest.reading.sources import Source
from matinee.settings.ingest import IngestSettings


def parse_heads(source: Source, settings: IngestSettings) -> Iterator[ParsedBlock]:
    """The first lines of the texts in a source, with all ids as text.

    Raises DataError if it is not a rating file.
    """
    settings = settings.model_copy(update={"ids": "text"})
    for member in read_heads(source, settings):
        try:
            label = source.label(member.name)
            dialect = recognize(member.head, settings, label=label, is_text=member.is_text)
        except DataError:
            if member.in_archive:
                continue
            raise
        with translate_parser_errors(source.label(member.name)):
            yield parse_head(member, dialect)


def parse_head(member: Member, dialect: Dialect) -> ParsedBlock:
    """The first lines of a text."""
    body = member.head[dialect.skip_bytes :]
    text = body[: body.rfind(bytes([dialect.line_end])) + 1]
    span = Span(member.name, dialect, 0, len(text), continues=False)
    return parse_block(Block(np.frombuffer(text, np.uint8), [span]), ends=True)
