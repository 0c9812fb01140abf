"""Every metric of one table of answers, with its interval and its support."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from breakhis.metrics.answers import Answers
from breakhis.metrics.calibration import brier_score, expected_calibration_error
from breakhis.metrics.classification import averages, confusion, per_class, resampled_confusion
from breakhis.metrics.intervals import Estimate, Metric, Resamples, StrArray
from breakhis.metrics.malignancy import malignancy
from breakhis.metrics.ranking import Ranking, mean_of_defined, rank
from breakhis.metrics.recognition import image_recognition_rate, patient_recognition_rate
from breakhis.taxonomy import Taxonomy


@dataclass(frozen=True)
class ClassMeasures:
    """One class: its support in the truth and how well it is recognised.

    Attributes:
        name: Human-readable name.
        images: Images of the class.
        cases: Distinct cases that they come from.
        metrics: ``precision``, ``recall``, ``f1``, ``roc_auc`` and ``pr_auc`` (one against the rest).
    """

    name: str
    images: int
    cases: int
    metrics: dict[str, Metric]

    def to_json(self) -> dict[str, Any]:
        """Support and metrics side by side."""
        return {"name": self.name, "images": self.images, "cases": self.cases, **_to_json(self.metrics)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ClassMeasures":
        """What `to_json` gave."""
        return cls(value["name"], value["images"], value["cases"], _from_json(value))


@dataclass(frozen=True)
class Measures:
    """One table of answers, measured.

    Attributes:
        images: Rows measured: images, or patients or cases once pooled.
        patients: Distinct known patients.
        cases: Distinct known cases; the intervals resample these.
        metrics: By name, in the order of `estimate`.
        per_class: By class code, every class of the taxonomy.
        confusion: (C, C) counts; rows are the truth, columns the answers.
        absent: Codes without an image in the truth: left out of macro averages, None per class.
        undefined_auc: Codes without an area, since the truth holds none or nothing else.
    """

    images: int
    patients: int
    cases: int
    metrics: dict[str, Metric]
    per_class: dict[str, ClassMeasures]
    confusion: tuple[tuple[int, ...], ...]
    absent: tuple[str, ...]
    undefined_auc: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """One flat object; a metric is ``{"value", "ci95"}``."""
        return {
            "images": self.images,
            "patients": self.patients,
            "cases": self.cases,
            **_to_json(self.metrics),
            "per_class": {code: measures.to_json() for code, measures in self.per_class.items()},
            "confusion": [list(row) for row in self.confusion],
            "absent": list(self.absent),
            "undefined_auc": list(self.undefined_auc),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Measures":
        """What `to_json` gave."""
        return cls(
            images=value["images"],
            patients=value["patients"],
            cases=value["cases"],
            metrics=_from_json(value),
            per_class={code: ClassMeasures.from_json(item) for code, item in value["per_class"].items()},
            confusion=tuple(tuple(row) for row in value["confusion"]),
            absent=tuple(value["absent"]),
            undefined_auc=tuple(value["undefined_auc"]),
        )


def measure(answers: Answers, taxonomy: Taxonomy, *, seed: int = 0) -> Measures:
    """Every metric of `answers`, whose C classes are those of `taxonomy`; `seed` draws the resamples."""
    resamples = Resamples.draw(answers.cases, seed=seed)
    rankings = _rankings(answers, resamples)
    estimates = estimate(answers, resamples, rankings)
    counts = np.bincount(answers.truth, minlength=answers.classes)
    undefined = [index for index, ranking in enumerate(rankings) if ranking.roc_auc.value is None]
    return Measures(
        images=len(answers),
        patients=_known(answers.patients),
        cases=_known(answers.cases),
        metrics={name: value.metric() for name, value in estimates.items()},
        per_class=_classes(answers, taxonomy, resamples, rankings),
        confusion=tuple(tuple(row) for row in confusion(answers).tolist()),
        absent=tuple(taxonomy.codes[index] for index in np.flatnonzero(counts == 0)),
        undefined_auc=tuple(taxonomy.codes[index] for index in undefined),
    )


def estimate(
    answers: Answers, resamples: Resamples, rankings: list[Ranking] | None = None
) -> dict[str, Estimate]:
    """Every metric that is one number for the whole table, still with its resampled values.

    `rankings` are the per-class areas where they are already known.
    """
    areas = _rankings(answers, resamples) if rankings is None else rankings
    return {
        **averages(answers, resampled_confusion(answers, resamples)),
        "image_recognition_rate": image_recognition_rate(answers.correct, resamples),
        "prr": patient_recognition_rate(answers.correct, answers.patients, resamples),
        **malignancy(answers, resamples),
        "roc_auc": mean_of_defined([area.roc_auc for area in areas]),
        "pr_auc": mean_of_defined([area.pr_auc for area in areas]),
        "ece": expected_calibration_error(answers, resamples),
        "brier": brier_score(answers, resamples),
    }


def _rankings(answers: Answers, resamples: Resamples) -> list[Ranking]:
    return [
        rank(answers.probabilities[:, label], answers.truth == label, resamples)
        for label in range(answers.classes)
    ]


def _classes(
    answers: Answers, taxonomy: Taxonomy, resamples: Resamples, rankings: list[Ranking]
) -> dict[str, ClassMeasures]:
    scores = per_class(answers, resampled_confusion(answers, resamples), resamples)
    result = {}
    for label, (code, name) in enumerate(zip(taxonomy.codes, taxonomy.names, strict=True)):
        mask, ranking = answers.truth == label, rankings[label]
        areas = {"roc_auc": ranking.roc_auc, "pr_auc": ranking.pr_auc}
        spread = {key: resamples.only_if_spread(area, mask, ~mask) for key, area in areas.items()}
        metrics = {**scores[label], **spread}
        result[code] = ClassMeasures(
            name=name,
            images=int(mask.sum()),
            cases=_known(answers.cases[mask]),
            metrics={key: value.metric() for key, value in metrics.items()},
        )
    return result


def _known(names: StrArray) -> int:
    return int(np.count_nonzero(np.unique(names) != ""))


def _to_json(metrics: dict[str, Metric]) -> dict[str, Any]:
    return {name: metric.to_json() for name, metric in metrics.items()}


def _from_json(value: dict[str, Any]) -> dict[str, Metric]:
    return {
        name: Metric.from_json(item)
        for name, item in value.items()
        if isinstance(item, dict) and "ci95" in item
    }
