"""What the routes ask: decoding in threads, one engine thread, answers as Predictions."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import cv2
import numpy as np

from breakhis.catalog.names import parse_file
from breakhis.errors import ImageError
from breakhis.explain import Explanation, Method, explain
from breakhis.images.checks import Looked
from breakhis.images.decode import read_image
from breakhis.predict import BATCH, Predictor
from breakhis.predictions import Predictions
from breakhis.serve.batching import Batcher
from breakhis.serve.limits import Budget, Limits
from breakhis.serve.telemetry import Metrics
from breakhis.serve.uploads import Upload

Result = TypeVar("Result")
Answer = Predictions | ImageError
"""Of one upload: a table of one row, or why it cannot be read."""

_WAIT_SECONDS: Final = 0.004
_LEAST_BATCH: Final = 4
"""Images in a batch of a model that looks at each several times: enough for the engine, and soon answered."""

_PREVIEW_SIDE: Final = 1024


class Service:
    """A predictor for many requests at a time.

    Attributes:
        predictor: The model.
        limits: Bounds of requests.
        uploads: Bytes of uploads in memory.
        images: Images in work.
        metrics: What is counted.
        ready: Whether the engine is warm and the service not about to stop.
    """

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        self.predictor = predictor
        self.limits = limits
        self.uploads = Budget(limits.held_bytes, "bytes of uploads")
        self.images = Budget(limits.waiting, "images in work")
        self.metrics = Metrics(in_work=lambda: self.images.held)
        self.ready = False
        self._decoding = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="engine")
        views = predictor.bundle.config.model.test_views
        self._batcher = Batcher(
            self._compute,
            self._computing,
            most=max(_LEAST_BATCH, BATCH // views),
            wait=_WAIT_SECONDS,
            observe=self.metrics.batch,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Warm the engine up and answer until the block ends; what was submitted before is answered."""
        batching = asyncio.create_task(self._batcher.run())
        warming = asyncio.create_task(self._warm())
        try:
            yield
        finally:
            self.ready = False
            for task in (warming, batching):
                task.cancel()
            await asyncio.wait([warming, batching])
            self._decoding.shutdown(cancel_futures=True)
            self._computing.shutdown(cancel_futures=True)

    async def answers(self, uploads: Sequence[Upload]) -> list[Answer]:
        """One answer an upload, in order; raises BusyError where too much waits already."""
        with self._admitted(len(uploads)):
            return list(await asyncio.gather(*map(self._answer, uploads)))

    async def explain(self, upload: Upload, *, target: str | None, method: Method) -> Explanation:
        """Heatmaps of one upload; raises ImageError, UsageError or BusyError."""
        with self._admitted(1):
            image = await self._decode(upload, read_image)
            return await self._in(
                self._computing, lambda: explain(self.predictor, image, target=target, method=method)
            )

    async def preview(self, upload: Upload) -> bytes:
        """One upload as a JPEG that every browser shows; raises ImageError or BusyError."""
        with self._admitted(1):
            return await self._decode(upload, _preview)

    def unread(self, upload: Upload, error: ImageError) -> dict[str, object]:
        """The row of an upload that cannot be read: every column, and the error."""
        row = dict.fromkeys(self.predictor.predict([]).columns())
        named = parse_file(upload.name)
        return {
            **row,
            "path": upload.name,
            "patient": named.patient if named else "",
            "case": named.case if named else "",
            "abstain": True,
            "reason": "unreadable",
            "error": {"expected": error.expected, "found": error.found, "fix": error.fix},
        }

    @contextmanager
    def _admitted(self, images: int) -> Iterator[None]:
        self.images.take(images)
        try:
            yield
        finally:
            self.images.give(images)

    async def _answer(self, upload: Upload) -> Answer:
        try:
            looked = await self._decode(upload, lambda content: self.predictor.look(read_image(content)))
        except ImageError as error:
            return error
        return await self._batcher.submit((upload.name, looked))

    async def _decode(self, upload: Upload, read: Callable[[bytes], Result]) -> Result:
        try:
            return await self._in(self._decoding, lambda: read(upload.content))
        except ImageError as error:
            expected = error.expected.replace("the given bytes", upload.name)
            raise ImageError(expected, found=error.found, fix=error.fix) from error

    async def _in(self, executor: Executor, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    def _compute(self, named: list[tuple[str, Looked]]) -> list[Predictions]:
        answers = self.predictor.answer([name for name, _ in named], [looked for _, looked in named])
        return [answers.select(np.array([row])) for row in range(len(answers))]

    async def _warm(self) -> None:
        blank = np.zeros((self.predictor.bundle.size, self.predictor.bundle.size, 3), np.uint8)
        await self._in(self._computing, lambda: self.predictor.predict([blank]))
        self.ready = True


def _preview(content: bytes) -> bytes:
    image = read_image(content)
    height, width = image.shape[:2]
    scale = min(1.0, _PREVIEW_SIDE / max(height, width))
    side = (max(1, round(width * scale)), max(1, round(height * scale)))
    return bytes(cv2.imencode(".jpg", cv2.resize(image, side, interpolation=cv2.INTER_AREA)[:, :, ::-1])[1])
