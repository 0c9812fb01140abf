"""The Evaluation: metrics with their intervals and support, never without the split that they rest on."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakhis.errors import DataError
from breakhis.evaluate.tables import Titled, summary_line, tables
from breakhis.files import atomic_file, write_json
from breakhis.metrics.calibration import Reliability
from breakhis.metrics.intervals import RESAMPLES, Metric
from breakhis.metrics.measures import Measures
from breakhis.metrics.selective import RiskCoverage
from breakhis.splits.leakage import Leakage
from breakhis.taxonomy import Taxonomy

FORMAT = 1


@dataclass(frozen=True)
class Abstention:
    """What abstaining gains and costs.

    Attributes:
        images: Images abstained from.
        coverage: Share of images answered.
        accuracy: Share of the answered images that are right.
    """

    images: int
    coverage: Metric
    accuracy: Metric

    def to_json(self) -> dict[str, Any]:
        """Counts and metrics."""
        return {
            "images": self.images,
            "coverage": self.coverage.to_json(),
            "accuracy": self.accuracy.to_json(),
        }

    def summary(self, unit: str) -> str:
        """One line for people; `unit` is what the split kept together."""
        return (
            f"Left unanswered: {self.images} images. Share answered {self.coverage}, accuracy of those "
            f"{self.accuracy}, split by {unit}; all other numbers count every image's most probable answer."
        )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Abstention":
        """What `to_json` gave."""
        return cls(value["images"], Metric.from_json(value["coverage"]), Metric.from_json(value["accuracy"]))


@dataclass(frozen=True)
class Evaluation:
    """A test set, measured.

    Attributes:
        name: What was measured, for people.
        unit: What the split kept together: image, patient, case, official or manual.
        leakage: What stands on both sides of the split; None where the training images are not known.
        taxonomy: The classes.
        overall: All images.
        per_magnification: Images of each known magnification.
        pooled: One answer a "patient" or "case" and true subtype; a unit with unknown names is left out.
        abstention: None where no image was abstained from.
        reliability: Confidence against accuracy, in bins.
        risk_coverage: Error against the share of images answered.
        seed: Seed of the resamples.
    """

    name: str
    unit: str
    leakage: Leakage | None
    taxonomy: Taxonomy
    overall: Measures
    per_magnification: dict[int, Measures]
    pooled: dict[str, Measures]
    abstention: Abstention | None
    reliability: Reliability
    risk_coverage: RiskCoverage
    seed: int

    @property
    def verdict(self) -> str:
        """ "clean", "leaks", or "unknown" where the training images are not known."""
        return self.leakage.verdict if self.leakage else "unknown"

    def __getitem__(self, name: str) -> Metric:
        """A metric of all images, e.g. ``evaluation["macro_f1"]``."""
        return self.overall.metrics[name]

    def to_json(self) -> dict[str, Any]:
        """One object; metrics of all images stand at its top, each ``{"value", "ci95"}``."""
        leakage = self.leakage.to_json() if self.leakage else {"verdict": "unknown"}
        return {
            "format": FORMAT,
            "name": self.name,
            "unit": self.unit,
            "leakage": leakage,
            **self.overall.to_json(),
            "per_magnification": {str(key): item.to_json() for key, item in self.per_magnification.items()},
            "pooled": {unit: item.to_json("answers") for unit, item in self.pooled.items()},
            "abstention": self.abstention.to_json() if self.abstention else None,
            "reliability": self.reliability.to_json(),
            "risk_coverage": self.risk_coverage.to_json(),
            "classes": {
                "codes": list(self.taxonomy.codes),
                "names": list(self.taxonomy.names),
                "malignant": list(self.taxonomy.malignant),
            },
            "interval": {"level": 0.95, "over": "case", "resamples": RESAMPLES, "seed": self.seed},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Evaluation":
        """What `to_json` gave; raises KeyError or TypeError where it is something else."""
        leakage, classes = value["leakage"], value["classes"]
        return cls(
            name=value["name"],
            unit=value["unit"],
            leakage=None if leakage["verdict"] == "unknown" else _leakage(leakage),
            taxonomy=Taxonomy(*(tuple(classes[key]) for key in ("codes", "names", "malignant"))),
            overall=Measures.from_json(value),
            per_magnification={
                int(key): Measures.from_json(item) for key, item in value["per_magnification"].items()
            },
            pooled={unit: Measures.from_json(item, "answers") for unit, item in value["pooled"].items()},
            abstention=Abstention.from_json(value["abstention"]) if value["abstention"] else None,
            reliability=Reliability.from_json(value["reliability"]),
            risk_coverage=RiskCoverage.from_json(value["risk_coverage"]),
            seed=value["interval"]["seed"],
        )

    def save(self, path: Path) -> None:
        """Write `to_json`."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read what `save` wrote; raises DataError where it is something else."""
        try:
            return cls.from_json(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"an evaluation at {path}",
                found=f"{type(error).__name__}: {error}",
                fix="pass a metrics.json that `train`, `evaluate` or `crossval` wrote",
            ) from error

    def save_confusion(self, path: Path) -> None:
        """Write the confusion matrix of all images as CSV: a row a true subtype, a column an answered one."""
        codes = self.taxonomy.codes
        with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["truth", *codes])
            writer.writerows([code, *row] for code, row in zip(codes, self.overall.confusion, strict=True))

    def summary(self) -> str:
        """One line for people: the headline metrics with split and intervals."""
        return summary_line(self._title(), self.overall)

    def table(self) -> str:
        """Tables for people, as plain text; every row names the split's unit, every number its interval."""
        parts = {f"{key}X": measures for key, measures in self.per_magnification.items()}
        parts.update({f"pooled by {unit}": measures for unit, measures in self.pooled.items()})
        notes = [self.abstention.summary(self.unit)] if self.abstention else []
        return tables(self._title(), self.overall, parts=parts, notes=notes)

    def _title(self) -> Titled:
        return Titled(self.name, self.unit, self.verdict)


def _leakage(value: dict[str, Any]) -> Leakage:
    return Leakage(value["verdict"], *(tuple(value[name]) for name in ("images", "patients", "cases")))
