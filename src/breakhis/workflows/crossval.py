"""Cross-validation: every fold trained by one recipe, all metrics from the pooled answers."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakhis.config import TrainConfig
from breakhis.evaluate import Evaluation, evaluate
from breakhis.files import hash_json, require_own, write_json
from breakhis.predictions import Predictions
from breakhis.runs import Run
from breakhis.splits import Split
from breakhis.training.fit import Job
from breakhis.training.loop import Listener
from breakhis.training.untrained import Untrained
from breakhis.workflows.learn import learn
from breakhis.workflows.prepare import Prepared

_OWN = ("fold-*", "predictions.csv", "metrics.json", "crossval.json", "report.html")


@dataclass(frozen=True)
class CrossValidation:
    """All folds of one split, measured together.

    Attributes:
        predictions: Every image once, answered by the fold that did not train on it.
        evaluation: Metrics of the pooled answers; a mean over folds does not exist where a class is missing
            from some of them.
        folds: What each fold was: number, images, cases, kept epoch, seconds.
    """

    predictions: Predictions
    evaluation: Evaluation
    folds: list[dict[str, Any]]


def cross_validate(
    prepared: Prepared,
    split: Split,
    config: TrainConfig,
    *,
    folder: Path,
    listener: Listener,
    untrained: Untrained | None = None,
) -> CrossValidation:
    """Train and answer every fold of `split` below `folder`; finished folds are not repeated.

    All folds start from one `untrained` network.

    Nothing of a test fold touches a choice: features come from a fixed backbone, and early stopping and
    temperature from validation groups inside the training part.
    """
    require_own(folder, _OWN)
    untrained = untrained or Untrained(config, prepared.catalog.taxonomy)
    parts, folds = [], []
    for fold in range(split.folds):
        listener.say(f"fold {fold + 1} of {split.folds}, split by {split.unit}")
        one = split.one_fold(fold, prepared.catalog)
        job = Job(prepared.catalog, prepared.store, one, config, untrained)
        part, facts = _run_fold(job, folder / f"fold-{fold + 1}", listener)
        parts.append(part)
        folds.append({"fold": fold + 1, **facts})
    predictions = Predictions.concatenate(parts)
    evaluation = evaluate(
        predictions,
        unit=split.unit,
        leakage=split.leakage,
        name=f"recipe {config.recipe}, {split.folds} folds by {split.unit}, pooled",
        seed=config.seed,
    )
    predictions.save(folder / "predictions.csv")
    evaluation.save(folder / "metrics.json")
    return CrossValidation(predictions, evaluation, folds)


def save_crossval(
    result: CrossValidation, split: Split, config: TrainConfig, *, folder: Path, data: Path
) -> None:
    """Write `crossval.json` beside the folds; `data` is where the images lie."""
    value = {
        **result.evaluation.to_json(),
        "recipe": config.recipe,
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "split": split.to_json(),
        "data": str(data),
        "folds": result.folds,
    }
    write_json(folder / "crossval.json", value)


def _run_fold(job: Job, folder: Path, listener: Listener) -> tuple[Predictions, dict[str, Any]]:
    key = hash_json([job.catalog.hash, job.split.hash])
    known = Run(folder)
    if known.status().get("state") == "finished":
        known.require(job.config, data_hash=key)
        return Predictions.load(known.predictions_file), known.status()["facts"]
    started = time.monotonic()
    run = Run.start(folder, job.config, data_hash=key, resume=known.status().get("state") == "started")
    with run.abandoned_unbegun():
        learned = learn(job, run, listener)
    facts = {
        "images": len(learned.test),
        "cases": len(set(learned.test.cases.tolist())),
        "kept_epoch": learned.trained.kept_epoch,
        "epochs": learned.trained.epochs,
        "temperature": learned.settled.temperature,
        "seconds": round(time.monotonic() - started, 1),
    }
    learned.test.save(run.predictions_file)
    run.write_status({"facts": facts})
    run.finish()
    if run.checkpoints.exists():  # a head in closed form has none
        shutil.rmtree(run.checkpoints)
    return learned.test, facts
