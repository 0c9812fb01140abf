"""The fast runtime: from images to Predictions, decoding while the engine computes, without TensorFlow."""

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from breakhis.abstention import judge
from breakhis.bundle import SHIPPED_MODEL, Bundle
from breakhis.catalog.names import parse_file
from breakhis.catalog.scan import find_images
from breakhis.engine import Engine, EngineOptions, Precision
from breakhis.errors import BundleError, DataError, ImageError, MissingExtraError, UsageError
from breakhis.images.checks import Looked, look
from breakhis.images.decode import resize
from breakhis.images.stream import map_images
from breakhis.images.views import Outputs
from breakhis.predict.precision import INT8_MEMBERS, choose_precision
from breakhis.predictions import FloatArray, Predictions
from breakhis.runs import Run
from breakhis.taxonomy import Taxonomy

EngineName = Literal["openvino", "keras"]
Image = NDArray[np.uint8]
Images = Image | Sequence[Image]
Refusal = Callable[[ImageError], None]

BATCH = 16


class Backend(Protocol):
    """What computes probabilities: `breakhis.engine.Engine`, or Keras."""

    def answer(self, images: Any) -> Outputs:
        """(N, size, size, 3) uint8 RGB to uncalibrated probabilities and features."""
        ...


@dataclass(frozen=True, eq=False)
class Predictor:
    """A loaded model.

    Attributes:
        bundle: Weights, classes, calibration and provenance.
        engine: Computes uncalibrated probabilities; an `Engine` also gives taps and maps to explanations.
        precision: Arithmetic of the engine.
    """

    bundle: Bundle
    engine: Backend
    precision: Precision

    @classmethod
    def load(
        cls,
        model: Path | str | None = None,
        *,
        engine: EngineName = "openvino",
        precision: Precision | None = None,
    ) -> "Predictor":
        """Load a model.

        Args:
            model: A bundle zip or the folder of a finished run; None for the model shipped with the package.
            engine: "openvino", or "keras" where the training extra is installed.
            precision: None for the fastest one that this machine has and that was found faithful when the
                bundle was made.

        Raises:
            BundleError: The bundle is missing, cut or altered.
            RunError: The folder is not a finished run.
            UsageError: This processor, the bundle or Keras lacks the precision, or it was not found faithful.
            MissingExtraError: Keras is asked for and not installed.
        """
        bundle = open_model(Path(model) if model is not None else None)
        if engine == "keras":
            if precision not in (None, "float32"):
                raise UsageError("float32 with Keras", found=precision, fix="use the engine openvino")
            return cls(bundle, _keras(bundle), "float32")
        return cls.of(bundle, choose_precision(bundle, precision))

    @classmethod
    def of(cls, bundle: Bundle, precision: Precision) -> "Predictor":
        """An opened bundle in the engine, in a precision that may not have been found faithful."""
        key, quantised = bundle.weights_hash, None
        if precision == "int8":
            xml, binary = (bundle.members[name] for name in INT8_MEMBERS)
            key, quantised = bundle.hash, (xml, binary)
        options = EngineOptions(precision=precision, batch=BATCH, cache_key=key, quantised=quantised)
        return cls(
            bundle, Engine(bundle.config.model, bundle.weights, size=bundle.size, options=options), precision
        )

    @property
    def taxonomy(self) -> Taxonomy:
        """The C classes."""
        return self.bundle.taxonomy

    @property
    def classes_(self) -> NDArray[np.str_]:
        """(C,) class codes in the order of `predict_proba`'s columns, named as in scikit-learn."""
        return np.array(self.taxonomy.codes)

    def describe(self) -> dict[str, Any]:
        """What stands beside every answer, JSON-ready: the model, its split, its numbers, the precision."""
        return {**self.bundle.describe(), "precision": self.precision}

    def predict(
        self, images: Path | str | Sequence[Path | str] | Images, *, on_bad: Refusal | None = None
    ) -> Predictions:
        """Classify images.

        Args:
            images: A file, a folder (searched to any depth), several of these, or decoded images of any size:
                uint8 RGB, (N, H, W, 3) or a sequence of (H, W, 3).
            on_bad: Called for every file that is no whole 8-bit RGB image, which is then left out; without it
                the first one is raised.

        Raises:
            DataError: A folder holds no images.
            ImageError: A file is no whole 8-bit RGB image.
            UsageError: An array is no image.
        """
        if isinstance(images, (str, Path)):
            images = [images]
        if isinstance(next(iter(images), None), np.ndarray):
            arrays = cast("Images", images)
            names = [f"image {number}" for number in range(1, len(arrays) + 1)]
            return self.answer(names, [self.look(image) for image in arrays])
        files = image_files([Path(str(item)) for item in images])
        parts = list(self.stream(files, on_bad=on_bad))
        return Predictions.concatenate([self._table([], np.empty((0, len(self.taxonomy)))), *parts])

    def predict_proba(self, images: Images) -> FloatArray:
        """Calibrated probabilities float64 (N, C) of decoded images, as for `predict`."""
        if not len(images):
            return np.empty((0, len(self.taxonomy)))
        squares = np.stack([resize(_checked(image), self.bundle.size) for image in images])
        return calibrate(self.engine.answer(squares).probabilities, self.bundle.temperature)

    def look(self, image: Image) -> Looked:
        """Check a decoded image (H, W, 3) and resize it, which any number of threads may do at a time."""
        return look(_checked(image), size=self.bundle.size)

    def answer(self, names: Sequence[str], looked: Sequence[Looked]) -> Predictions:
        """Classify images that were looked at, with the patient, case and magnification of their names."""
        if not looked:
            return self._table([], np.empty((0, len(self.taxonomy))))
        outputs = self.engine.answer(np.stack([one.square for one in looked]))
        table = self._table(names, calibrate(outputs.probabilities, self.bundle.temperature))
        checks = [one.check for one in looked]
        return judge(table, outputs.features, checks=checks, rule=self.bundle.rule)

    def stream(self, files: Iterable[Path], *, on_bad: Refusal | None = None) -> Iterator[Predictions]:
        """Classify any number of files in flat memory, in order, a batch at a time.

        All cores decode the next batch while the engine computes. To resume, pass the files that are left.

        Args:
            files: Image files.
            on_bad: As for `predict`; an error is raised after the answers to the files before it.
        """
        failure: ImageError | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="engine") as computing:
            pending: Future[Predictions] | None = None
            for batch in self._batches(files, on_bad):
                if isinstance(batch, ImageError):
                    failure = batch
                    break
                following = computing.submit(self.answer, *batch)
                if pending is not None:
                    yield pending.result()
                pending = following
            if pending is not None:
                yield pending.result()
        if failure is not None:
            raise failure

    def _batches(
        self, files: Iterable[Path], on_bad: Refusal | None
    ) -> Iterator[tuple[list[str], list[Looked]] | ImageError]:
        named, sources = itertools.tee(files)
        names: list[str] = []
        images: list[Looked] = []
        for file, decoded in zip(named, map_images(sources, self.look, polite=True), strict=True):
            if not isinstance(decoded, ImageError):
                names.append(file.as_posix())
                images.append(decoded)
            elif on_bad is not None:
                on_bad(decoded)
            else:
                if names:
                    yield names, images
                yield decoded
                return
            if len(names) == BATCH:
                yield names, images
                names, images = [], []
        if names:
            yield names, images

    def _table(self, names: Sequence[str], probabilities: FloatArray) -> Predictions:
        """Answers with the patient, case and magnification that BreaKHis names tell, truth unknown."""
        parsed = [parse_file(name) for name in names]
        return Predictions(
            paths=np.array(names, dtype=np.str_),
            probabilities=probabilities,
            truth=np.full(len(names), -1, dtype=np.int64),
            magnifications=np.array([item.magnification if item else 0 for item in parsed], dtype=np.int64),
            patients=np.array([item.patient if item else "" for item in parsed], dtype=np.str_),
            cases=np.array([item.case if item else "" for item in parsed], dtype=np.str_),
            reasons=np.full(len(names), "", dtype=np.str_),
            taxonomy=self.taxonomy,
        )


def open_model(model: Path | None) -> Bundle:
    """The bundle of a MODEL: a zip, the folder of a finished run, or None for the shipped one.

    Raises:
        BundleError: It is missing, cut or altered.
        RunError: The folder is not a finished run.
    """
    if model is None:
        if not SHIPPED_MODEL.exists():
            raise BundleError(
                "the model shipped with the package",
                found="a build without one",
                fix="pass --model with a bundle zip or a run directory",
            )
        return Bundle.open(SHIPPED_MODEL)
    return Bundle.open(Run.open(model).bundle_file if model.is_dir() else model)


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders replaced by the images below them in sorted order.

    Raises:
        DataError: A folder without images.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        found = sorted(find_images(path))
        if not found:
            raise DataError(f"images below {path}", found="none", fix="pass image files, or their folder")
        files.extend(path / name for name in found)
    return files


def calibrate(probabilities: NDArray[np.floating], temperature: float) -> FloatArray:
    """softmax(log(p) / temperature) over the last axis, float64 (Guo et al., ICML 2017, arXiv 1706.04599)."""
    logits = np.log(np.clip(probabilities.astype(np.float64), np.finfo(np.float64).tiny, None)) / temperature
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    calibrated: FloatArray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return calibrated


def _checked(image: Image) -> Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(
            "decoded images, uint8 RGB (H, W, 3)",
            found=f"{image.dtype} {image.shape}",
            fix="pass files, or decode them with breakhis.images.decode.read_image",
        )
    return image


def _keras(bundle: Bundle) -> Backend:
    try:
        module = importlib.import_module("breakhis.model.backend")
    except ImportError as error:
        raise MissingExtraError(
            "Keras and TensorFlow for this engine", found=str(error), fix="pip install 'breakhis[train]'"
        ) from error
    backend: Backend = module.KerasBackend(bundle.config.model, bundle.weights(), size=bundle.size)
    return backend
