"""A store of two releases, and requests to a server in this process."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from small_release import write_release

from matinee.registry import Registry
from matinee.serve.loaded_releases import LoadedReleases
from matinee.serve.server import protected
from matinee.store.identity import make_store

HERE = "http://127.0.0.1:8000"


Ask = Callable[..., httpx.Response]


def write_served_store(root: Path) -> Path:
    """A store of two releases; the first is the champion."""
    make_store(root)
    for version, size in (("v0001", 2), ("v0002", 3)):
        write_release(
            root / "releases" / version,
            users=6,
            movies=12,
            size=size,
            ranked=True,
            manifest={"ranking": "0" * 32},
        )
    Registry(root).promote("v0001")
    return root


def asking(loaded: LoadedReleases, **more: Any) -> Ask:
    """A function that sends one request to a server in this process."""
    app = protected(loaded, **{"host": "127.0.0.1", "port": 8000, "token": None, **more})

    def ask(path: str, body: Any = None, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
                method = options.pop("method", "GET" if body is None and "content" not in options else "POST")
                return await client.request(method, path, json=body, **options)

        return asyncio.run(send())

    return ask
