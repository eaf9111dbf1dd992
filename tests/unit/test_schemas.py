"""The columns, types and bounds of tables are declared in schemas/ and derived from there everywhere else."""

import ast
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pyarrow as pa
import pytest

from matinee.formats.manifests import IdKinds
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.parser import COLUMNS
from matinee.schemas.columns import arrow_fields, polars_columns
from matinee.schemas.encoded import TEXT_COLUMNS, Encoded, Movies, Users
from matinee.schemas.names import SIDES, Column, Kind, Side, TitleColumn
from matinee.schemas.ratings import FIRST_DATE, LAST_DATE, Ratings
from matinee.schemas.recommendations import Recommendations
from matinee.schemas.rejects import CODES, Rejects
from matinee.schemas.text_ids import LONGEST
from matinee.schemas.titles import FIRST_YEAR, LAST_YEAR, Titles

ROOT = Path(__file__).parents[2]
MODELS = [Encoded, Movies, Ratings, Recommendations, Rejects, Titles, Users]
NAMES = {name for model in MODELS for name in polars_columns(model)}


def _typed_columns(text: str) -> list[str]:
    """The columns of a schema that a file writes with a type: `"user_id": pl.Int64`, `pa.field("line", pa.int64())`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        pairs: list[tuple[Any, Any]] = []
        if isinstance(node, ast.Dict):
            pairs = list(zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            pairs = [(node.elts[0], node.elts[1])]
        elif isinstance(node, ast.Call) and len(node.args) == 2:
            pairs = [(node.args[0], node.args[1])]
        found += [
            name.value
            for name, kind in pairs
            if isinstance(name, ast.Constant)
            and name.value in NAMES
            and ast.unparse(kind).startswith(("pl.", "pa."))
        ]
    return found


def test_no_other_module_declares_the_type_of_a_column() -> None:
    folders = [ROOT / "src/matinee", ROOT / "tasks", ROOT / "flows"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    assert not {path.name: names for path in files if (names := _typed_columns(path.read_text("utf-8")))}
    planted = (
        'schema={"user_id": pl.Int64, "n": pl.Int8}\n'
        'fields = [("rating", pa.float32()), pa.field("raw", pa.string())]'
    )
    assert _typed_columns(planted) == ["user_id", "rating", "raw"]


def test_names_in_signatures_and_in_the_compiled_parser_are_those_of_the_tables() -> None:
    assert get_args(Column) == tuple(polars_columns(Ratings)) == COLUMNS
    assert get_args(TitleColumn) == tuple(polars_columns(Titles))
    assert get_args(Side) == SIDES == tuple(TEXT_COLUMNS)
    assert get_args(IdKinds) == (Side, Kind)
    assert {code for code, _ in kernel.FAULTS[1:]} <= CODES.keys()
    assert {column for _, column in kernel.FAULTS} <= {None, *COLUMNS}
    assert kernel.LONGEST == LONGEST


@pytest.mark.parametrize("model", MODELS)
def test_pyarrow_has_the_columns_of_the_schema(model: Any) -> None:
    table = pa.schema(arrow_fields(model)).empty_table()
    columns = {name: kind.base_type() for name, kind in polars_columns(model).items()}
    assert {name: kind.base_type() for name, kind in pl.DataFrame(table).schema.items()} == columns


def test_the_words_of_rejects_and_the_data_page_have_the_bounds_of_the_schemas() -> None:
    page = (ROOT / "docs/data.md").read_text("utf-8")
    for code, first, last in (
        ("date_out_of_bounds", FIRST_DATE.year, LAST_DATE.year),
        ("year_out_of_bounds", FIRST_YEAR, LAST_YEAR),
    ):
        assert f"before {first} or after {last}" in CODES[code]
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{code}`")]
        assert f"before {first} or after {last}" in row
