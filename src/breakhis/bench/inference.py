"""Answers: cold, warm, from files, and the engine alone."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.bench.machine import matrix_product_rate
from breakhis.bench.report import Bar, Found, Row
from breakhis.bench.subject import Subject
from breakhis.bench.timing import Job, Ratio, alternate
from breakhis.bench.torch_peer import torch_job
from breakhis.engine import Engine, EngineOptions, supported_precisions
from breakhis.images.decode import decode
from breakhis.predict import Predictor

_KERAS_SCRIPT = Path(__file__).parent / "peers" / "keras_script.py"


def cold(subject: Subject) -> Found:
    """`breakhis predict` of one image in a new process, and the shortest Keras script."""
    image = str(subject.files(1)[0])
    model, keras_file = str(subject.bundle.path), str(subject.keras_file)

    def run(*command: str) -> int:
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        return 1

    jobs: dict[str, Job] = {
        "ours": lambda _: run("-m", "breakhis", "predict", image, "--model", model),
        "keras": lambda _: run(str(_KERAS_SCRIPT), keras_file, image),
    }
    timings = alternate(jobs, rounds=subject.rounds(3))
    seconds = {name: [one.wall for one in rounds] for name, rounds in timings.items()}
    middle = {name: Ratio.of(values, [1.0] * len(values)).value for name, values in seconds.items()}
    ratio = Ratio.of(seconds["keras"], seconds["ours"])
    what = "`predict` of one image, cold process / Keras script that loads the `.keras` file"
    return [Row(what, middle["ours"], middle["keras"], "s", ratio, Bar(10, 15))], ""


def warm(subject: Subject) -> Found:
    """Prepared images in memory: the predictor, Keras, PyTorch and the engine alone in each precision."""
    count = subject.batch if subject.quick else 128
    predictor, twin, bundle = Predictor.load(subject.bundle.path), subject.twin, subject.bundle
    squares = predictor_squares(subject, count)

    def counted(answers: NDArray[np.floating]) -> int:
        return len(answers)

    jobs: dict[str, Job] = {
        "ours": lambda _: counted(predictor.predict_proba(squares)),
        "keras": lambda _: counted(twin.answer(squares).probabilities),
    }
    for precision in supported_precisions():
        options = EngineOptions(precision=precision, batch=subject.batch)
        engine = Engine(bundle.config.model, bundle.weights, size=bundle.size, options=options)
        jobs[precision] = lambda _, engine=engine: counted(engine.predict(squares))  # type: ignore[misc]
    with torch_job(subject, "predict", count) as (extra, skipped):
        timings = alternate({**jobs, **extra}, rounds=subject.rounds(4))
    ours, keras_timings = timings["ours"], timings["keras"]
    images = (
        f"`predict` of {count * subject.rounds(4)} images, warm, default precision ({predictor.precision})"
    )
    peer = "`keras.Model.predict`, float32"
    rows = [Row.of_rates(f"{images} / {peer}", (ours, keras_timings), bar=Bar(2.2, 4))]
    for name in supported_precisions():
        rows.append(Row.of_rates(f"engine alone, {name} / {peer}", (timings[name], keras_timings)))
    if extra:
        rows.append(Row.of_rates("`predict`, warm / PyTorch, float32", (ours, timings["torch"])))
    rows.append(_of_the_limit(subject, [one.rate for one in timings["float32"]]))
    return rows, skipped


def files(subject: Subject) -> Found:
    """From image files, and the same engine fed from memory."""
    count = subject.batch * (2 if subject.quick else 6)
    predictor = Predictor.load(subject.bundle.path)
    names = subject.files(count)
    squares = predictor_squares(subject, count)

    def from_files(_: int) -> int:
        return sum(len(part.paths) for part in predictor.stream(names))

    def from_memory(_: int) -> int:
        return len(predictor.engine.answer(squares).probabilities)

    timings = alternate({"ours": from_files, "memory": from_memory}, rounds=subject.rounds(4))
    what = "`predict` from image files / the engine fed from memory"
    return [Row.of_rates(what, (timings["ours"], timings["memory"]), bar=Bar(0.9, 0.97))], ""


def predictor_squares(subject: Subject, count: int) -> NDArray[np.uint8]:
    """(count, size, size, 3) images at the size of the model that predicts."""
    return np.stack([decode(file, size=subject.bundle.size) for file in subject.files(count)])


def _of_the_limit(subject: Subject, rates: list[float]) -> Row:
    """The engine's arithmetic next to the fastest matrix product of the machine."""
    work = subject.bundle.config.model.test_views * multiplications(subject.network) * 2 / 1e9
    limits = [matrix_product_rate() for _ in rates]
    done = [rate * work for rate in rates]
    ours, limit = (Ratio.of(values, [1.0] * len(values)).value for values in (done, limits))
    what = f"engine alone, float32 ({work:.2f} GFLOP an image) / the machine's matrix product"
    return Row(what, ours, limit, "GFLOP/s", Ratio.of(done, limits))


def multiplications(network: keras.Model) -> int:
    """Multiply-adds of the convolutions for one image."""
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    return sum(int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])) for layer in layers)
