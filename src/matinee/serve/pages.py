"""The page for people: files of this package, read once. It needs no other server and no build."""

from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Response

_KINDS: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PARTS: Final = (
    "app.js",
    "api.js",
    "dom.js",
    "guest.js",
    "lists.js",
    "search.js",
    "style.css",
    "icon.svg",
)
# The file and the kind of content of each address.
PAGE: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    **{f"/page/{name}": (name, _KINDS[name.rpartition(".")[2]]) for name in _PARTS},
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
