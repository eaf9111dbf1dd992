"""Removes the rows of erased users from files that still hold them; they are counted and not kept."""

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.parser import ParsedBlock
from matinee.store.erased_users import Forgotten

CODE: Final = "forgotten"


def forget_rows(failures: pl.DataFrame, parsed: ParsedBlock, forgotten: Forgotten) -> pl.DataFrame:
    """Add the rows of erased users to the failures of a block, in place of other faults of those rows."""
    has_user = parsed.nulls >> kernel.USER & 1 == 0
    among = forgotten.texts_among if kernel.USER in parsed.texts else forgotten.among
    gone = np.flatnonzero(among(parsed.ids[kernel.USER]) & has_user)
    if not len(gone):
        return failures
    theirs = pl.DataFrame(
        {"row": gone, "column": [None] * len(gone), "code": [CODE] * len(gone)}, schema=failures.schema
    )
    return pl.concat([failures.filter(~pl.col("row").is_in(gone.tolist())), theirs]).sort("row")


def blank_text(rejects: pa.Table, forgotten: Forgotten) -> pa.Table:
    """Blank the text of rejects that mention an erased user, which an unparsed line may do too."""
    if not rejects.num_rows:
        return rejects
    named = [forgotten.mentioned(text) for text in rejects["raw"].to_pylist()]
    raw = pc.if_else(pa.array(named), pa.scalar("", pa.large_string()), rejects["raw"])
    return rejects.set_column(rejects.schema.get_field_index("raw"), rejects.schema.field("raw"), raw)
