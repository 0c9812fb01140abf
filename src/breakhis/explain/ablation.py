"""What each branch adds: the same test set answered without a branch, and with that branch alone.

Nothing is trained anew. A silenced branch says the same for every image: its mean. Every variant is measured
on the same resamples of cases as the whole model, so that the interval of a difference is a paired one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from breakhis.engine import Engine
from breakhis.errors import DataError, UsageError
from breakhis.evaluate import answers_of
from breakhis.evaluate.tables import LABELS, cell, plain_table, render
from breakhis.explain.head import Array, Head, head_of, softmax
from breakhis.files import write_json
from breakhis.images.decode import Image
from breakhis.images.views import turn
from breakhis.metrics import Metric, Resamples, estimate
from breakhis.metrics.intervals import RESAMPLES
from breakhis.predict import Predictor, calibrate
from breakhis.predictions import Predictions

Kind = Literal["all", "without", "only"]

SHOWN = ("macro_f1", "accuracy", "malignancy_accuracy")
"""What the tables show; the JSON has every metric."""


@dataclass(frozen=True)
class Division:
    """The measured images: unit and leakage verdict of their split, and the seed of the resamples."""

    unit: str
    verdict: str
    seed: int = 0


@dataclass(frozen=True)
class Variant:
    """The model with some of its branches silenced.

    Attributes:
        kind: "all" branches, "without" one, or "only" one.
        branch: Its tap; empty for all.
        metrics: Of the test set.
        difference: `metrics` minus those of the whole model, with paired intervals.
    """

    kind: Kind
    branch: str
    metrics: dict[str, Metric]
    difference: dict[str, Metric]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.kind} {self.branch}" if self.branch else "all branches"

    def to_json(self) -> dict[str, Any]:
        """Metrics at the top, their differences below."""
        return {
            "variant": self.kind,
            "branch": self.branch,
            **_to_json(self.metrics),
            "difference": _to_json(self.difference),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Variant":
        """What `to_json` gave."""
        metrics = {name: item for name, item in value.items() if isinstance(item, dict) and "ci95" in item}
        return cls(value["variant"], value["branch"], _from_json(metrics), _from_json(value["difference"]))


@dataclass(frozen=True)
class Ablation:
    """Every variant of one model on one test set.

    Attributes:
        division: How the images were chosen.
        images, cases: How many.
        silenced_to: What a silenced branch says instead.
        variants: The whole model first, then without each branch, then with it alone.
    """

    division: Division
    images: int
    cases: int
    silenced_to: str
    variants: tuple[Variant, ...]

    def to_json(self) -> dict[str, Any]:
        """One object; a metric is ``{"value", "ci95"}``."""
        return {
            "unit": self.division.unit,
            "leakage": {"verdict": self.division.verdict},
            "images": self.images,
            "cases": self.cases,
            "silenced_to": self.silenced_to,
            "variants": [variant.to_json() for variant in self.variants],
            "interval": {"level": 0.95, "over": "case", "resamples": RESAMPLES, "seed": self.division.seed},
        }

    def save(self, path: Path) -> None:
        """Write `to_json`."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Ablation":
        """Read what `save` wrote; raises DataError where it is something else."""
        try:
            value = json.loads(path.read_text("utf-8"))
            return cls(
                division=Division(value["unit"], value["leakage"]["verdict"], value["interval"]["seed"]),
                images=value["images"],
                cases=value["cases"],
                silenced_to=value["silenced_to"],
                variants=tuple(Variant.from_json(item) for item in value["variants"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"a branch ablation at {path}",
                found=f"{type(error).__name__}: {error}",
                fix="write it anew with `breakhis explain --ablation`",
            ) from error

    def table(self) -> str:
        """Variants as plain text; every number with its interval and the split's unit."""
        split = f"{self.division.unit} ({self.division.verdict})"
        values = plain_table("branches", *(LABELS[name] for name in SHOWN), "split by")
        changes = plain_table("change", *(LABELS[name] for name in SHOWN), "split by")
        for variant in self.variants:
            values.add_row(variant.name, *(cell(variant.metrics[name]) for name in SHOWN), split)
            if variant.kind != "all":
                changes.add_row(variant.name, *(cell(variant.difference[name]) for name in SHOWN), split)
        notes = [
            f"A silenced branch says {self.silenced_to}. Nothing was trained anew.",
            "95 % intervals: bootstrap over cases, paired for changes, not adjusted for their number.",
        ]
        heading = f"{self.images} images of {self.cases} cases"
        return render([(heading, values), ("change from all branches", changes)], notes)


def ablate(
    predictor: Predictor, batches: Iterable[Image], truth: Predictions, *, division: Division
) -> Ablation:
    """Measure a model with and without each of its branches.

    Args:
        predictor: The model, with the OpenVINO engine.
        batches: uint8 (n, size, size, 3) images, in the order of `truth`.
        truth: Table of these images; its probabilities are not read.
        division: What stands beside every number.

    Raises:
        UsageError: A model of a single branch, or an engine that shows no activations.
        DataError: A truth is unknown.
    """
    head = head_of(predictor.bundle)
    if len(head.branches) < 2:
        raise UsageError(
            "a model of several branches",
            found=f"one, {next(iter(head.branches))}",
            fix="without it nothing is left; there is nothing to compare",
        )
    if not isinstance(predictor.engine, Engine):
        raise UsageError(
            "an engine that shows activations",
            found=type(predictor.engine).__name__,
            fix="load the model with the engine openvino",
        )
    views = range(predictor.bundle.config.model.test_views)
    parts = [[head.outputs(predictor.engine.taps(turn(batch, view))) for view in views] for batch in batches]
    outputs = {
        tap: np.concatenate([np.stack([view[tap] for view in part], axis=1) for part in parts])
        for tap in head.branches
    }
    temperature = predictor.bundle.temperature
    return _measured(head, outputs, truth, division=division, temperature=temperature)


def _measured(
    head: Head, outputs: dict[str, Array], truth: Predictions, *, division: Division, temperature: float
) -> Ablation:
    """Measure all variants; `outputs` are {tap: (N, views, units)}."""
    silent = head.means or {tap: output.mean(axis=(0, 1)) for tap, output in outputs.items()}
    resamples = Resamples.draw(truth.cases, seed=division.seed)
    whole = None
    variants = []
    for kind, branch, kept in _choices(list(outputs)):
        heard = {
            tap: (output if tap in kept else np.broadcast_to(silent[tap], output.shape)).reshape(
                -1, output.shape[2]
            )
            for tap, output in outputs.items()
        }
        logits = head.combine(heard)
        mean = logits.reshape(len(truth), -1, logits.shape[1]).mean(axis=1)
        probabilities = calibrate(softmax(mean), temperature)
        found = estimate(answers_of(truth.with_probabilities(probabilities)), resamples)
        whole = whole or found
        variants.append(
            Variant(
                kind,
                branch,
                {name: value.metric() for name, value in found.items()},
                {name: value.minus(whole[name]) for name, value in found.items()},
            )
        )
    return Ablation(
        division=division,
        images=len(truth),
        cases=len(set(truth.cases.tolist()) - {""}),
        silenced_to="its mean in training" if head.means else "its mean over these images",
        variants=tuple(variants),
    )


def _choices(taps: list[str]) -> list[tuple[Kind, str, set[str]]]:
    """Kind, branch, and the branches that are heard."""
    without: list[tuple[Kind, str, set[str]]] = [("without", tap, set(taps) - {tap}) for tap in taps]
    alone: list[tuple[Kind, str, set[str]]] = [("only", tap, {tap}) for tap in taps]
    # Of two branches, without one is only the other.
    return [("all", "", set(taps)), *without, *(alone if len(taps) > 2 else [])]


def _to_json(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: metric.to_json() for name, metric in metrics.items()}


def _from_json(value: Mapping[str, Any]) -> dict[str, Metric]:
    return {name: Metric.from_json(item) for name, item in value.items()}
