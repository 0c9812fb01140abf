"""What each arithmetic of the engine costs in exactness, and gives in speed, on this machine."""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from breakhis.bundle import Bundle, BundleContents
from breakhis.export.export import reference_answers
from breakhis.export.parity import FLOAT32_BAR, compare
from breakhis.export.sample import Sample
from breakhis.predict import Predictor, available_precisions


def with_parity(bundle: Bundle, sample: Sample) -> BundleContents:
    """The contents of a bundle with the parity of every precision that this machine computes in.

    Records of other precisions are kept. A precision is faithful if at least 99 % of its answers are those
    of the network, no metric moves by more than half the width of its interval and, in float32, no
    probability by more than 1e-4.
    """
    name, reference = reference_answers(bundle, sample)
    measured: dict[str, Any] = {}
    for precision in available_precisions(bundle):
        predictor = Predictor.of(bundle, precision)
        answers = predictor.predict_proba(sample.images)
        started = time.perf_counter()
        predictor.predict_proba(sample.images)
        seconds = time.perf_counter() - started
        agreement = compare(sample.answered(answers), reference)
        exact = precision != "float32" or agreement.max_difference <= FLOAT32_BAR
        measured[precision] = {
            "faithful": agreement.faithful and exact,
            "reference": name,
            "sample": sample.to_json(),
            **agreement.to_json(),
            "images_per_second": round(len(sample.images) / seconds, 1),
        }
    contents = bundle.contents()
    return replace(contents, parity={**contents.parity, **measured})


def half_precision(contents: BundleContents, sample: Sample) -> dict[str, Any]:
    """What the engine answers with kernels stored in half precision, against the network with all of them.

    Returns:
        A record for a bundle's `parity`, without a rate: equal contents and images give an equal record.
    """
    with TemporaryDirectory() as folder:
        whole, half = Path(folder) / "whole.zip", Path(folder) / "half.zip"
        Bundle.write(whole, contents)
        Bundle.write(half, contents, half=True)
        name, reference = reference_answers(Bundle.open(whole), sample)
        answers = Predictor.load(half, precision="float32").predict_proba(sample.images)
    agreement = compare(sample.answered(answers), reference)
    record = agreement.to_json() | {"max_difference": float(f"{agreement.max_difference:.2g}")}
    return {"faithful": agreement.faithful, "reference": name, "sample": sample.to_json(), **record}
