"""Write a model in a format, read it back, hold it against the network, and only then leave it there."""

import importlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from breakhis.bundle import Bundle
from breakhis.errors import CheckFailedError, MissingExtraError, UsageError
from breakhis.export.ir import answer_ir, write_ir
from breakhis.export.parity import FLOAT32_BAR, Agreement, compare
from breakhis.export.sample import Sample
from breakhis.files import atomic_file, atomic_folder, write_json
from breakhis.predict import Predictor
from breakhis.predictions import Predictions

Floats = NDArray[np.float32]
CARD: Final = "breakhis.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Format:
    """How a format is written and read back.

    Attributes:
        write: Writes the model of a bundle to a path.
        answer: Computes (N, C) of float32 images (N, size, size, 3) from the written files alone.
        file: Name that its libraries want to see; empty for a folder of files.
    """

    write: Callable[[Bundle, Path], None]
    answer: Callable[[Path, Floats], Floats]
    file: str = ""


def _keras_format(kind: str, answer: str, *, file: str = "") -> Format:
    """A format that needs the extras "train" and "export", imported only when it is used."""

    def write(bundle: Bundle, path: Path) -> None:
        _from_keras("write_from_keras", bundle, path, kind)

    def read(path: Path, images: Floats) -> Floats:
        answers: Floats = _from_keras(answer, path, images)
        return answers

    return Format(write, read, file)


def _from_keras(function: str, *arguments: object) -> Any:
    try:
        return getattr(importlib.import_module("breakhis.export.from_keras"), function)(*arguments)
    except ImportError as error:
        raise MissingExtraError(
            "Keras, TensorFlow and the runtime of this format",
            found=str(error),
            fix="pip install 'breakhis[train,export]', or choose the format openvino",
        ) from error


FORMATS: Final[dict[str, Format]] = {
    "onnx": _keras_format("onnx", "answer_onnx", file="model.onnx"),
    "openvino": Format(write_ir, answer_ir),
    "litert": _keras_format("litert", "answer_litert", file="model.tflite"),
    "saved_model": _keras_format("tf_saved_model", "answer_saved_model"),
}
"""Formats of other runtimes by their name on the command line."""


@dataclass(frozen=True)
class Exported:
    """A model that was written.

    Attributes:
        out: The file, or the folder.
        card: Where `value` stands: beside the file, or in the folder or zip.
        value: What a deployer needs to know, parity included.
        agreement: What was measured.
    """

    out: Path
    card: str
    value: dict[str, Any]
    agreement: Agreement


def export_model(bundle: Bundle, kind: str, out: Path, *, sample: Sample) -> Exported:
    """Write the network of a bundle, test views and calibration inside, in another runtime's format.

    Args:
        bundle: The model.
        kind: One of `FORMATS`.
        out: A new file; for formats of several files a new folder, or a zip of it where it ends in .zip.
        sample: The images that the written model is held against the network on.

    Raises:
        CheckFailedError: A probability differs by more than 1e-4; nothing is written.
        MissingExtraError: Packages that the format needs are not installed.
        UsageError: `out` is there already.
    """
    form = FORMATS[kind]
    check_new(out)
    name, reference = reference_answers(bundle, sample)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.") as scratch:
        written = Path(scratch) / (form.file or "model")
        form.write(bundle, written)
        answers = form.answer(written, sample.images.astype(np.float32))
        agreement = compare(sample.answered(answers), reference)
        if not agreement.max_difference <= FLOAT32_BAR:
            raise CheckFailedError(
                f"{kind} answers within {FLOAT32_BAR} of {name} on {sample.summary()}",
                found=f"a difference of {agreement.max_difference:.2g}; nothing was written",
                fix="choose another format, and report this",
            )
        value = _card(bundle, kind, sample, agreement=agreement, reference=name)
        card = _place(written, out, value, folder=not form.file)
    return Exported(out, card, value, agreement)


def check_new(out: Path) -> None:
    """Raise UsageError where `out` is there already."""
    if out.exists():
        raise UsageError(f"a new file at {out}", found="an existing one", fix="choose another --out")


def reference_answers(bundle: Bundle, sample: Sample) -> tuple[str, Predictions]:
    """What computes the reference, and its answers: Keras, or the engine in float32 where Keras is absent."""
    try:
        name, predictor = "Keras", Predictor.load(bundle.path, engine="keras")
    except MissingExtraError:
        name, predictor = "the engine in float32", Predictor.load(bundle.path, precision="float32")
    return name, sample.answered(predictor.predict_proba(sample.images))


def _card(
    bundle: Bundle, kind: str, sample: Sample, *, agreement: Agreement, reference: str
) -> dict[str, Any]:
    return {
        "format": kind,
        "input": {
            "name": "image",
            "type": "float32",
            "shape": ["any", bundle.size, bundle.size, 3],
            **{key: value for key, value in bundle.manifest["preprocessing"].items() if key != "size"},
        },
        "output": {
            "name": "probabilities",
            "type": "float32",
            "shape": ["any", len(bundle.taxonomy)],
            "calibration": f"in the graph, temperature {bundle.temperature:.6g}",
            "test_views": bundle.config.model.test_views,
        },
        "parity": {"reference": reference, "sample": sample.to_json(), **agreement.to_json()},
        "model": bundle.describe(),
    }


def _place(written: Path, out: Path, value: dict[str, Any], *, folder: bool) -> str:
    """Move what was written to `out`, its card with it; returns where the card is."""
    if not folder:
        card = out.with_name(f"{out.name}.json")
        write_json(card, value)
        with atomic_file(out) as temporary:
            shutil.copyfile(written, temporary)
        return str(card)
    (written / CARD).write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", "utf-8")
    if out.suffix == ".zip":
        with atomic_file(out) as temporary:
            _zip(written, temporary)
    else:
        with atomic_folder(out) as temporary:
            shutil.copytree(written, temporary, dirs_exist_ok=True)
    return str(out / CARD)


def _zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for item in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(item.relative_to(folder).as_posix(), date_time=_EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, item.read_bytes())
