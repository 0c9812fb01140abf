"""Many images decoded by all cores, handed out in order, with few of them in memory."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from breakhis.errors import ImageError
from breakhis.images.decode import Image, decode

_AHEAD_PER_WORKER: Final = 8


def decode_stream(
    sources: Iterable[Path | bytes], *, size: int, workers: int | None = None
) -> Iterator[Image | ImageError]:
    """Decode and resize images in parallel; the decoder releases Python's lock, so threads suffice.

    Memory does not grow with the number of sources: only a few images a worker are decoded ahead.

    Args:
        sources: Files or their contents; taken from as needed.
        size: Side in pixels.
        workers: Threads; by default one a core.

    Yields:
        For each source, in order, (size, size, 3) uint8 RGB, or the ImageError that it raised.
    """
    workers = workers or os.cpu_count() or 1
    pending: deque[Future[Image | ImageError]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for source in sources:
            pending.append(pool.submit(_decode, source, size))
            if len(pending) > _AHEAD_PER_WORKER * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(source: Path | bytes, size: int) -> Image | ImageError:
    try:
        return decode(source, size=size)
    except ImageError as error:
        return error
