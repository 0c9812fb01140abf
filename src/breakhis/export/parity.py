"""How far the answers of one computation of a network are from those of another."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from breakhis.evaluate import answers_of
from breakhis.metrics import Estimate, Metric, Resamples, estimate
from breakhis.predictions import Predictions

FLOAT32_BAR: Final = 1e-4
"""Largest difference of any probability that a float32 computation may have."""

TOP1_BAR: Final = 0.99
"""Share of answers that have to be the same for a faster arithmetic to be called faithful."""

_SHOWN: Final = ("accuracy", "macro_f1", "malignancy_accuracy")


@dataclass(frozen=True)
class Agreement:
    """Answers held against reference answers for the same images.

    Attributes:
        images: Images compared.
        max_difference: Largest difference of any probability.
        top1_agreement: Share of images with the same answered subtype.
        metrics: Accuracy, macro F1 and malignancy accuracy; empty where the truth is not known.
        changes: {metric: its value less the reference's}, with paired intervals over cases.
        moved: Every metric that differs from the reference's by more than half the width of that interval.
    """

    images: int
    max_difference: float
    top1_agreement: float
    metrics: dict[str, Metric]
    changes: dict[str, Metric]
    moved: tuple[str, ...]

    @property
    def faithful(self) -> bool:
        """Whether at least 99 % of the answers are the same and no metric has moved."""
        return self.top1_agreement >= TOP1_BAR and not self.moved

    def to_json(self) -> dict[str, Any]:
        """One flat object; metrics and their changes (``accuracy_change``) as ``{"value", "ci95"}``."""
        return {
            "images": self.images,
            "max_difference": self.max_difference,
            "top1_agreement": self.top1_agreement,
            **{name: metric.to_json() for name, metric in self.metrics.items()},
            **{f"{name}_change": metric.to_json() for name, metric in self.changes.items()},
            "moved": list(self.moved),
        }

    def summary(self) -> str:
        """One line for people, without the unit of the split: see `Sample.summary`."""
        accuracy = f", accuracy {self.metrics['accuracy']}" if self.metrics else ""
        top1 = f"top-1 agreement {self.top1_agreement:.1%}"
        return f"largest difference {self.max_difference:.1e}, {top1}{accuracy}"


def compare(found: Predictions, reference: Predictions, *, seed: int = 0) -> Agreement:
    """Hold answers against reference answers for the same images.

    Metrics are measured where the truth of every image is known, on the same resamples of cases.
    """
    estimates = [_estimates(table, seed) for table in (found, reference)]
    ours, theirs = estimates
    changes = {name: ours[name].minus(theirs[name]) for name in ours}
    shown = [name for name in _SHOWN if name in ours]
    return Agreement(
        images=len(found),
        max_difference=float(np.abs(found.probabilities - reference.probabilities).max(initial=0.0)),
        top1_agreement=float((found.labels == reference.labels).mean()),
        metrics={name: ours[name].metric() for name in shown},
        changes={name: changes[name] for name in shown},
        moved=tuple(name for name in ours if _has_moved(changes[name], theirs[name].metric())),
    )


def _estimates(table: Predictions, seed: int) -> dict[str, Estimate]:
    if not len(table) or (table.truth < 0).any():
        return {}
    return estimate(answers_of(table), Resamples.draw(table.cases, seed=seed))


def _has_moved(change: Metric, reference: Metric) -> bool:
    """Where there is no interval, or one of no width, only what float32 itself may change is allowed."""
    if change.value is None:
        return False
    low, high = reference.ci95 or (0.0, 0.0)
    return abs(change.value) > max((high - low) / 2, FLOAT32_BAR)
