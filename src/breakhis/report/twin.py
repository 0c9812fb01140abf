"""The twin page: one model under a split that leaks and one that does not, understood at a glance."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from breakhis.errors import RunError
from breakhis.evaluate import Evaluation
from breakhis.evaluate.tables import LABELS
from breakhis.files import write_text
from breakhis.metrics import ClassMeasures, Metric
from breakhis.report.page import read_json, render
from breakhis.report.verdict import Verdict, judge
from breakhis.taxonomy import BREAKHIS, Taxonomy

TWIN_FILE = "twin.json"
PAGE_FILE = "report.html"


@dataclass(frozen=True)
class Column:
    """The model under one split.

    Attributes:
        evaluation: Its test set, measured.
        nearest_same_case: Share of test images whose nearest training image is of the same case.
        warnings: What the split warns of.
    """

    evaluation: Evaluation
    nearest_same_case: Metric
    warnings: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Unit of the split."""
        return self.evaluation.unit

    @property
    def verdict(self) -> Verdict:
        """Leakage in words."""
        return judge(self.evaluation.leakage, unit=self.unit, cases=self.evaluation.overall.cases)


@dataclass(frozen=True)
class ClassPair:
    """One class under both splits."""

    code: str
    first: ClassMeasures
    last: ClassMeasures


@dataclass(frozen=True)
class Twin:
    """What `twin.json` holds.

    Attributes:
        recipe: Name of the recipe.
        seed: Seed of splits and trainings.
        images: Images in all.
        folds: Folds that each split is tested in; 0 where it is not said.
        columns: One a split, by image first and by case last.
        gap: By metric, its value by image less that by case.
    """

    recipe: str
    seed: int
    images: int
    folds: int
    columns: tuple[Column, ...]
    gap: dict[str, Metric]

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Twin":
        """What `breakhis twin` wrote; raises KeyError, TypeError or ValueError where it is something else."""
        columns = [
            Column(
                Evaluation.from_json(one["evaluation"]),
                Metric.from_json(one["nearest_same_case"]),
                tuple(one.get("warnings", ())),
            )
            for one in value["columns"]
        ]
        ordered = sorted(columns, key=lambda column: ("image", "patient", "case").index(column.unit))
        gap = {name: Metric.from_json(one) for name, one in value["gap"].items()}
        return cls(
            recipe=value["recipe"],
            seed=value["seed"],
            images=value["images"],
            folds=value.get("folds", 0),
            columns=tuple(ordered),
            gap=gap,
        )

    @property
    def leaky(self) -> Column:
        """The finest split."""
        return self.columns[0]

    @property
    def honest(self) -> Column:
        """The coarsest split."""
        return self.columns[-1]

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes."""
        return self.honest.evaluation.taxonomy

    @property
    def why(self) -> str:
        """The one sentence that explains the gap."""
        if self.leaky.verdict.kind != "leaks":
            return "No case stands on both sides of either split, so both ask the same question."
        return (
            f"Split by {self.leaky.unit}, pictures of one patient’s tissue lie on both sides, so the network "
            "can recognise the patient instead of the tumour."
        )

    @property
    def advice(self) -> str:
        """Which number to quote."""
        if self.honest.verdict.kind == "clean":
            return f"Quote the number by {self.honest.unit}."
        return "Quote neither number as what to expect on a new patient."

    @property
    def warnings(self) -> list[str]:
        """What the splits warn of."""
        return [f"Split by {one.unit}: {warning}" for one in self.columns for warning in one.warnings]

    @property
    def labels(self) -> list[tuple[str, str]]:
        """Metrics that some column has, with their names for people."""
        columns = [column.evaluation for column in self.columns]
        return [
            (name, label[0].upper() + label[1:])
            for name, label in LABELS.items()
            if any(evaluation[name].value is not None for evaluation in columns)
        ]

    def scale(self, name: str) -> list[tuple[str, Metric]]:
        """One metric under every split."""
        return [(column.unit, column.evaluation[name]) for column in self.columns]

    @cached_property
    def classes(self) -> list[ClassPair]:
        """Every class under the finest and the coarsest split."""
        first, last = (column.evaluation.overall.per_class for column in (self.leaky, self.honest))
        return [ClassPair(code, first[code], last[code]) for code in self.taxonomy.codes]


def write_twin(folder: Path) -> Path:
    """Write `report.html` of a folder that holds `twin.json`.

    Returns:
        The page.

    Raises:
        RunError: There is no whole `twin.json`.
    """
    source = folder / TWIN_FILE
    value = read_json(source, "the two evaluations of a twin")
    try:
        twin = Twin.from_json(value)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise RunError(
            f"recipe, seed, images, columns and gap in {source}",
            found=f"{type(error).__name__}: {error}",
            fix="write it anew with `breakhis twin`",
        ) from error
    page = folder / PAGE_FILE
    cites = twin.taxonomy == BREAKHIS
    write_text(page, render("twin.html.j2", page=twin, contents=[], cites_breakhis=cites))
    return page
