"""Runs the application on a socket until it is told to stop."""

import logging.config
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from breakhis.errors import UsageError
from breakhis.predict import Predictor
from breakhis.serve.app import create_app
from breakhis.serve.limits import Limits

_STOP_SECONDS: Final = 30
_KEEP_ALIVE_SECONDS: Final = 30
_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "breakhis.serve.telemetry.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "breakhis.serve": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        UsageError: The address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise UsageError(
            f"a free address of this machine instead of {host}, port {port}",
            found=error.strerror or str(error),
            fix="choose another with --host and --port",
        ) from error


def address(listening: socket.socket) -> str:
    """The URL of the page."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(predictor: Predictor, listening: socket.socket, *, limits: Limits | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests that have begun are answered first, for at most 30 s."""
    logging.config.dictConfig(_LOGGING)
    config = uvicorn.Config(
        create_app(predictor, limits=limits),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    with _stops_are_done():
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _stops_are_done() -> Iterator[None]:
    """Uvicorn raises the signal that stopped it once more; a stop that was asked for is no failure."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
