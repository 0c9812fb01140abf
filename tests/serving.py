"""A service on a free port of this machine, and images to send to it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import httpx
import numpy as np
import uvicorn

from breakhis.predict import Predictor
from breakhis.serve import Limits, address, create_app, listen

LAUNCH: dict[str, Any] = {
    "executable_path": os.environ.get("CHROMIUM", "/usr/bin/chromium"),
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ],
}
"""How Playwright starts Debian's Chromium, which is then silent on the network but for the page."""

NAMES = ("SOB_B_TA-14-16184-100-001.png", "SOB_B_TA-14-16184-100-002.png", "SOB_M_DC-14-2523-100-001.png")


@dataclass(frozen=True)
class Running:
    """A running service: its address, and its server to stop it with."""

    url: str
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        """Stop as a signal does, and wait for the end."""
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextmanager
def running(predictor: Predictor, *, limits: Limits | None = None, port: int = 0) -> Iterator[Running]:
    """Serve in a thread until the block ends."""
    with listen("127.0.0.1", port) as listening:
        config = uvicorn.Config(
            create_app(predictor, limits=limits), log_config=None, access_log=False, server_header=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        service = Running(address(listening), server, thread)
        try:
            transport = httpx.HTTPTransport(retries=3)
            with httpx.Client(transport=transport, base_url=service.url) as client:
                while client.get("/readyz").status_code != 200:
                    threading.Event().wait(0.02)
            yield service
        finally:
            service.stop()


def picture(seed: int = 0, *, width: int = 90, height: int = 60, suffix: str = ".png") -> bytes:
    """A picture in the tints of H&E that compresses badly, in the format of a suffix."""
    generator = np.random.default_rng(seed)
    eosin, haematoxylin = np.array([225, 150, 190]), np.array([110, 80, 150])
    share = generator.uniform(0, 1, (height, width, 1))
    pixels = share * eosin + (1 - share) * haematoxylin + generator.integers(-40, 41, (height, width, 3))
    return bytes(cv2.imencode(suffix, np.clip(pixels, 0, 255).astype(np.uint8)[:, :, ::-1])[1])
