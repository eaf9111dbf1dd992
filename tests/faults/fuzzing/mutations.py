"""Mutations of bytes, of text and of JSON: each takes bytes and a generator, and returns other bytes."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

Mutation = Callable[[bytes, Random], bytes]

_EDGES = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\xff" * 7 + b"\x7f",
    b"\0" * 8,
]


def _span(data: bytes, rng: Random) -> tuple[int, int]:
    """A short span in most cases, sometimes any span."""
    start = rng.randrange(len(data) + 1)
    most = len(data) - start
    return start, start + (rng.randint(0, most) if rng.random() < 0.2 else min(most, rng.randint(1, 16)))


def flip(data: bytes, rng: Random) -> bytes:
    """Flip one to eight bits, near each other or anywhere."""
    spoiled = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if spoiled:
            spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def set_bytes(data: bytes, rng: Random) -> bytes:
    """Overwrite a number of 1 to 8 bytes by a limit of its range: lengths, counts, offsets."""
    start, edge = rng.randrange(len(data) + 1), rng.choice(_EDGES)
    return data[:start] + edge + data[start + len(edge) :]


def cut(data: bytes, rng: Random) -> bytes:
    """Remove the end, the beginning, or some bytes between."""
    start, end = _span(data, rng)
    return rng.choice((data[:start], data[start:], data[:start] + data[end:], b""))


def insert(data: bytes, rng: Random) -> bytes:
    """Insert some bytes, random or zero, anywhere or at the end."""
    start = rng.choice((rng.randrange(len(data) + 1), len(data)))
    more = rng.choice((rng.randbytes(rng.randint(1, 40)), bytes(rng.randint(1, 600)), rng.choice(_EDGES)))
    return data[:start] + more + data[start:]


def repeat(data: bytes, rng: Random) -> bytes:
    """Repeat a span, or all bytes."""
    start, end = rng.choice((_span(data, rng), (0, len(data))))
    times = rng.choice((1, 1, 2, max(1, min(200, 100_000 // max(1, end - start)))))
    return data[:end] + data[start:end] * times + data[end:]


def zero(data: bytes, rng: Random) -> bytes:
    """Fill a span with zeros, as after a lost disk block."""
    start, end = _span(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def swap(data: bytes, rng: Random) -> bytes:
    """Exchange two spans."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(4))
    a, b, c, d = cuts
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


BYTES: list[Mutation] = [flip, flip, set_bytes, cut, insert, repeat, zero, swap]


def spoil_bytes(data: bytes, rng: Random) -> bytes:
    """Apply one or two mutations that do not know the format."""
    for _ in range(rng.choice((1, 1, 2))):
        data = rng.choice(BYTES)(data, rng)
    return data


# Unexpected values.
_WRONG: list[Callable[[Random], Any]] = [
    lambda rng: None,
    lambda rng: rng.choice((True, False)),
    lambda rng: rng.choice((0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 10**25)),
    lambda rng: rng.choice((0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"))),
    lambda rng: rng.choice(
        ("", " ", "../../etc/passwd", "/etc/passwd", "..", "a/b", "v9999", "\0", "\ud800", "\x1b[2J")
    ),
    lambda rng: "x" * rng.choice((300, 5000, 200_000)),
    lambda rng: rng.choice(([], {}, [[]], [None], {"": {}}, [1, "a", None], {"version": {"version": 1}})),
    lambda rng: rng.choice(("1", "1.0", "nan", "v0001", "2020-01-01T00:00:00+00:00", "0" * 64, "0" * 20)),
]


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each value in a JSON value, starting with its own."""
    found = [path]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        found += _nodes(part, (*path, name))
    return found


def spoil_value(value: Any, rng: Random) -> Any:
    """A JSON value with one node of another type, removed, renamed, duplicated, or replaced by another node."""
    nodes = _nodes(value)
    path = rng.choice(nodes)
    wrong = rng.choice(_WRONG)(rng)
    if not path:
        return wrong
    holder: Any = value
    for name in path[:-1]:
        holder = holder[name]
    last, way = path[-1], rng.randrange(7)
    if way == 0:
        del holder[last]
    elif way == 1 and isinstance(holder, dict):
        holder[rng.choice(("", "x", f"{last} ", "__class__", "\x1b]0;x"))] = holder.pop(last)
    elif way == 2 and isinstance(holder, list):
        holder[last:last] = [holder[last]] * rng.choice((1, 2, 1000))
    elif way == 3:
        other: Any = value
        for name in rng.choice(nodes):
            other = other[name]
        holder[last] = json.loads(json.dumps(other))  # a copy, because it can contain itself
    elif way == 4 and isinstance(holder[last], int | float):
        holder[last] = holder[last] * rng.choice((-1, 10, 1e9)) + rng.choice((0, 1, 0.5))
    else:
        holder[last] = wrong
    return value


def spoil_json(data: bytes, rng: Random) -> bytes:
    """Valid JSON with other content; in rare cases nested deeper than any reader allows."""
    if rng.random() < 0.04:
        depth = rng.choice((50, 500, 5_000, 100_000))
        opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
        return rng.choice(
            (opened * depth + b"1" + closed * depth, opened * depth, b'{"version": ' + opened * depth)
        )
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = spoil_value(value, rng)
    text = json.dumps(value, indent=rng.choice((None, 2)), ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.05:
        text = rng.choice(("\ufeff", " ", "\0", "/* */")) + text
    return text.encode(rng.choice(("utf-8",) * 20 + ("utf-16", "utf-32")), "surrogatepass")


def spoil_json_lines(data: bytes, rng: Random) -> bytes:
    """Corrupt, remove or duplicate one line of a log, or join it with the next."""
    lines = data.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    way = rng.randrange(6)
    if way == 0:
        del lines[place]
    elif way == 1:
        lines[place] *= 2
    elif way == 2:
        lines[place] = lines[place].rstrip(b"\n")
    elif way == 3:
        lines.insert(
            place, rng.choice((b"\n", b"null\n", b"[]\n", b"\xff\xfe\n", b"{}\n", b"[" * 100_000 + b"\n"))
        )
    else:
        lines[place] = spoil_json(lines[place], rng) + b"\n"
    return b"".join(lines)


# Fields and lines that real files do not have, or that are difficult for readers.
_FIELDS = [
    b"",
    b" ",
    b'"',
    b'""',
    b'"a',
    b'a"b',
    b"\0",
    b"\xff\xfe",
    b"nan",
    b"inf",
    b"1e999",
    b"-1",
    b"+1",
    b"1_0",
    b"0x10",
    b"9223372036854775807",
    b"9223372036854775808",
    b"9" * 5000,
    b"x" * 70_000,
    b"=1+1",
    b"\x1b[31m",
    "\u0663".encode(),
    b"1.0",
    b"5.0000001",
    b"1,000",
    b"2005-02-30",
    b"0000-00-00",
    b"99999-01-01",
    b"NULL",
    b"\\N",
    b"8:",
    b"\r",
    b"\x1a",
]


def spoil_lines(data: bytes, rng: Random) -> bytes:
    """A text of lines and fields, some of which are odd, missing, repeated or joined."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 3))):
        place = rng.choice((0, rng.randrange(len(lines))))
        fields = lines[place].split(b",")
        column = rng.randrange(len(fields))
        way = rng.randrange(10)
        if way == 0:
            fields[column : column + 1] = []
        elif way == 1:
            fields[column:column] = [rng.choice(_FIELDS)] * rng.choice((1, 2, 1000))
        elif way == 2:
            rng.shuffle(fields)
        elif way == 3:
            lines[place : place + 2] = [b"".join(lines[place : place + 2])]
            continue
        elif way == 4:
            lines.insert(
                place, rng.choice((b"", b"8:", b",,,", b"\xef\xbb\xbf", b"#", b'"', b"1;2;3", b"a\tb"))
            )
            continue
        else:
            fields[column] = rng.choice(_FIELDS)
        lines[place] = rng.choice((b",",) * 8 + (b";", b"\t", b"::")).join(fields)
    return rng.choice((b"\n",) * 12 + (b"\r\n", b"\r", b"\n\n", b"\0\n")).join(lines)


def spoil_toml(data: bytes, rng: Random) -> bytes:
    """TOML with an odd key, table or value, also with text that only looks like a setting."""
    odd = [
        b'"train.epochs" = 3',
        b"[train]",
        b"[[train]]",
        b"a.b.c.d = 1",
        b"x = " + b"[" * 5000,
        b"epochs = nan",
        b"epochs = -inf",
        b"epochs = 1979-05-27T07:32:00Z",
        b'epochs = "20"',
        b"epochs = 9" + b"9" * 5000,
        b"epochs = {a = 1}",
        b'"\\u001b[2J" = 1',
        b"epochs = 0x10",
        b"[train.epochs]",
        b'"" = 1',
        b"epochs = true",
        b"\xff = 1",
        b".".join([b"a"] * 5000) + b" = 1",
    ]
    lines = data.split(b"\n")
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(odd))
    return b"\n".join(lines)
