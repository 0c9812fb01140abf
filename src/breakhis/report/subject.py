"""What a page tells of one model's evaluation, arranged for its templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from breakhis.evaluate import Evaluation
from breakhis.evaluate.tables import LABELS
from breakhis.explain.ablation import Ablation
from breakhis.metrics import ClassMeasures, Measures, Metric
from breakhis.report.history import History
from breakhis.report.thumbnails import Mistake
from breakhis.report.verdict import Verdict, judge
from breakhis.taxonomy import Taxonomy

HINTS = {
    "macro_f1": "mean over subtypes, each weighing the same",
    "weighted_f1": "mean over subtypes, each weighing as many images as it has",
    "accuracy": "share of images answered correctly",
    "balanced_accuracy": "mean recall of the subtypes",
    "prr": "mean over patients of their share of correct images",
    "roc_auc": "one against the rest",
    "pr_auc": "one against the rest",
    "ece": "0 is best",
    "malignancy_accuracy": "share of images whose group, benign or malignant, is right",
}
"""What a metric means, where its name does not say it."""

_BEYOND_ONE = {"brier"}
"""Metrics that are not shares."""

SUBSETS = ("train", "validation", "test", "excluded")


@dataclass(frozen=True)
class Row:
    """One line of a table of metrics; `is_share` where it can be drawn on a scale from 0 to 1."""

    name: str
    hint: str
    metric: Metric
    is_share: bool

    @classmethod
    def of(cls, name: str, metric: Metric) -> "Row":
        """The line of one of the `LABELS`."""
        label = LABELS[name]
        return cls(label[0].upper() + label[1:], HINTS.get(name, ""), metric, name not in _BEYOND_ONE)


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix; `share` is of the images of its row, in [0, 1]."""

    code: str
    images: int
    share: float
    kind: Literal["right", "near", "across"]


@dataclass(frozen=True)
class ConfusionRow:
    """All answers for the images of one true class."""

    code: str
    name: str
    total: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class CountRow:
    """Images and cases of one class, or of all where `code` is empty, in each subset."""

    code: str
    name: str
    cells: tuple[Mapping[str, int], ...]


@dataclass(frozen=True)
class Subject:
    """An evaluation with everything that is told around it.

    Attributes:
        kind: What the page is, e.g. "Training report".
        title, lead: The head of the page.
        evaluation: What was measured.
        split: The JSON of its split; empty where the split is not at hand.
        mistakes: Its worst mistakes.
        unexplained: Why the mistakes have no heat, where it was asked for.
        history: Its training; None where there was none or several.
        folds: One object a fold of a cross-validation.
        ablation: What each branch adds; None where it was not measured.
        temperature: Temperature of the calibration; None where there was none.
        facts: Names and values under "Provenance".
        documents: Names and texts that are folded away.
    """

    kind: str
    title: str
    lead: str
    evaluation: Evaluation
    split: Mapping[str, Any]
    mistakes: tuple[Mistake, ...] = ()
    unexplained: str = ""
    history: History | None = None
    folds: tuple[Mapping[str, Any], ...] = ()
    ablation: Ablation | None = None
    temperature: float | None = None
    facts: tuple[tuple[str, str], ...] = ()
    documents: tuple[tuple[str, str], ...] = ()

    @property
    def unit(self) -> str:
        """Unit of the split."""
        return self.evaluation.unit

    @cached_property
    def verdict(self) -> Verdict:
        """Leakage in words."""
        return judge(self.evaluation.leakage, unit=self.unit, cases=self.measures.cases)

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes."""
        return self.evaluation.taxonomy

    @property
    def measures(self) -> Measures:
        """The metrics of all images."""
        return self.evaluation.overall

    @property
    def present(self) -> list[ClassMeasures]:
        """The classes that the test set holds."""
        return [one for one in self.measures.per_class.values() if one.rows]

    @property
    def commonest(self) -> ClassMeasures | None:
        """The class with most test images; None where there is only one class."""
        return max(self.present, key=lambda one: one.rows) if len(self.present) > 1 else None

    def rows(self, *names: str) -> list[Row]:
        """Some metrics, without those of malignancy where the classes have none."""
        wanted = [name for name in names if self.taxonomy.has_malignancy or "malignan" not in name]
        return [Row.of(name, self.evaluation[name]) for name in wanted]

    def begins_group(self, code: str) -> bool:
        """Whether `code` is the first malignant class after benign ones."""
        malignant = self.taxonomy.malignant
        position = self.taxonomy.codes.index(code) if code in self.taxonomy.codes else 0
        return position > 0 and bool(malignant) and malignant[position] and not malignant[position - 1]

    @property
    def confusion(self) -> list[ConfusionRow]:
        """The confusion matrix, row by row."""
        taxonomy = self.taxonomy
        return [
            ConfusionRow(code, name, sum(row), tuple(self._cells(truth, row)))
            for truth, (code, name, row) in enumerate(
                zip(taxonomy.codes, taxonomy.names, self.measures.confusion, strict=True)
            )
        ]

    def _cells(self, truth: int, row: tuple[int, ...]) -> list[Cell]:
        malignant, total = self.taxonomy.malignant, sum(row)
        cells = []
        for answer, images in enumerate(row):
            kind: Literal["right", "near", "across"] = "right" if answer == truth else "near"
            if malignant and malignant[answer] != malignant[truth]:
                kind = "across"
            cells.append(Cell(self.taxonomy.codes[answer], images, images / total if total else 0.0, kind))
        return cells

    @property
    def magnifications(self) -> list[tuple[str, Measures]]:
        """Measures of each known magnification."""
        return [
            (f"{name}×", measures) for name, measures in sorted(self.evaluation.per_magnification.items())
        ]

    @property
    def pooled(self) -> list[tuple[str, Measures]]:
        """Measures of answers pooled over patients and over cases."""
        return [(f"each {unit}", measures) for unit, measures in self.evaluation.pooled.items()]

    @property
    def unreadable(self) -> str:
        """A sentence where pictures are missing."""
        missing = sum(mistake.picture is None for mistake in self.mistakes)
        if not missing:
            return ""
        return f"{missing} of {len(self.mistakes)} pictures are missing: the images cannot be read here."

    @property
    def explained(self) -> bool:
        """Whether there is heat over some picture."""
        return any(mistake.heat for mistake in self.mistakes)

    @property
    def warnings(self) -> list[str]:
        """What the split warns of."""
        return [str(warning) for warning in self.split.get("warnings", ())]

    @property
    def policy(self) -> dict[str, str]:
        """What was done with known oddities."""
        return dict(self.split.get("policy", {}))

    @property
    def subsets(self) -> list[str]:
        """Names of the subsets that hold images."""
        counts = self.split["counts"][0]
        return [name for name in SUBSETS if counts[name]["images"]]

    @property
    def counts(self) -> list[CountRow]:
        """Images and cases of every class in every subset, and of all classes."""
        counts = self.split["counts"][0]
        rows = [
            CountRow(code, name, tuple(counts[subset]["classes"][code] for subset in self.subsets))
            for code, name in zip(self.taxonomy.codes, self.taxonomy.names, strict=True)
        ]
        return [*rows, CountRow("", "all", tuple(counts[subset] for subset in self.subsets))]
