"""One training, whole: from images to answers, metrics, a bundle and a report."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import keras

from breakhis.bundle import Bundle, BundleContents
from breakhis.config import TrainConfig, tapped_layers
from breakhis.evaluate import Evaluation, evaluate
from breakhis.explain.ablation import Division, ablate
from breakhis.export import split_sample, spread, with_parity
from breakhis.files import hash_json, storage_errors
from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from breakhis.report.page import write_report
from breakhis.runs import Run
from breakhis.splits import Split
from breakhis.training.fit import Job
from breakhis.training.loop import Listener
from breakhis.workflows.learn import Learned, learn
from breakhis.workflows.prepare import Prepared

_CHUNK = 64


def train(
    prepared: Prepared, split: Split, config: TrainConfig, *, run: Run, listener: Listener
) -> Evaluation:
    """Train on the first fold of `split`, measure the test set, and leave everything in `run`.

    Returns:
        Metrics of the test set. `run` is finished then: `predict`, `evaluate`, `export` and `report` take it.
    """
    job = Job(prepared.catalog, prepared.store, split, config)
    with run.abandoned_unbegun():
        prepared.catalog.save(run.catalog_file)
        split.save(run.split_file)
        for warning in split.warnings:
            listener.say(f"warning: {warning}")
        learned = learn(job, run, listener)
    evaluation = evaluate(
        learned.test,
        unit=split.unit,
        leakage=split.leakage,
        name=f"recipe {config.recipe}, test set of a split by {split.unit}",
        seed=config.seed,
    )
    learned.test.save(run.predictions_file)
    evaluation.save(run.metrics_file)
    evaluation.save_confusion(run.confusion_file)
    _save_network(learned, run)
    Bundle.write(run.bundle_file, _contents(job, learned, evaluation))
    _save_ablation(job, run, learned.test)
    _measure_precisions(run, job)
    run.write_status(
        {
            "kept_epoch": learned.trained.kept_epoch,
            "epochs": learned.trained.epochs,
            "temperature": learned.settled.temperature,
            "data": str(prepared.catalog.root),
        }
    )
    write_report(run, images=prepared.catalog.root)
    run.finish()
    if run.checkpoints.exists():  # a head in closed form has none
        shutil.rmtree(run.checkpoints)
    return evaluation


def start_run(folder: Path, prepared: Prepared, split: Split, *, config: TrainConfig, resume: bool) -> Run:
    """Open `folder` for this training; raises RunError where it holds something else."""
    key = hash_json([prepared.catalog.hash, split.hash])
    return Run.start(folder, config, data_hash=key, resume=resume)


def _save_ablation(job: Job, run: Run, test: Predictions) -> None:
    """What each branch adds on the test set; a network of one branch has nothing to compare."""
    if len(tapped_layers(job.config.model)) < 2:
        return
    rows = job.split.indices("test")
    batches = (job.store.read(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK))
    division = Division(job.split.unit, job.split.leakage.verdict, seed=job.config.seed)
    predictor = Predictor.load(run.bundle_file, precision="float32")
    ablate(predictor, batches, test, division=division).save(run.ablation_file)


def _measure_precisions(run: Run, job: Job) -> None:
    """Add to the bundle how faithful and fast each precision is, on validation images."""
    keras.config.set_dtype_policy("float32")  # the reference, whatever the training computed in
    rows = spread(job.split.indices("validation"))
    images = job.store.read(rows)
    sample = split_sample(job.catalog, job.split, "validation", rows=rows, images=images)
    Bundle.write(run.bundle_file, with_parity(Bundle.open(run.bundle_file), sample))


def _save_network(learned: Learned, run: Run) -> None:
    """Keras decides the format by the file's suffix, so the temporary file keeps its name."""
    with storage_errors(run.keras_file), TemporaryDirectory(dir=run.folder) as folder:
        temporary = Path(folder) / run.keras_file.name
        learned.trained.network.save(temporary)
        temporary.replace(run.keras_file)


def _contents(job: Job, learned: Learned, evaluation: Evaluation) -> BundleContents:
    return BundleContents(
        config=job.config,
        taxonomy=job.catalog.taxonomy,
        weights=learned.weights,
        metrics=evaluation.to_json(),
        split=job.split.to_json(),
        created=datetime.now(UTC).date().isoformat(),
        temperature=learned.settled.temperature,
        rule=learned.settled.rule,
    )
