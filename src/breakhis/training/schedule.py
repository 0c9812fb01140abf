"""When to keep weights, lower the learning rate and stop: decided here, acted on in the loop.

Keras' own callbacks forget their counters when a process dies; this state is a plain value that a
checkpoint carries, so that a resumed run decides as an uninterrupted one would.
"""

import math
from dataclasses import dataclass, replace

from breakhis.config import FitConfig

_MIN_DELTA = 1e-4
_MIN_LEARNING_RATE = 1e-7


@dataclass(frozen=True)
class Decision:
    """What follows from an epoch that is not the best one."""

    reduce: bool = False
    stop: bool = False


@dataclass(frozen=True)
class ScheduleState:
    """Best validation loss so far and how long it has stood."""

    best: float = math.inf
    best_epoch: int = -1
    since_best: int = 0
    since_drop: int = 0


def next_state(
    state: ScheduleState, fit: FitConfig, *, epoch: int, loss: float, learning_rate: float
) -> tuple[ScheduleState, Decision]:
    """Early stopping and reduction on plateau for one more epoch.

    A loss that is not a number never counts as an improvement.
    """
    if loss < state.best - _MIN_DELTA:
        return ScheduleState(best=loss, best_epoch=epoch), Decision()
    waited = replace(state, since_best=state.since_best + 1, since_drop=state.since_drop + 1)
    reduce = waited.since_drop >= fit.plateau_patience and learning_rate > _MIN_LEARNING_RATE
    if reduce:
        waited = replace(waited, since_drop=0)
    stop = waited.since_best >= fit.early_stopping_patience
    return waited, Decision(reduce=reduce and not stop, stop=stop)
