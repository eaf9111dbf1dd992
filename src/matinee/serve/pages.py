"""The page for people: files of this package, read once. It needs no other server and no build."""

from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Response

PAGE: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
}


def add_to(app: FastAPI) -> None:
    """Add the files of the page to an application."""
    folder = files("matinee.serve") / "page"
    for path, (name, kind) in PAGE.items():
        _add(app, path, (folder / name).read_bytes(), kind)


def _add(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    async def page() -> Response:
        return Response(content, media_type=kind)

    app.add_api_route(path, page, include_in_schema=False)
