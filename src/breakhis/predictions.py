"""The one table of answers that evaluation, CSV, REST, page and report share.

The subtype is the most probable one *within* the more probable group, and malignancy is the sum of its
subtypes' probabilities, so the two answers cannot contradict each other.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import Catalog, IntArray, StrArray
from breakhis.errors import DataError
from breakhis.files import atomic_file
from breakhis.taxonomy import BREAKHIS, Taxonomy

FloatArray = NDArray[np.float64]

_TRUTH_COLUMNS = ("truth", "magnification")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers for N images, or for N patients or cases once pooled.

    Attributes:
        paths: (N,) image path, or the group's name once pooled.
        probabilities: (N, C) float64 in [0, 1], rows sum to 1.
        truth: (N,) label, -1 where unknown.
        magnifications: (N,) 0 where unknown or pooled over several.
        patients, cases: (N,) empty where unknown.
        reasons: (N,) why the model abstains; empty where it answers.
        taxonomy: The C classes.
    """

    paths: StrArray
    probabilities: FloatArray
    truth: IntArray
    magnifications: IntArray
    patients: StrArray
    cases: StrArray
    reasons: StrArray
    taxonomy: Taxonomy = BREAKHIS

    @classmethod
    def of_catalog(cls, catalog: Catalog, rows: IntArray, probabilities: FloatArray) -> "Predictions":
        """Answers for `rows` of a catalog, with the truth that its names tell."""
        chosen = catalog.select(rows)
        return cls(
            paths=chosen.paths,
            probabilities=np.asarray(probabilities, dtype=np.float64),
            truth=chosen.labels,
            magnifications=chosen.magnifications,
            patients=chosen.patients,
            cases=chosen.cases,
            reasons=np.full(len(chosen), "", dtype=np.str_),
            taxonomy=catalog.taxonomy,
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """One table of several, e.g. the folds of a cross-validation."""
        names = ("paths", "probabilities", "truth", "magnifications", "patients", "cases", "reasons")
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(**arrays, taxonomy=parts[0].taxonomy)

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def malignancy(self) -> FloatArray:
        """(N,) probability of malignancy in [0, 1]; NaN where the classes do not divide so."""
        if not self.taxonomy.has_malignancy:
            return np.full(len(self), np.nan)
        return _malignancy(self.probabilities, self.taxonomy)

    @cached_property
    def labels(self) -> IntArray:
        """(N,) answered label: the most probable class of the more probable group."""
        return answered_labels(self.probabilities, self.taxonomy)

    @property
    def subtypes(self) -> StrArray:
        """(N,) code of the answered subtype."""
        return np.array(self.taxonomy.codes)[self.labels]

    @property
    def confidence(self) -> FloatArray:
        """(N,) probability of the answered subtype."""
        confidence: FloatArray = self.probabilities[np.arange(len(self)), self.labels]
        return confidence

    def select(self, rows: NDArray[np.bool_] | IntArray) -> "Predictions":
        """The table of some rows."""
        names = ("paths", "probabilities", "truth", "magnifications", "patients", "cases", "reasons")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def with_probabilities(self, probabilities: FloatArray) -> "Predictions":
        """The same images with other probabilities, e.g. calibrated ones."""
        return replace(self, probabilities=probabilities)

    def pool(self, by: Literal["patient", "case"]) -> "Predictions":
        """Pool answered images of one group into its mean probability; rows are sorted by group.

        Images whose group is unknown stay single. A group of several true subtypes is pooled per true
        subtype (slides 21998, 29960 and 13412 span two), and images that abstain have no say unless all do.
        """
        groups = self.patients if by == "patient" else self.cases
        groups = np.where(groups == "", self.paths, groups)
        keys = sorted(set(zip(groups.tolist(), self.truth.tolist(), strict=True)))
        parts = [
            self._pooled(np.flatnonzero((groups == group) & (self.truth == truth)), group)
            for group, truth in keys
        ]
        return Predictions.concatenate(parts) if parts else self

    def _pooled(self, rows: IntArray, name: str) -> "Predictions":
        answered = rows[self.reasons[rows] == ""]
        voters = answered if len(answered) else rows
        magnifications = np.unique(self.magnifications[rows])
        patients = np.unique(self.patients[rows])
        first = self.select(rows[:1])
        return replace(
            first,
            paths=np.array([name]),
            probabilities=self.probabilities[voters].mean(axis=0, keepdims=True),
            magnifications=magnifications if len(magnifications) == 1 else np.zeros(1, dtype=np.int64),
            patients=patients if len(patients) == 1 else np.array([""]),
            reasons=np.array([""]) if len(answered) else first.reasons,
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """One JSON-ready object an image, with the columns of `predictions.csv`."""
        for index in range(len(self)):
            malignancy = float(self.malignancy[index])
            yield {
                "path": str(self.paths[index]),
                "subtype": str(self.subtypes[index]),
                "confidence": float(self.confidence[index]),
                "malignant": malignancy if self.taxonomy.has_malignancy else None,
                **{
                    code: float(value)
                    for code, value in zip(self.taxonomy.codes, self.probabilities[index], strict=True)
                },
                "patient": str(self.patients[index]),
                "case": str(self.cases[index]),
                "abstain": bool(self.reasons[index]),
                "reason": str(self.reasons[index]),
            }

    def columns(self) -> list[str]:
        """Column names of `predictions.csv`."""
        fixed = ["path", "subtype", "confidence", "malignant"]
        return [*fixed, *self.taxonomy.codes, "patient", "case", "abstain", "reason"]

    def save(self, path: Path) -> None:
        """Write `predictions.csv`; truth and magnification follow as further columns where known."""
        known = bool((self.truth >= 0).any())
        with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(
                stream, [*self.columns(), *(_TRUTH_COLUMNS if known else ())], lineterminator="\n"
            )
            writer.writeheader()
            for index, row in enumerate(self.rows()):
                if known:
                    label = int(self.truth[index])
                    row["truth"] = self.taxonomy.codes[label] if label >= 0 else ""
                    row["magnification"] = int(self.magnifications[index])
                writer.writerow(row)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read what `save` wrote; raises DataError where columns are missing or a row is cut."""
        try:
            with path.open(newline="", encoding="utf-8") as stream:
                reader = csv.DictReader(stream)
                rows = list(reader)
                columns = list(reader.fieldnames or [])
            codes = columns[columns.index("malignant") + 1 : columns.index("patient")]
            taxonomy = BREAKHIS if tuple(codes) == BREAKHIS.codes else Taxonomy(tuple(codes), tuple(codes))
            truth = [taxonomy.label(row["truth"]) if row.get("truth") else -1 for row in rows]
            return cls(
                paths=np.array([row["path"] for row in rows], dtype=np.str_),
                probabilities=np.array([[float(row[code]) for code in codes] for row in rows]).reshape(
                    len(rows), len(codes)
                ),
                truth=np.array(truth, dtype=np.int64),
                magnifications=np.array([int(row.get("magnification") or 0) for row in rows], dtype=np.int64),
                patients=np.array([row["patient"] for row in rows], dtype=np.str_),
                cases=np.array([row["case"] for row in rows], dtype=np.str_),
                reasons=np.array([row["reason"] for row in rows], dtype=np.str_),
                taxonomy=taxonomy,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"a predictions table at {path}",
                found=str(error),
                fix="pass a predictions.csv that `predict`, `evaluate` or `train` wrote",
            ) from error

    def summary(self) -> str:
        """One line for people."""
        abstained = int((self.reasons != "").sum())
        return f"{len(self)} answers, {abstained} abstained"


def answered_labels(probabilities: FloatArray, taxonomy: Taxonomy) -> IntArray:
    """(N, C) probabilities to (N,) answers: the most probable class of the more probable group."""
    scores = probabilities
    if taxonomy.has_malignancy:
        in_group = np.array(taxonomy.malignant) == (_malignancy(probabilities, taxonomy) > 0.5)[:, None]
        scores = np.where(in_group, probabilities, -1.0)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _malignancy(probabilities: FloatArray, taxonomy: Taxonomy) -> FloatArray:
    total: FloatArray = probabilities[:, np.array(taxonomy.malignant)].sum(axis=1)
    return np.clip(total, 0.0, 1.0)
