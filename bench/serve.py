"""The server under load on loopback: latency, and answers while the champion changes.

    python bench/serve.py --store STORE [--seconds 20] [--requests 10000] [--changes 10]

The store needs two releases that know the same users and movies. It is copied first. Three parts: 200 requests per
second, measured from the moment that each was due; 50 clients that ask without a pause; and `--requests` requests while
the champion is promoted and rolled back `--changes` times, whose answers are compared with those of the two releases.
Of 20 questions, 10 are lists with reasons, 4 are predictions of 20 pairs, 3 neighbours, 2 explanations and 1 a new
user. Prints one JSON object. The clients share the cores of the machine with the server.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from threadpoolctl import threadpool_limits

import matinee
from matinee.registry import Registry

_RATE, _CLIENTS = 200, 50
_DRAWN = 500  # different questions


@dataclass(frozen=True)
class Question:
    """A request, and what a release answers."""

    path: str
    body: Any  # None for GET
    query: dict[str, Any] | None
    expected: dict[str, Any]  # by version


def main() -> None:
    """Run the three parts and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=10)
    call = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store"
        shutil.copytree(call.store / "releases", store / "releases")
        for name in ("champion.json", "log.jsonl", "matinee-store.json"):
            shutil.copy(call.store / name, store)
        with served(store) as (url, seconds):
            facts = asyncio.run(load(url, store, call))
    print(json.dumps({"cores": os.cpu_count(), "first_answer_seconds": round(seconds, 2), **facts}, indent=2))


@contextlib.contextmanager
def served(store: Path) -> Iterator[tuple[str, float]]:
    """The address of a server of the store, and the seconds from its start to its first answer."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "matinee.cli", "serve", "--store", str(store), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        url = re.findall(r"http://\S+", process.stderr.readline())[0].rstrip("/")
        with urllib.request.urlopen(f"{url}/search") as answer:
            answer.read()
        seconds = time.perf_counter() - started
        try:
            yield url, seconds
        finally:
            process.terminate()


async def load(url: str, store: Path, call: argparse.Namespace) -> dict[str, Any]:
    """All three parts."""
    questions = draw_questions(store)
    gc.disable()  # a pause of the clients would count as one of the server
    clients = Clients(url)
    await at_once(clients, questions, requests=1_000)
    steady = await at_rate(clients, questions, seconds=call.seconds)
    crowd = await at_once(clients, questions, requests=call.seconds * _RATE)
    changing = await while_changing(clients, questions, store, call)
    return {
        "releases": Registry(store).versions(),
        f"at_{_RATE}_per_second": latency(steady),
        f"of_{_CLIENTS}_clients": latency(crowd),
        "while_changing": changing,
    }


def draw_questions(store: Path) -> list[Question]:
    """Questions about random users and movies, with the answers of the two latest releases.

    They are computed by one thread of BLAS, as the server does: with two, one of 5,000 scores has another last bit.
    """
    registry = Registry(store)
    releases = [matinee.load(registry.folder(version)) for version in registry.versions()[-2:]]
    draw = np.random.default_rng(0)
    users = draw.choice(releases[0].users.ids, (_DRAWN, 20)).tolist()
    rated = np.flatnonzero(np.logical_and(*(each.catalog.trained for each in releases)))
    movies = releases[0].movies.ids[draw.choice(rated, (_DRAWN, 20))].tolist()
    with threadpool_limits(1, "blas"):
        return [make_question(place % 20, users[place], movies[place], releases) for place in range(_DRAWN)]


def make_question(
    kind: int, users: list[Any], movies: list[Any], releases: list[matinee.Release]
) -> Question:
    """One question of the mix, with the figures of its answer."""
    user, movie = users[0], movies[0]

    def expected(ask: Callable[[matinee.Release], Any]) -> dict[str, Any]:
        return {each.version: ask(each) for each in releases}

    if kind < 10:
        body: Any = {"user_id": user, "n": 10, "explain": True}
        return Question(
            "/recommend",
            body,
            None,
            expected(lambda each: [list(one) for one in each.recommend(user, 10, explain=True)]),
        )
    if kind < 14:
        pairs = [{"user_id": one, "movie_id": other} for one, other in zip(users, movies, strict=True)]
        return Question(
            "/predict", {"pairs": pairs}, None, expected(lambda each: each.predict(users, movies).tolist())
        )
    if kind < 17:
        query = {"movie_id": movie, "n": 10}
        return Question(
            "/similar", None, query, expected(lambda each: [list(one) for one in each.similar(movie, 10)])
        )
    if kind < 19:
        query = {"movie_id": movie, "user_id": user}
        return Question("/explain", None, query, expected(lambda each: each.explain(user, movie).score))
    ratings = [(one, 1 + place % 5) for place, one in enumerate(dict.fromkeys(movies))]
    body = {"ratings": [{"movie_id": one, "rating": stars} for one, stars in ratings]}
    return Question(
        "/fold_in",
        body,
        None,
        expected(lambda each: [list(one) for one in each.fold_in(ratings).recommend()]),
    )


class Clients:
    """Connections that stay open, one per question under way. httpx takes longer than the server does."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._host, self._port = host, int(port)
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str, body: Any = None) -> tuple[int, bytes]:
        """The status and the body of an answer; with a body, the question is a POST."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        reader, writer = (
            self._free.pop() if self._free else await asyncio.open_connection(self._host, self._port)
        )
        writer.write(head.encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        answer = await reader.readexactly(int(re.findall(r"content-length: (\d+)", head)[0]))
        self._free.append((reader, writer))
        return int(head.split(" ", 2)[1]), answer


async def ask(clients: Clients, question: Question) -> str:
    """Ask, and compare the answer; returns `ok`, or what was wrong."""
    path = f"{question.path}?{urlencode(question.query)}" if question.query else question.path
    try:
        status, answer = await asyncio.wait_for(clients.get(path, question.body), 30)
    except (OSError, EOFError, TimeoutError) as error:
        return type(error).__name__
    if status != 200:
        return f"status {status}"
    found = json.loads(answer)
    if question.path == "/explain":
        given = found["score"]
    elif question.path == "/predict":
        given = found["ratings"]
    else:
        given = [[each["movie_id"], each["title"], each["score"]] for each in found["movies"]]
    return "ok" if given == question.expected[found["release"]] else "another answer"


async def timed(asking: Awaitable[str], due: float) -> tuple[float, str]:
    """What came of a request, and the seconds since it was due."""
    result = await asking
    return time.perf_counter() - due, result


async def at_rate(clients: Clients, questions: list[Question], *, seconds: int) -> list[tuple[float, str]]:
    """Ask at a fixed rate, whether earlier answers have come or not."""
    started, asked = time.perf_counter(), []
    for number in range(seconds * _RATE):
        due = started + number / _RATE
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        asked.append(asyncio.create_task(timed(ask(clients, questions[number % len(questions)]), due)))
    return list(await asyncio.gather(*asked))


async def at_once(clients: Clients, questions: list[Question], *, requests: int) -> list[tuple[float, str]]:
    """Ask from all clients without a pause."""
    numbers = iter(range(requests))
    found: list[tuple[float, str]] = []

    async def one() -> None:
        for number in numbers:
            found.append(await timed(ask(clients, questions[number % len(questions)]), time.perf_counter()))

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(_CLIENTS)))
    found.append((time.perf_counter() - started, "seconds"))
    return found


async def while_changing(
    clients: Clients, questions: list[Question], store: Path, call: argparse.Namespace
) -> dict[str, Any]:
    """Ask while the champion changes."""
    registry = Registry(store)
    older, newer = registry.versions()[-2:]
    memory = [await megabytes(clients)]
    results: Counter[str] = Counter()
    served: Counter[str] = Counter()

    async def change() -> None:
        for number in range(call.changes):
            version = newer if number % 2 else older
            await asyncio.to_thread(registry.promote if number % 2 else registry.rollback, version)
            while (now := json.loads((await clients.get("/healthz"))[1])["release"]) != version:
                await asyncio.sleep(0.1)
            served[now] += 1
            memory.append(await megabytes(clients))

    async def one(numbers: Iterator[int]) -> None:
        for number in numbers:
            results[await ask(clients, questions[number % len(questions)])] += 1

    registry.promote(newer)
    changes = asyncio.create_task(change())
    started = time.perf_counter()
    numbers = iter(range(call.requests))
    await asyncio.gather(*(one(numbers) for _ in range(8)))
    asked = time.perf_counter() - started
    while not changes.done():  # requests go on until the last change
        await one(iter(range(100)))
    await changes
    return {
        "results": dict(results),
        "changes": dict(served),
        "seconds": round(asked, 1),
        "memory_mb": memory,
    }


async def megabytes(clients: Clients) -> float:
    """The memory of the server."""
    text = (await clients.get("/metrics"))[1].decode()
    return round(float(re.findall(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)[0]) / 1e6, 1)


def latency(found: list[tuple[float, str]]) -> dict[str, Any]:
    """Quantiles in milliseconds, and the results."""
    whole = [seconds for seconds, result in found if result == "seconds"]
    times = [seconds * 1e3 for seconds, result in found if result != "seconds"]
    p50, p99 = np.quantile(times, [0.5, 0.99]).tolist()
    facts = {
        "requests": len(times),
        "results": dict(Counter(result for _, result in found if result != "seconds")),
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
        "most_ms": round(max(times), 1),
    }
    return facts | ({"per_second": round(len(times) / whole[0])} if whole else {})


if __name__ == "__main__":
    main()
