"""Decides whether the ids of a dataset are integers or text, for users and for movies.

A store keeps the kinds of its first dataset. There, the first lines give a guess, and the rows of all files decide.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from matinee.errors import ConfigError, DataError
from matinee.errors.text import shown
from matinee.formats.manifests import PartitionManifest
from matinee.ingest.column_order import Ordered
from matinee.ingest.partitions.id_texts import read_texts
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.columns import KINDS
from matinee.ingest.reading.file_heads import parse_heads
from matinee.schemas.names import SIDES, Kind, Side
from matinee.schemas.text_ids import number_of
from matinee.settings.ingest import IngestSettings

Kinds = Mapping[Side, Kind]
_NAMES: Final[Mapping[Side, str]] = {"user_id": "user", "movie_id": "movie"}
_FILES: Final = 16
_FEW: Final = 0.1  # share of ids that make text of all: perhaps they are errors
_CANONICAL: Final = r"^(0|[1-9][0-9]*)$"
_AS_NUMBER: Final = r"^[+-]\d+$|^[+-]?\d+\.0*$|^\d{1,3}(,\d{3})+$|^\d(\.\d+)?[eE]\+?\d{1,2}$"
_FOREIGN: Final = "[\u0080-\u00ff]{3}"  # of other alphabets, read as Windows-1252
_SAMPLED: Final = 100_000  # distinct ids of a partition, in no order
_NO_IDS: Final = (
    "NULL",
    "null",
    "Null",
    "\\N",
    "NaN",
    "nan",
    "None",
    "none",
    "<NA>",
    "N/A",
    "NA",
    "#N/A",
    "undefined",
)
_NO_ROWS: Final = ("too_few_columns", "too_many_columns", "quote_unclosed")


def kind_of(odd: int, rows: int, settings: IngestSettings) -> Kind:
    """The kind of ids of which `odd` rows have no canonical integer.

    >>> kind_of(1, 100, IngestSettings()), kind_of(2, 100, IngestSettings())
    ('integer', 'text')
    """
    return "integer" if odd <= settings.max_reject_fraction * rows else "text"


def guess_kinds(groups: Sequence[Ordered]) -> Kinds:
    """Guess the kinds from the first lines of the first files.

    Raises DataError if one of them is not a rating file.
    """
    odd, rows = np.zeros(2, np.int64), 0
    for group in groups:
        for source in group.sources[:_FILES]:
            for head in parse_heads(source, group.settings):
                rows += len(head.rating) + int((head.bad_fault >= kernel.FIELD).sum())
                for piece in head.pieces:
                    odd += piece.seen[kernel.ODD_IDS : kernel.ODD_IDS + 2]
    settings = groups[0].settings
    return {side: kind_of(int(odd[KINDS[side]]), rows, settings) for side in SIDES}


def decide_kinds(partitions: Sequence[Partition], settings: IngestSettings) -> Kinds:
    """The kinds by all rows."""
    manifests = [partition.manifest for partition in partitions]
    return {side: kind_of(*_counts(manifests, side), settings) for side in SIDES}


def _counts(manifests: Sequence[PartitionManifest], side: Side) -> tuple[int, int]:
    """How many rows have an id that is not a canonical integer, and how many have an id."""
    rows = 0
    for manifest in manifests:
        rejects = manifest.rejects
        rows += manifest.rows_read - sum(rejects.get(code, 0) for code in (*_NO_ROWS, f"{side}_missing"))
    return sum(manifest.not_integers.get(side, 0) for manifest in manifests), rows


def check_setting(held: Kinds | None, settings: IngestSettings) -> None:
    """Check that `ingest.ids` asks for the kinds of ids that the store has.

    Args:
        held: The kinds of ids that the store has; None for a new store.
        settings: `ingest.ids`.

    Raises:
        ConfigError: The setting asks for another kind.
    """
    if held is None or settings.ids == "auto":
        return
    asked = settings.id_kinds
    if wrong := [side for side in SIDES if asked[side] != held[side]]:
        name = _NAMES[wrong[0]]
        raise ConfigError(
            f"ingest.ids={settings.ids} asks for {asked[wrong[0]]} ids of {name}s, and the store has "
            f"{held[wrong[0]]} ids since its first dataset. Leave the setting out to continue with this store, or give "
            "another --store. Nothing was read."
        )


def check_held(before: Kinds | None, now: Kinds | None, read: Kinds) -> None:
    """Check that the ids of a first run are of the kinds that the store has by now.

    Args:
        before: The kinds that the store had when this run began; None if it had none.
        now: The kinds that it has.
        read: The kinds of this run's files.

    Raises:
        DataError: Another run has given the store other kinds since this run began.
    """
    if before is not None or now is None:
        return
    if wrong := [side for side in SIDES if now[side] != read[side]]:
        name = _NAMES[wrong[0]]
        raise DataError(
            f"These files have {read[wrong[0]]} ids of {name}s, and another first run, which ended during this one, "
            f"has given the store {now[wrong[0]]} ids. Give another --store for these files."
        )


def check_ids(partitions: Sequence[Partition], settings: IngestSettings, *, held: Kinds | None) -> None:
    """Refuse files whose ids are text in a store of integers.

    Raises DataError, which says what to do.
    """
    manifests = [partition.manifest for partition in partitions]
    for side in SIDES:
        faulty = sum(manifest.rejects.get(f"{side}_not_integer", 0) for manifest in manifests)
        rows = sum(manifest.rows_read for manifest in manifests)
        if kind_of(faulty, rows, settings) == "integer":
            continue
        name = _NAMES[side]
        reason = "the store has integer ids since its first dataset"
        way_out = "Give another --store for these files, or convert their ids"
        if settings.ids != "auto":
            reason, way_out = f"ingest.ids={settings.ids} asks for integers", "Leave out ingest.ids"
        elif held is None:
            reason = "nearly all ids of the other files are integers"
            way_out = "Convert the ids, or set ingest.ids=text for all files"
        labels = sorted({partition.label(partition.manifest.files[0].file) for partition in partitions})
        raise DataError(
            f"{shown(', '.join(labels[:3]))}: {faulty:,} of {rows:,} rows have a {name} id that is not an integer "
            f"({side}_not_integer), and {reason}. {way_out}. The rows are in "
            f"{partitions[0].folder / 'rejects.parquet'}."
        )


def kind_warnings(
    partitions: Sequence[Partition], settings: IngestSettings, held: Kinds | None
) -> Iterator[str]:
    """A sentence about each side whose ids are text though nearly all are integers, or because the store has text."""
    if settings.ids != "auto":
        return
    manifests = [partition.manifest for partition in partitions]
    for side in SIDES:
        if manifests[0].ids.get(side) != "text":
            continue
        odd, rows = _counts(manifests, side)
        name = _NAMES[side]
        yield from _about_texts(partitions, side)
        if held is not None and kind_of(odd, rows, settings) == "integer":
            yield (
                f"The {name} ids of these files are integers, and the store has text ids since its first dataset: they "
                "were read as text. If they are different ids than before, give another --store."
            )
        elif held is None and odd <= _FEW * rows:
            yield (
                f"{odd:,} of {rows:,} rows have a {name} id that is not an integer{_example(partitions, side)}, so all "
                f"{name} ids were read as text. If those rows are faulty, set ingest.ids=integer and "
                "ingest.max_reject_fraction, with another --store."
            )


def missing_warnings(tables: Mapping[Side, Path], kinds: Kinds) -> Iterator[str]:
    """A sentence about text ids that are words for an empty field, with the rows of each.

    Args:
        tables: The tables of rows by id, by side.
        kinds: The kinds of ids.
    """
    words = {number_of(word): word for word in _NO_IDS}
    for side in SIDES:
        if kinds[side] != "text":
            continue
        mine = pl.scan_parquet(tables[side]).filter(pl.col(side).is_in(list(words)))
        found = mine.sort("rows", descending=True).collect()
        named = [f"'{words[number]}' ({rows:,})" for number, rows in found.select(side, "rows").iter_rows()]
        if named:
            yield (
                f"Some {_NAMES[side]} ids may stand for an empty field, but count as ids (rows): {', '.join(named)}. "
                "If these rows have no id, remove them."
            )


def _about_texts(partitions: Sequence[Partition], side: Side) -> Iterator[str]:
    """Sentences about text ids that are numbers in another form (1e+05, 1,019, 113.0) or in another encoding."""
    tables = [read_texts(partition.folder, side, rows=_SAMPLED) for partition in partitions[:_FILES]]
    texts = pl.concat([table["text"] for table in tables])
    numbers = texts.filter(texts.str.contains(_AS_NUMBER))
    canonical = int(texts.str.contains(_CANONICAL).sum())
    if len(numbers) and 2 * (canonical + len(numbers)) > len(texts):
        yield (
            f"The {_NAMES[side]} ids were read as text, and some of them look like numbers, such as "
            f"'{shown(numbers[0], 40)}': as texts, 113 and 113.0 are two ids. Write all ids as integers, from the "
            "source of the data."
        )
    foreign = texts.filter(texts.str.contains(_FOREIGN))
    if len(foreign) > _FEW * len(texts):
        yield (
            f"The {_NAMES[side]} ids look like text in another encoding, such as '{shown(foreign[0], 40)}'. Set "
            "ingest.encoding, for example to gbk, shift_jis or cp1251, with another --store."
        )


def _example(partitions: Sequence[Partition], side: Side) -> str:
    for partition in partitions:
        texts = read_texts(partition.folder, side)
        odd = texts.filter(~pl.col("text").str.contains(_CANONICAL))
        if odd.height:
            return f", such as '{shown(odd['text'][0], 80)}'"
    return ""
