"""Converts lines of plain JSON objects to CSV text by Arrow, which is ten times faster than Python objects.

Most files of JSON lines have one integer, number or text per column. `plain_types` recognises them by their first
objects. `plain_csv` then converts a block of lines, or returns None if a line of the block is anything else.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import pyarrow as pa
from pyarrow import compute, json

_LARGEST: Final = 1e6  # Arrow writes larger numbers in the scientific notation, which is not read as a rating


def plain_types(kinds: Mapping[str, Collection[type]], *, fractions: Collection[str]) -> pa.Schema | None:
    """The types of columns, by the Python types of some of their values.

    Args:
        kinds: The columns to be written, with the types of their values. Null does not count.
        fractions: Columns whose numbers may have a fraction. In other columns, 113 and 113.0 are two texts.

    Returns:
        A type per column, or None if a column has values of several kinds.

    Example:
        >>> plain_types({"id": {int}, "stars": {int, float}}, fractions={"stars"})
        id: int64
        stars: double
    """
    found: dict[str, pa.DataType] = {}
    for name, types in kinds.items():
        if {*types} == {str}:
            found[name] = pa.string()
        elif {*types} == {int}:
            found[name] = pa.int64()
        elif types and {*types} <= {int, float} and name in fractions:
            found[name] = pa.float64()
        else:
            return None
    return pa.schema(found) if found else None


def plain_csv(lines: Sequence[bytes], types: pa.Schema) -> bytes | None:
    """The lines as CSV text.

    Args:
        lines: Lines without their ends and without blanks around the text. Each begins and ends with a brace.
        types: The columns to be written, and their types.

    Returns:
        One line of CSV per line, or None if a line has a value of another type, no object, or several objects.

    Example:
        >>> types = pa.schema({"id": pa.int64(), "stars": pa.float64()})
        >>> plain_csv([b'{"stars": 4.5, "id": 7, "text": "Good."}'], types)
        b'7,4.5\\n'
    """
    block = b"\n".join(lines)
    reading = json.ReadOptions(use_threads=False, block_size=len(block) + 1)
    parsing = json.ParseOptions(explicit_schema=types, unexpected_field_behavior="ignore")
    try:
        block.decode()  # Arrow parses text that is not UTF-8, too
        table = json.read_json(pa.BufferReader(block), read_options=reading, parse_options=parsing)
    except ValueError:  # also pa.ArrowInvalid
        return None
    columns = [table.column(name).combine_chunks() for name in types.names]
    if table.num_rows != len(lines) or not all(map(_is_short, columns)):
        return None
    cells = [
        _quoted(column) if column.type == pa.string() else column.cast(pa.string()) for column in columns
    ]
    rows = compute.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
    return b"".join([compute.binary_join_element_wise(rows, "", "\n").buffers()[2]])


def _is_short(column: pa.Array) -> bool:
    """Whether Arrow writes the numbers as Python does. NaN is not short."""
    if column.type != pa.float64():
        return True
    return compute.all(compute.less(compute.abs(column), _LARGEST)).as_py() is not False


def _quoted(column: pa.Array) -> pa.Array:
    """The texts in one line each, with quotes around those that have a comma or a quote."""
    special = compute.match_substring_regex(column, '[,"\r\n]')
    if not compute.any(special).as_py():
        return column
    doubled = compute.replace_substring(compute.replace_substring_regex(column, "[\r\n]", " "), '"', '""')
    quotes = compute.match_substring_regex(doubled, '[,"]')
    return compute.if_else(quotes, compute.binary_join_element_wise('"', doubled, '"', ""), doubled)
