"""Differences between runs with paired intervals, and only where their test sets are the same.

Every run is measured on the same resamples of cases, so that what makes a case hard for all runs cancels out
of the difference (paired bootstrap; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from breakhis.compare.alignment import align
from breakhis.compare.contestant import Contestant
from breakhis.compare.text import comparison_text
from breakhis.errors import UsageError
from breakhis.evaluate import answers_of
from breakhis.metrics import Estimate, Metric, Resamples, estimate
from breakhis.metrics.intervals import RESAMPLES

RANKED_BY = "macro_f1"


@dataclass(frozen=True)
class Difference:
    """`first` minus `second`, every metric with a paired interval."""

    first: str
    second: str
    metrics: dict[str, Metric]

    @property
    def told_apart(self) -> bool:
        """Whether the interval of the metric that runs are ranked by leaves out 0."""
        bounds = self.metrics[RANKED_BY].ci95
        return bounds is not None and not bounds[0] <= 0 <= bounds[1]

    def to_json(self) -> dict[str, Any]:
        """Names, metrics and whether the two are told apart."""
        return {
            "first": self.first,
            "second": self.second,
            "told_apart": self.told_apart,
            **{name: metric.to_json() for name, metric in self.metrics.items()},
        }


@dataclass(frozen=True)
class Standing:
    """One run: the split that it rests on, and its metrics."""

    name: str
    unit: str
    verdict: str
    metrics: dict[str, Metric]

    def to_json(self) -> dict[str, Any]:
        """Names, split and metrics."""
        return {
            "name": self.name,
            "unit": self.unit,
            "leakage": {"verdict": self.verdict},
            **{name: metric.to_json() for name, metric in self.metrics.items()},
        }


@dataclass(frozen=True)
class Comparison:
    """Runs on one test set.

    Attributes:
        images, cases: Size of the test set.
        runs: Best macro F1 first.
        differences: Every pair, the better run first.
        warnings: What to know before believing the order.
        seed: Seed of the resamples.
    """

    images: int
    cases: int
    runs: tuple[Standing, ...]
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """One object; a metric is ``{"value", "ci95"}``."""
        return {
            "images": self.images,
            "cases": self.cases,
            "ranked_by": RANKED_BY,
            "runs": [run.to_json() for run in self.runs],
            "differences": [difference.to_json() for difference in self.differences],
            "warnings": list(self.warnings),
            "interval": {"level": 0.95, "over": "case", "resamples": RESAMPLES, "seed": self.seed},
        }

    def summary(self) -> str:
        """One line for people: the best run, and whether it is told apart from the next."""
        best, other, difference = self.runs[0], self.runs[1], self.differences[0]
        verdict = "above" if difference.told_apart else "not told apart from"
        return (
            f"{best.name} (split by {best.unit}) is {verdict} {other.name} (split by {other.unit}): macro F1 "
            f"differs by {difference.metrics[RANKED_BY]} on {self.images} images of {self.cases} cases"
        )

    def table(self) -> str:
        """Runs and differences as plain text; every number with its interval and the split's unit."""
        standings = [(run.name, _split(run), run.metrics) for run in self.runs]
        splits = {run.name: run.unit for run in self.runs}
        pairs = [
            (f"{item.first} - {item.second}", _both(splits[item.first], splits[item.second]), item.metrics)
            for item in self.differences
        ]
        heading = f"{self.images} images of {self.cases} cases, the same for every run"
        return comparison_text(heading, standings, pairs, notes=[*self.warnings, self.summary()])


def compare(contestants: Sequence[Contestant], *, seed: int = 0) -> Comparison:
    """Measure runs on their common test set and every pair's difference.

    Raises:
        UsageError: Fewer than two runs, or two of one name.
        SplitError: The test sets differ; nothing is ranked then.
        DataError: A truth is unknown.
    """
    names = [contestant.name for contestant in contestants]
    if len(set(names)) < max(2, len(names)):
        raise UsageError(
            "at least two different runs", found=", ".join(names) or "none", fix="name each run once"
        )
    tables = [answers_of(table) for table in align(contestants)]
    resamples = Resamples.draw(tables[0].cases, seed=seed)
    estimates = {name: estimate(answers, resamples) for name, answers in zip(names, tables, strict=True)}
    ordered = sorted(contestants, key=lambda one: -(estimates[one.name][RANKED_BY].value or 0.0))
    return Comparison(
        images=len(tables[0]),
        cases=len(set(tables[0].cases.tolist()) - {""}),
        runs=tuple(_standing(one, estimates[one.name]) for one in ordered),
        differences=tuple(
            _difference(first.name, second.name, estimates) for first, second in combinations(ordered, 2)
        ),
        warnings=_warnings(contestants),
        seed=seed,
    )


def _standing(contestant: Contestant, estimates: dict[str, Estimate]) -> Standing:
    metrics = {name: value.metric() for name, value in estimates.items()}
    return Standing(contestant.name, contestant.unit, contestant.verdict, metrics)


def _difference(first: str, second: str, estimates: dict[str, dict[str, Estimate]]) -> Difference:
    pairs = {name: value.minus(estimates[second][name]) for name, value in estimates[first].items()}
    return Difference(first, second, pairs)


def _warnings(contestants: Sequence[Contestant]) -> tuple[str, ...]:
    by_verdict = {
        verdict: [one.name for one in contestants if one.verdict == verdict]
        for verdict in ("leaks", "unknown")
    }
    texts = {
        "leaks": "trained on cases of the test set, which flatters: {}",
        "unknown": "not known to be trained without cases of the test set: {}",
    }
    return tuple(texts[verdict].format(", ".join(names)) for verdict, names in by_verdict.items() if names)


def _split(run: Standing) -> str:
    return f"{run.unit} ({run.verdict})"


def _both(first: str, second: str) -> str:
    return first if first == second else f"{first}, {second}"
