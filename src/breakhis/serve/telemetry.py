"""Metrics and logs. Neither holds a pixel, a file name or an address: these can name a patient."""

import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG: Final = logging.getLogger("breakhis.serve")

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCHES: Final = (1, 2, 4, 8, 12, 16, 32)
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Metrics:
    """Prometheus counters of one service.

    Args:
        in_work: Gives the number of images that are decoded, wait or are computed.
    """

    def __init__(self, *, in_work: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        own: dict[str, Any] = {"namespace": "breakhis", "registry": self._registry}
        self._requests = Counter("requests", "Requests answered.", ("method", "route", "status"), **own)
        self._seconds = Histogram(
            "request_seconds",
            "From the head of a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            **own,
        )
        self._batches = Histogram("batch_images", "Images computed together.", buckets=_BATCHES, **own)
        self._images = Counter("images", "Images by what became of them.", ("outcome",), **own)
        self._abstentions = Counter("abstentions", "Images without an answer.", ("reason",), **own)
        Gauge("images_in_work", "Images decoded, waiting or computed.", **own).set_function(in_work)
        for outcome in ("answered", "abstained", "unreadable"):
            self._images.labels(outcome)

    def batch(self, images: int) -> None:
        """Count a batch of the engine."""
        self._batches.observe(images)

    def image(self, outcome: str, *, reason: str = "") -> None:
        """Count an image as answered, abstained or unreadable."""
        self._images.labels(outcome).inc()
        if reason:
            self._abstentions.labels(reason).inc()

    def request(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)


class Observed:
    """Middleware: a log line, counters, an id and the security headers for every request.

    Args:
        app: What answers.
        metrics: What is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity, started, status = uuid.uuid4().hex, time.perf_counter(), 500
        scope.setdefault("state", {}).update(id=identity, counts={})

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = {**_HEADERS, "x-request-id": identity}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in added.items()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            seconds = time.perf_counter() - started
            route = _route(scope)
            method = scope["method"] if route != "unknown" else "any"
            self._metrics.request(method, route, status=status, seconds=seconds)
            told = {"id": identity, "method": method, "route": route, "status": status}
            LOG.info(
                "request",
                extra={"told": {**told, "ms": round(1000 * seconds, 1), **scope["state"]["counts"]}},
            )


def _route(scope: Scope) -> str:
    """The path of the route's pattern, never what was asked for: labels stay few and names out of logs."""
    route = scope.get("route")
    return "unknown" if route is None else str(route.path)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's time, level, source and message, and what its `extra` tells."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
