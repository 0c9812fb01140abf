"""Int8: the network quantised on images of its training set; layers that cost answers stay in float32."""

import sys
import tempfile
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from breakhis.bundle import Bundle, BundleContents
from breakhis.engine.graph import build_graph
from breakhis.errors import CheckFailedError, MissingExtraError
from breakhis.export.precisions import with_parity
from breakhis.export.sample import Sample
from breakhis.predict import INT8_MEMBERS

_DROP: Final = 0.01
"""Share of training images whose answer the choice of layers may change."""


def with_int8(bundle: Bundle, train: Sample, validation: Sample) -> BundleContents:
    """The contents of a bundle with a quantised graph and the parity of every precision.

    NNCF quantises every layer on half of the training images; on the other half it measures what each layer
    costs in answers, and takes the costliest back until at most 1 % of the answers differ.

    Raises:
        CheckFailedError: The result is not faithful on the validation images.
        MissingExtraError: NNCF is not installed.
    """
    files = _quantised(bundle, train.images)
    contents = replace(bundle.contents(), extras={**bundle.contents().extras, **files})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        Bundle.write(path, contents)
        measured = with_parity(Bundle.open(path), validation)
    record = measured.parity["int8"]
    if not record["faithful"]:
        share, moved = f"{record['top1_agreement']:.1%}", ", ".join(record["moved"]) or "none"
        raise CheckFailedError(
            f"int8 to give 99 % of the network's answers to {validation.summary()} and to move no metric",
            found=f"{share}, metrics moved: {moved}; nothing was written",
            fix="deploy the bundle in float32 or bfloat16",
        )
    return measured


def _quantised(bundle: Bundle, images: NDArray[np.uint8]) -> dict[str, bytes]:
    try:
        with redirect_stdout(sys.stderr):  # where NNCF logs to is decided when it is imported
            import nncf
    except ImportError as error:
        raise MissingExtraError(
            "NNCF for int8", found=str(error), fix="pip install 'breakhis[export]'"
        ) from error
    graph = build_graph(bundle.config.model, bundle.weights(), size=bundle.size, dtype=np.float32)
    for name, output in graph.answers.items():
        output.get_tensor().set_names({name})
    model = ov.Model(list(graph.answers.values()), [graph.image], "breakhis")
    batches = [image[None].astype(np.float32) for image in images]
    reference = _answers(ov.Core().compile_model(model, "CPU"), batches)

    def agreement(compiled: Any, chosen: Iterable[Any]) -> tuple[float, list[float]]:
        rows, inputs = zip(*chosen, strict=True)
        found = _answers(compiled, inputs)
        same = found.argmax(axis=1) == reference[list(rows)].argmax(axis=1)
        return float(same.mean()), [
            float(value) for value in -np.abs(found - reference[list(rows)]).max(axis=1)
        ]

    numbered = list(enumerate(batches))
    with redirect_stdout(sys.stderr):
        quantised = nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset(batches[::2]),
            nncf.Dataset(numbered[1::2], lambda item: item[1]),
            agreement,
            max_drop=_DROP,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(batches[::2]),
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.xml"
        ov.save_model(quantised, file, compress_to_fp16=False)
        contents = (file.read_bytes(), file.with_suffix(".bin").read_bytes())
    return dict(zip(INT8_MEMBERS, contents, strict=True))


def _answers(compiled: ov.CompiledModel, batches: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([compiled(batch)[0] for batch in batches])
