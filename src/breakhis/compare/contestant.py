"""What is compared: the answers of a run and the split that they rest on."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from breakhis.errors import RunError
from breakhis.evaluate import Evaluation
from breakhis.predictions import Predictions
from breakhis.runs import Run

_EVALUATIONS = ("metrics.json", "crossval.json")
"""Where a run and a cross-validation say what their answers rest on."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """One run's answers for its test set.

    Attributes:
        name: For people; unique in a comparison.
        predictions: Answers with known truth.
        unit: What the split kept together; "unknown" where no evaluation lies beside the answers.
        verdict: "clean", "leaks" or "unknown".
    """

    name: str
    predictions: Predictions
    unit: str
    verdict: str


def read_contestants(paths: Sequence[Path]) -> list[Contestant]:
    """Read each path, and name it by what tells it from the others; raises what `read_contestant` raises."""
    places = [path.resolve() for path in paths]
    common = Path(os.path.commonpath(places))
    names = [str(place.relative_to(common)) for place in places]
    return [
        read_contestant(path, name=place.name if name == "." else name)
        for path, place, name in zip(paths, places, names, strict=True)
    ]


def read_contestant(path: Path, *, name: str | None = None) -> Contestant:
    """Read a run or cross-validation folder, or a predictions.csv (with the evaluation beside it, if any).

    Raises:
        RunError: The folder holds no predictions.
        DataError: The predictions or the evaluation cannot be read.
    """
    run = Run(path if path.is_dir() else path.parent)
    answers = run.predictions_file if path.is_dir() else path
    if not answers.is_file():
        raise RunError(
            f"a finished run, a cross-validation or a predictions.csv at {path}",
            found=f"no {answers.name} there" if path.is_dir() else "no such file",
            fix="finish the run with `breakhis train ... --resume`, or name another",
        )
    files = (answers.parent / file for file in _EVALUATIONS)
    evaluation = next((Evaluation.load(file) for file in files if file.is_file()), None)
    return Contestant(
        name=name or str(path),
        predictions=Predictions.load(answers),
        unit=evaluation.unit if evaluation else "unknown",
        verdict=evaluation.verdict if evaluation else "unknown",
    )
