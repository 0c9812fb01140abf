"""Several ways to do one thing, timed in turns: what disturbs the machine disturbs them all."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Job = Callable[[int], int]
"""Does its work for a round (0, 1, ...) and returns how many images it handled."""


@dataclass(frozen=True)
class Timing:
    """One job in one round.

    Attributes:
        images: Handled in this round.
        wall: Seconds that passed.
        processor: Seconds of all cores together that this process used.
    """

    images: int
    wall: float
    processor: float

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.wall

    @property
    def rate_per_core(self) -> float:
        """Images a second of processor time."""
        return self.images / self.processor


@dataclass(frozen=True)
class Ratio:
    """A ratio of paired rounds: the median, the smallest and the largest."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, numerators: list[float], denominators: list[float]) -> "Ratio":
        """The ratios of the values that belong to the same round."""
        ratios = [one / other for one, other in zip(numerators, denominators, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))


def alternate(jobs: Mapping[str, Job], *, rounds: int, warm_up: bool = True) -> dict[str, list[Timing]]:
    """Run every job once a round, in turns; every other round backwards.

    Args:
        jobs: By name.
        rounds: How many are timed.
        warm_up: Whether an untimed round comes first; it has the number 0 and the timed ones follow.

    Returns:
        {name: one timing a round}.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in jobs}
    for turn in range(rounds + warm_up):
        order = list(jobs) if turn % 2 == 0 else list(jobs)[::-1]
        for name in order:
            timing = _timed(jobs[name], turn)
            if turn or not warm_up:
                timings[name].append(timing)
    return timings


def _timed(job: Job, turn: int) -> Timing:
    wall, processor = time.perf_counter(), time.process_time()
    images = job(turn)
    return Timing(images, time.perf_counter() - wall, time.process_time() - processor)
