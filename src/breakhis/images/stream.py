"""Many images decoded by all cores, handed out in order, with few of them in memory."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from breakhis.errors import ImageError
from breakhis.images.decode import Image, read_image

_AHEAD_PER_WORKER: Final = 8
_POLITE: Final = 10
"""How nice a thread is that decodes beside a computation on all cores."""

Result = TypeVar("Result")


def map_images(
    sources: Iterable[Path | bytes],
    work: Callable[[Image], Result],
    *,
    workers: int | None = None,
    polite: bool = False,
) -> Iterator[Result | ImageError]:
    """Decode images and do something with each, in parallel; the decoder releases Python's lock.

    Memory does not grow with the number of sources: only a few images a worker are decoded ahead.

    Args:
        sources: Files or their contents; taken from as needed.
        work: From (H, W, 3) uint8 RGB at its own size to what is wanted of it; called in the threads.
        workers: Threads; by default one a core.
        polite: Whether they give way to what else computes, where the system knows priorities of threads
            (Linux). A computation whose parts wait for one another loses a core's time for every part that
            is held up on another.

    Yields:
        For each source, in order, what `work` returned, or the ImageError that decoding raised.
    """
    workers = workers or os.cpu_count() or 1
    pending: deque[Future[Result | ImageError]] = deque()
    give_way = _give_way if polite and sys.platform == "linux" else None
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode", initializer=give_way)
    try:
        for source in sources:
            pending.append(pool.submit(_read, source, work))
            if len(pending) > _AHEAD_PER_WORKER * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _POLITE)


def _read(source: Path | bytes, work: Callable[[Image], Result]) -> Result | ImageError:
    try:
        image = read_image(source)
    except ImageError as error:
        return error
    return work(image)
