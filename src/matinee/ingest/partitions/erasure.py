"""What becomes of the rows of users who were forgotten, in files that still hold them: counted, and nothing else."""

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
    """The failures of a block with all its typed rows of forgotten users among them, whatever else is wrong there."""
    has_user = parsed.nulls >> kernel.USER & 1 == 0
    gone = np.flatnonzero(forgotten.among(parsed.ids[kernel.USER]) & has_user)
    if not len(gone):
        return failures
    theirs = pl.DataFrame(
        {"row": gone, "column": [None] * len(gone), "code": [CODE] * len(gone)}, schema=failures.schema
    )
    return pl.concat([failures.filter(~pl.col("row").is_in(gone.tolist())), theirs]).sort("row")


def blank(rejects: pa.Table, forgotten: Forgotten) -> pa.Table:
    """Rejects without the text of those that mention a forgotten user; a line that was not understood may too."""
    if not rejects.num_rows:
        return rejects
    named = [forgotten.mentioned(text) for text in rejects["raw"].to_pylist()]
    raw = pc.if_else(pa.array(named), pa.scalar("", pa.large_string()), rejects["raw"])
    return rejects.set_column(rejects.schema.get_field_index("raw"), rejects.schema.field("raw"), raw)
