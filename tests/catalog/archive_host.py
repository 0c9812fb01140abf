"""A web host on the loopback interface that serves one archive, well or badly."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """What is served, and how.

    Attributes:
        content: The bytes of the file.
        etag: Its validator; none if empty.
        ranges: Whether Range is understood.
        cuts: Bytes after which each of the next answers is cut.
        statuses: Statuses of the next answers, before any good one.
        asked: The Range header of each request, in order.
    """

    content: bytes = b""
    etag: str = '"one"'
    kind: str = "application/x-gzip"
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """Serve `host` and set its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(host, self)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_port}/BreaKHis_v1.tar.gz"
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(host: Host, handler: BaseHTTPRequestHandler) -> None:
    """Answer one request as RFC 9110 says, cut where `host` says so."""
    asked = handler.headers.get("Range", "")
    host.asked.append(asked)
    if host.statuses:
        handler.send_error(host.statuses.pop(0))
        return
    size, first = len(host.content), 0
    if host.ranges and asked and handler.headers.get("If-Range", host.etag) == host.etag:
        first = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
        if first >= size:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{size}")
            handler.end_headers()
            return
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
    else:
        handler.send_response(200)
    handler.send_header("Content-Type", host.kind)
    handler.send_header("Content-Length", str(size - first))
    if host.etag:
        handler.send_header("ETag", host.etag)
    handler.end_headers()
    last = host.cuts.pop(0) if host.cuts else size
    with suppress(ConnectionError):  # the client went away
        handler.wfile.write(host.content[first:last])
