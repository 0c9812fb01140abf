"""Every metric of one table of answers, with its interval and its support."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from breakhis.metrics.answers import Answers
from breakhis.metrics.calibration import brier_score, expected_calibration_error
from breakhis.metrics.classification import averages, confusion, per_class, resampled_confusion
from breakhis.metrics.intervals import Estimate, FloatArray, Metric, Resamples, StrArray
from breakhis.metrics.malignancy import malignancy
from breakhis.metrics.ranking import Ranking, mean_of_defined, rank
from breakhis.metrics.recognition import image_recognition_rate, patient_recognition_rate
from breakhis.taxonomy import Taxonomy


@dataclass(frozen=True)
class ClassMeasures:
    """One class: its support in the truth and how well it is recognised.

    Attributes:
        name: Human-readable name.
        rows: Images of the class (patients or cases once pooled).
        cases: Distinct cases that they come from.
        metrics: ``precision``, ``recall``, ``f1``, ``roc_auc`` and ``pr_auc`` (one against the rest).
    """

    name: str
    rows: int
    cases: int
    metrics: dict[str, Metric]

    def to_json(self, rows: str) -> dict[str, Any]:
        """Support and metrics side by side; `rows` is the key of the number of rows."""
        return {"name": self.name, rows: self.rows, "cases": self.cases, **_to_json(self.metrics)}

    @classmethod
    def from_json(cls, value: dict[str, Any], rows: str) -> "ClassMeasures":
        """What `to_json` gave."""
        return cls(value["name"], value[rows], value["cases"], _from_json(value))


@dataclass(frozen=True)
class Measures:
    """One table of answers, measured.

    Attributes:
        rows: Images measured (patients or cases once pooled).
        patients: Distinct known patients.
        cases: Distinct known cases; the intervals resample these.
        metrics: By name, in the order of `estimate`.
        per_class: By class code, every class of the taxonomy.
        confusion: (C, C) counts; rows are the truth, columns the answers.
        absent: Codes without an image in the truth: left out of macro averages, None per class.
        undefined_auc: Codes without an area, since the truth holds none or nothing else.
    """

    rows: int
    patients: int
    cases: int
    metrics: dict[str, Metric]
    per_class: dict[str, ClassMeasures]
    confusion: tuple[tuple[int, ...], ...]
    absent: tuple[str, ...]
    undefined_auc: tuple[str, ...]

    def to_json(self, rows: str = "images") -> dict[str, Any]:
        """One flat object; a metric is ``{"value", "ci95"}``, `rows` the key of the number of rows."""
        return {
            rows: self.rows,
            "patients": self.patients,
            "cases": self.cases,
            **_to_json(self.metrics),
            "per_class": {code: measures.to_json(rows) for code, measures in self.per_class.items()},
            "confusion": [list(row) for row in self.confusion],
            "absent": list(self.absent),
            "undefined_auc": list(self.undefined_auc),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], rows: str = "images") -> "Measures":
        """What `to_json` gave."""
        return cls(
            rows=value[rows],
            patients=value["patients"],
            cases=value["cases"],
            metrics=_from_json(value),
            per_class={
                code: ClassMeasures.from_json(item, rows) for code, item in value["per_class"].items()
            },
            confusion=tuple(tuple(row) for row in value["confusion"]),
            absent=tuple(value["absent"]),
            undefined_auc=tuple(value["undefined_auc"]),
        )


def measure(answers: Answers, taxonomy: Taxonomy, *, seed: int = 0) -> Measures:
    """Every metric of `answers`, whose C classes are those of `taxonomy`; `seed` draws the resamples."""
    resamples = Resamples.draw(answers.cases, seed=seed)
    matrices, rankings = resampled_confusion(answers, resamples), _rankings(answers, resamples)
    estimates = _estimate(answers, resamples, matrices=matrices, rankings=rankings)
    scores = per_class(answers, matrices, resamples)
    counts = np.bincount(answers.truth, minlength=answers.classes)
    undefined = [index for index, ranking in enumerate(rankings) if ranking.roc_auc.value is None]
    return Measures(
        rows=len(answers),
        patients=_known(answers.patients),
        cases=_known(answers.cases),
        metrics={name: value.metric() for name, value in estimates.items()},
        per_class=_classes(answers, taxonomy, resamples, scores=scores, rankings=rankings),
        confusion=tuple(tuple(row) for row in confusion(answers).tolist()),
        absent=tuple(taxonomy.codes[index] for index in np.flatnonzero(counts == 0)),
        undefined_auc=tuple(taxonomy.codes[index] for index in undefined),
    )


def estimate(answers: Answers, resamples: Resamples) -> dict[str, Estimate]:
    """Every metric that is one number for the whole table, still with its resampled values."""
    matrices, rankings = resampled_confusion(answers, resamples), _rankings(answers, resamples)
    return _estimate(answers, resamples, matrices=matrices, rankings=rankings)


def _estimate(
    answers: Answers, resamples: Resamples, *, matrices: FloatArray, rankings: list[Ranking]
) -> dict[str, Estimate]:
    return {
        **averages(answers, matrices),
        "image_recognition_rate": image_recognition_rate(answers.correct, resamples),
        "prr": patient_recognition_rate(answers.correct, answers.patients, resamples),
        **malignancy(answers, resamples),
        "roc_auc": mean_of_defined([ranking.roc_auc for ranking in rankings]),
        "pr_auc": mean_of_defined([ranking.pr_auc for ranking in rankings]),
        "ece": expected_calibration_error(answers, resamples),
        "brier": brier_score(answers, resamples),
    }


def _rankings(answers: Answers, resamples: Resamples) -> list[Ranking]:
    return [
        rank(answers.probabilities[:, label], answers.truth == label, resamples)
        for label in range(answers.classes)
    ]


def _classes(
    answers: Answers,
    taxonomy: Taxonomy,
    resamples: Resamples,
    *,
    scores: list[dict[str, Estimate]],
    rankings: list[Ranking],
) -> dict[str, ClassMeasures]:
    result = {}
    for label, (code, name) in enumerate(zip(taxonomy.codes, taxonomy.names, strict=True)):
        mask, ranking = answers.truth == label, rankings[label]
        areas = {"roc_auc": ranking.roc_auc, "pr_auc": ranking.pr_auc}
        spread = {key: resamples.only_if_spread(area, mask, ~mask) for key, area in areas.items()}
        metrics = {**scores[label], **spread}
        result[code] = ClassMeasures(
            name=name,
            rows=int(mask.sum()),
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
