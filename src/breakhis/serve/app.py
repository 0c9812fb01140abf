"""The application: routes, one place where errors become responses, and what happens at start and stop."""

import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from breakhis import __version__
from breakhis.errors import BreakhisError, BusyError, DataError
from breakhis.predict import Predictor
from breakhis.serve.api import Api, first_problem
from breakhis.serve.limits import Limits
from breakhis.serve.page import Page
from breakhis.serve.service import Service
from breakhis.serve.telemetry import LOG, Observed

_ABOUT: Final = """\
Classifies breast-cancer histology into eight subtypes. For research only, not a medical device.

Every error has the same body: what was expected, what was found and what to do. No upload is written to disk,
and logs hold neither file names nor image content.
"""

_UNEXPECTED: Final = BreakhisError(
    "an answer",
    found="an error in the service",
    fix="report the X-Request-Id of this answer: the log has its traceback under that id",
)


def create_app(predictor: Predictor, *, limits: Limits | None = None) -> FastAPI:
    """The service of one model as an ASGI application.

    Args:
        predictor: The model.
        limits: Bounds of requests.
    """
    service = Service(predictor, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    # The documentation pages of FastAPI load their scripts from another host.
    app = FastAPI(
        title="breakhis",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(Api(service).router())
    app.include_router(Page(predictor, service.limits).router())
    app.add_exception_handler(BreakhisError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_values)
    app.add_exception_handler(HTTPException, _refuse_route)
    app.add_middleware(Guarded)
    app.add_middleware(Observed, metrics=service.metrics)
    return app


class Guarded:
    """Middleware: an error that nobody foresaw is logged and answered like any other, without its details.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; one whose answer has begun is cut off."""
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception as error:
            if scope["type"] != "http":
                raise
            # The message of an error may hold a file name; its frames do not.
            frames = "".join(traceback.format_tb(error.__traceback__))
            told = {"id": scope["state"]["id"], "error": type(error).__name__, "traceback": frames}
            LOG.error("unexpected error", extra={"told": told})
            if not begun:
                await _failure(_UNEXPECTED, 500)(scope, receive, send_on)


async def _refuse(_: Request, error: Exception) -> Response:
    refused = cast("BreakhisError", error)
    return _failure(refused, refused.http_status)


def _failure(error: BreakhisError, status: int, headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"expected": error.expected, "found": error.found, "fix": error.fix}}
    if isinstance(error, BusyError):
        headers = {**(headers or {}), "retry-after": "1"}
    return JSONResponse(body, status, headers)


async def _refuse_values(_: Request, error: Exception) -> Response:
    found = first_problem(cast("RequestValidationError", error).errors())
    refused = DataError("values as /openapi.json says", found=found, fix="see /openapi.json")
    return _failure(refused, refused.http_status)


async def _refuse_route(_: Request, error: Exception) -> Response:
    found = cast("HTTPException", error)
    refused = DataError("a route of /openapi.json", found=found.detail, fix="see /openapi.json")
    return _failure(refused, found.status_code, dict(found.headers or {}))
