"""Dynamic batching: requests that come at the same time are computed together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Collects items while a batch is computed, and computes what has come as the next one.

    An item that comes alone waits a few milliseconds for others; under load nothing waits, since the next
    batch fills while the engine computes.

    Args:
        compute: From items to as many results, called in `executor`, one batch at a time.
        executor: Where batches are computed.
        most: Items in a batch.
        wait: Seconds that a batch which is not full waits for more.
        observe: Called with the number of items of every batch.
    """

    def __init__(
        self,
        compute: Callable[[list[Item]], Sequence[Result]],
        executor: Executor,
        *,
        most: int,
        wait: float,
        observe: Callable[[int], None],
    ) -> None:
        self._compute = compute
        self._executor = executor
        self._most = most
        self._wait = wait
        self._observe = observe
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Result]]] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return self._queue.qsize()

    async def submit(self, item: Item) -> Result:
        """The result of one item; raises what `compute` raised for its batch."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, result))
        return await result

    async def run(self) -> None:
        """Compute batches until cancelled."""
        while True:
            batch = [await self._queue.get()]
            if self._queue.qsize() < self._most - 1:
                await asyncio.sleep(self._wait)
            while len(batch) < self._most and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._answer([(item, result) for item, result in batch if not result.done()])

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        self._observe(len(batch))
        items = [item for item, _ in batch]
        computing = asyncio.get_running_loop().run_in_executor(self._executor, self._compute, items)
        await asyncio.wait([computing])
        error = computing.exception()
        for index, (_, result) in enumerate(batch):
            if result.done():  # its request was cancelled meanwhile
                continue
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(computing.result()[index])
