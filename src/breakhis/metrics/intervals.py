"""95 % intervals by the percentile bootstrap over cases, and the value object that carries them.

Images of one case are not independent, so whole cases are drawn with replacement (cluster bootstrap; Efron
and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13). Every metric here is a function
of per-case sums, so a resample is one row of a matrix product and never a new pass over the images.

Where there is nothing to resample (fewer than two cases, or a case is unknown) the interval is None, not a
false one. An interval is as wide as the cases differ: where all of them are answered perfectly it has no
width, which says that no case showed an error, not that there are none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
StrArray = NDArray[np.str_]

RESAMPLES = 1000


@dataclass(frozen=True)
class Metric:
    """A number and its 95 % interval.

    Attributes:
        value: The number; None where it is undefined.
        ci95: Lower and upper bound; None where there is no honest interval.
    """

    value: float | None
    ci95: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"value": 0.41, "ci95": [0.33, 0.49]}``, null where undefined."""
        return {"value": self.value, "ci95": list(self.ci95) if self.ci95 else None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Metric":
        """What `to_json` gave."""
        ci95 = value["ci95"]
        return cls(value["value"], (ci95[0], ci95[1]) if ci95 else None)

    def interval(self, digits: int = 3) -> str:
        """The interval for people, e.g. ``[0.330, 0.490]``."""
        if self.ci95 is None:
            return "no interval"
        return f"[{self.ci95[0]:.{digits}f}, {self.ci95[1]:.{digits}f}]"

    def __str__(self) -> str:
        return "undefined" if self.value is None else f"{self.value:.3f} {self.interval()}"


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric before it is summed up: its value and the values on R resamples.

    Attributes:
        value: On the images as they are; None where undefined.
        samples: (R,) float64, NaN where a resample leaves the metric undefined; empty without an interval.
    """

    value: float | None
    samples: FloatArray

    @classmethod
    def undefined(cls) -> "Estimate":
        """Neither value nor interval."""
        return cls(None, np.empty(0))

    def metric(self) -> Metric:
        """Value and percentile interval."""
        return Metric(self.value, None if self.value is None else percentiles(self.samples))

    def minus(self, other: "Estimate") -> Metric:
        """The difference, with a paired interval if both were measured on the same resamples."""
        if self.value is None or other.value is None:
            return Metric(None)
        paired = len(self.samples) == len(other.samples)
        return Metric(self.value - other.value, percentiles(self.samples - other.samples) if paired else None)


def percentiles(samples: FloatArray) -> tuple[float, float] | None:
    """The 2.5th and 97.5th percentile of the defined samples; None where there is none."""
    defined = samples[np.isfinite(samples)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Resamples:
    """R draws of G cases with replacement.

    Attributes:
        groups: (N,) position of every image's case.
        weights: (R, G) float64: how often each draw holds each case. R is 0 where no interval is possible.
    """

    groups: IntArray
    weights: FloatArray

    @classmethod
    def draw(cls, cases: StrArray, *, seed: int = 0, count: int = RESAMPLES) -> "Resamples":
        """Draw `count` resamples of the distinct `cases` (N,).

        None is drawn where a case is unknown (empty) or all images are of one case.
        """
        names, groups = np.unique(cases, return_inverse=True)
        size = len(names)
        possible = size >= 2 and "" not in names
        generator = np.random.default_rng(seed)
        weights = generator.multinomial(size, np.full(size, 1 / size), size=count if possible else 0)
        return cls(np.asarray(groups, dtype=np.int64), weights.astype(np.float64))

    def totals(self, values: NDArray[Any]) -> FloatArray:
        """Sums of `values` (N,) or (N, K) over each resample: (R,) or (R, K)."""
        columns = values.reshape(len(values), -1).T
        sums = [
            np.bincount(self.groups, weights=column, minlength=self.weights.shape[1]) for column in columns
        ]
        totals: FloatArray = self.weights @ np.array(sums).T
        return totals.reshape(-1, *values.shape[1:])

    def ratio(self, numerator: NDArray[Any], denominator: NDArray[Any]) -> FloatArray:
        """(R,) quotients of two summed columns (N,); NaN where a resample has nothing to divide by."""
        return divide(self.totals(numerator), self.totals(denominator))

    def only_if_spread(self, estimate: Estimate, *masks: BoolArray) -> Estimate:
        """`estimate`, without an interval where the images of a mask (N,) come from fewer than two cases."""
        spread = all(len(np.unique(self.groups[mask])) >= 2 for mask in masks)
        return estimate if spread else Estimate(estimate.value, np.empty(0))


def divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Elementwise quotient; NaN where the denominator is 0."""
    quotient: FloatArray = np.divide(
        numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator != 0
    )
    return quotient
