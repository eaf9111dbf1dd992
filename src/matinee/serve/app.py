"""The routes of the server, and how a failure is answered: one sentence, with a status that says whose fault it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from matinee import __version__
from matinee.errors import ConfigError, MatineeError, ReleaseError
from matinee.serve import pages
from matinee.serve.handlers import Handlers
from matinee.serve.loaded_releases import LoadedReleases, UnknownReleaseError
from matinee.serve.prometheus import RequestMetrics
from matinee.serve.responses import Failure
from matinee.serve.validation_errors import sentence

THREADS: Final = 2  # that compute answers; docs/architecture.md has the reason
_LOOK: Final = 1.0  # seconds between two looks at the pointer to the champion
_DESCRIPTION: Final = """Asks a release of Matinee. Ids are those of the rating files: integers or texts.
A failure is `{"error": "..."}` with one sentence."""
_FAILURES: Final = {
    401: "The server needs a token.",
    404: "There is no such release.",
    409: "The release cannot answer such a question.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    422: "The question is wrong.",
    503: "The server is answering too many other requests.",
}


def create_app(loaded: LoadedReleases, metrics: RequestMetrics) -> FastAPI:
    """The application, without the protection of `admission` and `ops.guard`.

    Args:
        loaded: The releases.
        metrics: What /metrics shows.
    """
    app = FastAPI(
        title="Matinee",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lambda _: _watching(loaded, metrics),
        redirect_slashes=False,
    )
    handlers = Handlers(loaded)
    with_body: list[Callable[..., Any]] = [handlers.predict, handlers.recommend, handlers.fold_in]
    by_query: list[Callable[..., Any]] = [
        handlers.similar,
        handlers.explain,
        handlers.ratings,
        handlers.search,
        handlers.releases,
    ]
    for answer in with_body:
        _add(app, answer, "POST")
    for answer in by_query:
        _add(app, answer, "GET")
    app.add_api_route(
        "/healthz", _at_once(handlers.healthz), summary="Health", description=handlers.healthz.__doc__
    )
    app.add_api_route(
        "/metrics", _at_once(metrics.response), response_class=Response, include_in_schema=False
    )
    pages.add_to(app)
    _add_failures(app)
    return app


def _add(app: FastAPI, answer: Callable[..., Any], method: str) -> None:
    name = answer.__name__
    app.add_api_route(
        f"/{name}",
        answer,
        methods=[method],
        responses={status: {"model": Failure, "description": words} for status, words in _FAILURES.items()},
        summary=name.replace("_", " ").capitalize(),
        operation_id=name,
    )


def _at_once(answer: Callable[[], Any]) -> Callable[[], Any]:
    """The same answer without a thread, so that it does not wait for other questions."""

    async def answering() -> Any:
        return answer()

    answering.__annotations__["return"] = answer.__annotations__["return"]
    answering.__name__ = answer.__name__
    return answering


@contextlib.asynccontextmanager
async def _watching(loaded: LoadedReleases, metrics: RequestMetrics) -> AsyncIterator[None]:
    """Look for a new champion while the server runs."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    watcher = asyncio.create_task(_watch(loaded, metrics))
    try:
        yield
    finally:
        watcher.cancel()


async def _watch(loaded: LoadedReleases, metrics: RequestMetrics) -> None:
    while True:
        await asyncio.sleep(_LOOK)
        if await asyncio.to_thread(loaded.refresh):
            metrics.loads.inc()


def _add_failures(app: FastAPI) -> None:
    def failed(status: int, message: str) -> JSONResponse:
        return JSONResponse({"error": message}, status)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return failed(422, sentence(error.errors()))

    @app.exception_handler(MatineeError)
    async def _refused(_: Request, error: MatineeError) -> JSONResponse:
        statuses = {UnknownReleaseError: 404, ConfigError: 422, ReleaseError: 409}
        status = next((code for kind, code in statuses.items() if isinstance(error, kind)), 503)
        return failed(status, str(error))

    @app.exception_handler(HTTPException)
    async def _not_found(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return failed(404, "There is nothing at this address; /openapi.json lists all addresses.")
        if error.status_code == 405:
            methods = (error.headers or {}).get("Allow", "another method")
            return JSONResponse(
                {"error": f"This address takes {methods}, not {request.method}."}, 405, error.headers
            )
        return failed(422, "The body can't be read; expected a JSON object in UTF-8.")

    @app.exception_handler(Exception)
    async def _broken(_: Request, error: Exception) -> JSONResponse:
        return failed(500, "The server failed to answer; its log has the reason.")
