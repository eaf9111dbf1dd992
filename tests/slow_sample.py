"""A slow reader of generated samples, which shares no code with ingest."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq

INT64 = range(-(2**63), 2**63)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
Row = tuple[int, int, int, str]


def rating_lines(out: Path) -> Iterator[tuple[list[str], str]]:
    """Column names and line of each row. For Netflix text, the movie id is added to the line."""
    if (out / "ratings.csv").is_file():
        header, *lines = (out / "ratings.csv").read_text("ascii").splitlines()
        assert header == "userID,movieID,rating,date"
        yield from ((["user_id", "movie_id", "rating", "date"], line) for line in lines)
        return
    for path in sorted(out.glob("combined_data_*.txt")):
        movie = None
        for line in path.read_text("ascii").splitlines():
            if re.fullmatch(r"\d+:", line):
                movie = line[:-1]
                continue
            assert movie is not None
            yield ["movie_id", "user_id", "rating", "date"], f"{movie},{line}"


def slow_code(columns: list[str], line: str) -> str | None:
    """The reject code of a line, or None. A line has at most one fault."""
    fields = line.split(",")
    if '"' in line:
        return "quote_unclosed"
    if len(fields) != len(columns):
        return "too_many_columns" if len(fields) > len(columns) else "too_few_columns"
    found = dict(zip(columns, fields, strict=True))
    faults = [f"{name}_missing" for name in ("user_id", "movie_id", "rating") if not found[name]]
    for name in ("user_id", "movie_id"):
        if found[name] and not (re.fullmatch(r"-?\d+", found[name]) and int(found[name]) in INT64):
            faults.append(f"{name}_not_integer")
        elif found[name].startswith("-"):
            faults.append(f"{name}_out_of_bounds")
    if found["rating"] and not NUMBER.fullmatch(found["rating"]):
        faults.append("rating_not_a_number")
    elif found["rating"] and not 1 <= float(found["rating"]) <= 5:
        faults.append("rating_out_of_bounds")
    try:
        if not 1900 <= date.fromisoformat(found["date"]).year <= 2099:
            faults.append("date_out_of_bounds")
    except ValueError:
        faults.append("date_unparsable")
    assert len(faults) <= 1, line
    return faults[0] if faults else None


def read_slowly(out: Path) -> tuple[list[Row], Counter[str]]:
    """The accepted rows in any order, and the number of rejects per code."""
    rejects: Counter[str] = Counter()
    latest: dict[tuple[int, int], tuple[str, int]] = {}
    for columns, line in rating_lines(out):
        code = slow_code(columns, line)
        if code is not None:
            rejects[code] += 1
            continue
        found = dict(zip(columns, line.split(","), strict=True))
        pair, rated = (int(found["user_id"]), int(found["movie_id"])), (found["date"], int(found["rating"]))
        if pair in latest:
            rejects["superseded"] += 1
        if pair not in latest or rated[0] >= latest[pair][0]:
            latest[pair] = rated
    return [(*pair, rating, day) for pair, (day, rating) in latest.items()], rejects


def table_rows(path: Path) -> Iterator[Row]:
    """The rows of a file of another format, in its order."""
    if path.suffix == ".parquet":
        yield from (
            (*map(int, row[:3]), str(row[3]))
            for row in zip(*pq.read_table(path).to_pydict().values(), strict=True)
        )
        return
    for number, line in enumerate(path.read_text("ascii").splitlines()):
        if path.suffix == ".jsonl":
            row = json.loads(line)
            yield row["user_id"], row["movie_id"], row["rating"], row["date"]
        elif number:
            user, movie, rating, seconds = map(int, line.split("\t"))
            yield user, movie, rating, str(datetime.fromtimestamp(seconds, UTC).date())
        else:
            assert line == "user_id:token\titem_id:token\trating:float\ttimestamp:float"
