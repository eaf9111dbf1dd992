"""Mutations that know a format: they keep checksums and lengths correct, so the code behind these checks is reached."""

import bz2
import gzip
import io
import lzma
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzzing.archives import nest, spoil_frames, spoil_gzip, spoil_tar, spoil_zip, unzstd, within, zstd
from fuzzing.databases import spoil_duckdb, spoil_sqlite
from fuzzing.mutations import (
    Mutation,
    spoil_bytes,
    spoil_json,
    spoil_json_lines,
    spoil_lines,
    spoil_toml,
)

Tables = dict[str, np.ndarray]


def spoil_tail(data: bytes, rng: Random) -> bytes:
    """Corrupt bytes near the end, where Parquet and zip have their directory, or near the beginning."""
    size = min(len(data), rng.choice((8, 64, 600)))
    if rng.random() < 0.7:
        return data[:-size] + spoil_bytes(data[-size:], rng)
    return spoil_bytes(data[:size], rng) + data[size:]


_CASTS = [
    pa.string(),
    pa.binary(),
    pa.float64(),
    pa.int8(),
    pa.uint64(),
    pa.bool_(),
    pa.null(),
    pa.duration("ns"),
]
_CASTS += [
    pa.timestamp("ns", "UTC"),
    pa.time64("us"),
    pa.decimal128(30, 3),
    pa.large_string(),
    pa.list_(pa.int64()),
]
_CASTS += [pa.dictionary(pa.int32(), pa.string()), pa.struct([("a", pa.int64())]), pa.float16(), pa.binary(3)]


def _odd_column(column: pa.ChunkedArray, rng: Random) -> pa.Array:
    """A column with the same number of rows, and another type or odd values."""
    rows, kind = len(column), rng.choice(_CASTS)
    way = rng.randrange(4)
    if way == 0:
        return pa.nulls(rows, rng.choice((kind, column.type)))
    if way == 1:
        values = rng.choices((0, -1, 2**63 - 1, -(2**63), 2**31, 7), k=rows)
        return pa.array(values, pa.int64())
    if way == 2:
        values = rng.choices((float("nan"), float("inf"), -1e308, 0.5, None), k=rows)
        return pa.array(values, rng.choice((pa.float32(), pa.float64())))
    try:
        return pa.array(column.to_pylist(), kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        texts = rng.choices(("a,b", 'say "no"', "\n", "\x1b[2J", "=1", "x" * 1000, ""), k=rows)
        return pa.array(texts, pa.string())


def spoil_table(data: bytes, rng: Random) -> bytes:
    """A valid Parquet file with another table: columns removed, renamed, duplicated or retyped; fewer or more rows."""
    table = pq.read_table(pa.BufferReader(data))
    way = rng.randrange(8)
    place = rng.randrange(table.num_columns)
    name = table.column_names[place]
    if way == 0:
        table = table.remove_column(place)
    elif way == 1:
        odd = rng.choice(("", "x", name.upper(), "a\nb", "\x1b[2J", '"', "n" * 2000, table.column_names[0]))
        table = table.rename_columns([*table.column_names[:place], odd, *table.column_names[place + 1 :]])
    elif way == 2:
        table = table.append_column(rng.choice((name, "more")), table.column(place))
    elif way == 3:
        table = table.slice(rng.randrange(len(table) + 1), rng.choice((0, 1, len(table) // 2, len(table))))
    elif way == 4:
        table = pa.concat_tables([table] * rng.choice((2, 3, 30)))
    elif way == 5 and len(table):
        order = list(range(len(table)))
        rng.shuffle(order)
        table = table.take(pa.array(order, pa.int64()))
    else:
        table = table.set_column(place, name, _odd_column(table.column(place), rng))
    out = io.BytesIO()
    try:
        pq.write_table(
            table, out, compression=rng.choice(("snappy", "zstd", "gzip", "none", "brotli", "lz4"))
        )
    except (pa.ArrowException, ValueError):  # a type that Parquet does not have
        return spoil_tail(data, rng)
    return out.getvalue()


_DTYPES = ["<f4", "<f8", "<i4", "<i8", "<u8", "|b1", "<f2", "|i1"]


def _odd_array(table: np.ndarray, rng: Random) -> np.ndarray:
    """An array of another shape or type, or with odd values."""
    with np.errstate(all="ignore"):
        way = rng.randrange(6)
        if way == 0:
            return table.astype(rng.choice(_DTYPES))
        if way == 1:
            return table[: rng.randrange(len(table) + 1)]
        if way == 2:
            return np.concatenate([table, table])
        if way == 3:
            return table.reshape(rng.choice(((-1,), (1, -1), (-1, 1), (1, 1, -1))))
        spoiled = table.copy()
        if spoiled.size:
            odd = rng.choice((float("nan"), float("inf"), 1e38, -1, 2**31 - 1, -(2**31)))
            spoiled.flat[rng.randrange(spoiled.size)] = np.array(odd).astype(spoiled.dtype)
        return spoiled


def spoil_npy(data: bytes, rng: Random) -> bytes:
    """An array file with another array, or with another header before the same bytes."""
    if rng.random() < 0.5:
        out = io.BytesIO()
        np.save(out, _odd_array(np.load(io.BytesIO(data)), rng), allow_pickle=False)
        return out.getvalue()
    size = int.from_bytes(data[8:10], "little")
    header, rest = data[10 : 10 + size], data[10 + size :]
    changes = [
        (b"<i4", b"|O"),
        (b"<i8", b"|O"),
        (b"False", b"True"),
        (b"(", b"(-"),
        (b",)", b",9999999999,)"),
        (b"{", b"{" * 90),
    ]
    changes += [
        (b"descr", b"desc"),
        (b"<i", b">i"),
        (b"<i8", b"<V8"),
        (b"(", b"(10**10 + "),
        (b"'", b'"'),
        (b"}", b", 1: 2}"),
    ]
    header = header.replace(*rng.choice(changes))
    length = rng.choice((len(header), len(header), 0, 65535)).to_bytes(2, "little")
    return data[:8] + length + header + rest


def spoil_safetensors(data: bytes, rng: Random) -> bytes:
    """A weights file with other tables, or with another header that has the right length."""
    from safetensors.numpy import load, save

    size = int.from_bytes(data[:8], "little")
    if rng.random() < 0.6:
        tables: Tables = load(data)
        name = rng.choice(sorted(tables))
        way = rng.randrange(4)
        if way == 0:
            del tables[name]
        elif way == 1:
            tables[rng.choice(("x", "", "mean", "user_bias", name + " "))] = tables.pop(name)
        else:
            tables[name] = np.ascontiguousarray(_odd_array(tables[name], rng))
        return save(tables)
    header, rest = data[8 : 8 + size], data[8 + size :]
    if rng.random() < 0.1:
        return (
            rng.choice((0, 1, 2**63, 2**64 - 1, size + 1, size - 1, 10**8)).to_bytes(8, "little") + data[8:]
        )
    header = spoil_json(header, rng)
    return len(header).to_bytes(8, "little") + header + rest


def _from_utf_16(data: bytes) -> bytes:
    return data.decode("utf-16").encode("utf-8", "surrogateescape")


def _to_utf_16(data: bytes) -> bytes:
    return data.decode("utf-8", "surrogateescape").encode("utf-16", "surrogatepass")


def spoil_arrow(data: bytes, rng: Random) -> bytes:
    """An Arrow file with another table, or with an odd number in its metadata."""
    if rng.random() < 0.4:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
        place = rng.randrange(table.num_columns)
        table = table.set_column(place, table.column_names[place], _odd_column(table.column(place), rng))
        out = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression=rng.choice((None, "zstd", "lz4")))
        with pa.ipc.new_file(out, table.schema, options=options) as writer:
            writer.write_table(table)
        return out.getvalue()
    rows = pa.ipc.open_file(pa.BufferReader(data)).get_batch(0).num_rows
    known = rng.choice((rows, 0, 8, len(data) // 2)).to_bytes(8, "little")
    places = [at for at in range(0, len(data), 4) if data.startswith(known, at)] or [8]
    at = rng.choice(places)
    odd = rng.choice((-1, 0, 1, rows - 1, rows + 1, 1 << 31, 1 << 40, 1 << 60, -(1 << 63)))
    return data[:at] + odd.to_bytes(8, "little", signed=True) + data[at + 8 :]


FORMS: dict[str, list[Mutation]] = {
    "json": [spoil_json, spoil_json, spoil_json, spoil_bytes],
    "jsonl": [spoil_json_lines, spoil_json_lines, spoil_json_lines, spoil_bytes],
    "text": [spoil_lines, spoil_lines, spoil_bytes],
    "toml": [spoil_toml, spoil_lines, spoil_bytes],
    "parquet": [spoil_table, spoil_table, spoil_tail, spoil_bytes],
    "npy": [spoil_npy, spoil_npy, spoil_bytes],
    "safetensors": [spoil_safetensors, spoil_safetensors, spoil_bytes],
    "bytes": [spoil_bytes],
    "gzip": [spoil_gzip, spoil_gzip, spoil_bytes],
    "zstd": [within(unzstd, zstd, spoil_lines), nest, spoil_bytes],
    "tar": [spoil_tar, spoil_tar, spoil_bytes],
    "tar.gz": [
        within(gzip.decompress, lambda data: gzip.compress(data, 1), spoil_tar),
        spoil_gzip,
        spoil_bytes,
    ],
    "zip": [spoil_zip, spoil_zip, spoil_tail, spoil_bytes],
    "bz2": [within(bz2.decompress, bz2.compress, spoil_lines), spoil_frames, spoil_bytes],
    "xz": [within(lzma.decompress, lzma.compress, spoil_lines), spoil_frames, spoil_bytes],
    "arrow": [spoil_arrow, spoil_arrow, spoil_tail, spoil_bytes],
    "sqlite": [spoil_sqlite, spoil_sqlite, spoil_bytes],
    "duckdb": [spoil_duckdb, spoil_duckdb, spoil_duckdb, spoil_bytes],
    "utf-16": [within(_from_utf_16, _to_utf_16, spoil_lines), spoil_bytes],
}


def spoil(form: str, data: bytes, rng: Random) -> bytes:
    """The data of one format with one mutation, which depends only on the state of the generator."""
    return rng.choice(FORMS[form])(data, rng)
