"""What one request may ask for, and what all of them together may hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from breakhis.errors import BusyError, DeadlineError


@dataclass(frozen=True)
class Limits:
    """Bounds of the service; `breakhis.images.decode` bounds the pixels of an image.

    Attributes:
        files: Images in a request.
        file_bytes: Bytes of one image.
        request_bytes: Bytes of a request.
        held_bytes: Bytes of all uploads in memory at one time.
        waiting: Images that are decoded, wait for the engine or are computed at one time.
        seconds: From the head of a request to its answer.
    """

    files: int = 64
    file_bytes: int = 32 * 2**20
    request_bytes: int = 256 * 2**20
    held_bytes: int = 2**30
    waiting: int = 512
    seconds: float = 120.0


class Budget:
    """A bounded amount of something that requests hold for a while."""

    def __init__(self, bound: int, what: str) -> None:
        self.bound = bound
        self.what = what
        self.held = 0

    def take(self, amount: int) -> None:
        """Raises BusyError where less than `amount` is left."""
        if self.held + amount > self.bound:
            raise BusyError(
                f"at most {self.bound:,} {self.what} at one time",
                found=f"{self.held:,} and another {amount:,}",
                fix="send it again in a second",
            )
        self.held += amount

    def give(self, amount: int) -> None:
        """Return what was taken."""
        self.held -= amount


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Cancel the block once its time is over; raises DeadlineError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DeadlineError(
            f"a request that is sent and answered within {seconds:g} s",
            found="one that took longer",
            fix="send fewer images at a time, or try again when the service is less busy",
        ) from error
