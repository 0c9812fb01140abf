"""Where in an image the evidence for a class lies: Grad-CAM and Grad-CAM++ at every tap, and fused.

The head sees nothing of a tap but its mean over space. So the gradient of a class's logit is the same at
every place of a channel, and both methods come down to a weight a channel, made of the gradient with respect
to the pooled channel. The weighted sum at a place is that place's share of the logit, in logits per image
area: to first order, its mean over the image is what the branch gives to the logit. In this unit branches of
different size and depth can be added, and that is the fused map: the branches' maps, scaled up and summed
before negative evidence is cut, so that where branches disagree the balance shows. What a lower tap gives to
the logit by way of the higher ones is counted there. A model that answers over several views of an image has
the mean of their logits, so its map is the mean of theirs, turned back.

Grad-CAM: Selvaraju et al., ICCV 2017, arXiv 1610.02391. Grad-CAM++: Chattopadhay et al., WACV 2018, arXiv
1710.11063.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from breakhis.engine import Engine, Maps
from breakhis.errors import UsageError
from breakhis.explain.head import Array, head_of
from breakhis.images.decode import Image, resize
from breakhis.images.views import mean_probabilities, turn
from breakhis.predict import BATCH, Predictor, calibrate
from breakhis.predictions import answered_labels

Method = Literal["gradcam", "gradcam++"]
Heat = NDArray[np.float32]

METHODS: Final[tuple[Method, ...]] = ("gradcam", "gradcam++")
FUSED: Final = "fused"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the evidence for one class lies in one image.

    Attributes:
        target: Code of the explained class.
        answer: Code of the answered one.
        probabilities: {code: calibrated probability}, as `Predictor.predict_proba` gives them.
        heat: {tap, from the bottom up, then "fused": float32 (size, size) in [0, 1]}; evidence for the
            target, divided by its peak. 0 where there is none, or evidence against it.
        peaks: {the same keys: the largest evidence, in logits per image area}; 0 where no place is for it.
        method: How channels are weighted.
    """

    target: str
    answer: str
    probabilities: dict[str, float]
    heat: dict[str, Heat]
    peaks: dict[str, float]
    method: Method


def explain(
    predictor: Predictor, image: Image, *, target: str | None = None, method: Method = "gradcam"
) -> Explanation:
    """Explain one image.

    Args:
        predictor: The model, with the OpenVINO engine.
        image: (H, W, 3) uint8 RGB.
        target: Code of the class to explain; None for the answered subtype.
        method: "gradcam" or "gradcam++".

    Raises:
        UsageError: Not an image, no such class or method, or an engine that shows no activations.
    """
    return explain_all(predictor, [image], target=target, method=method)[0]


def explain_all(
    predictor: Predictor,
    images: Sequence[Image] | Image,
    *,
    target: str | None = None,
    method: Method = "gradcam",
) -> list[Explanation]:
    """Explain many images, `breakhis.predict.BATCH` in one pass; as `explain`."""
    label = _label(predictor, target)
    if method not in METHODS:
        raise UsageError(f"a method out of {', '.join(METHODS)}", found=repr(method), fix="name one of these")
    found: list[Explanation] = []
    for start in range(0, len(images), BATCH):
        squares = [_square(image, predictor.bundle.size) for image in images[start : start + BATCH]]
        found += _explain_batch(predictor, np.stack(squares), label=label, method=method)
    return found


def _label(predictor: Predictor, target: str | None) -> int | None:
    codes = predictor.taxonomy.codes
    if target is None:
        return None
    if target not in codes:
        raise UsageError(f"a class out of {', '.join(codes)}", found=repr(target), fix="name one of these")
    return predictor.taxonomy.label(target)


def _square(image: Image, size: int) -> Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(
            "a decoded image, uint8 RGB (H, W, 3)",
            found=f"{image.dtype} {image.shape}",
            fix="read it with breakhis.images.decode.read_image",
        )
    return resize(image, size)


def _explain_batch(
    predictor: Predictor, squares: Image, *, label: int | None, method: Method
) -> list[Explanation]:
    if not isinstance(predictor.engine, Engine):
        raise UsageError(
            "an engine that shows activations",
            found=type(predictor.engine).__name__,
            fix="load the model with the engine openvino",
        )
    views = range(predictor.bundle.config.model.test_views)
    maps = [predictor.engine.maps(turn(squares, view)) for view in views]
    raw = maps[0].probabilities if len(maps) == 1 else mean_probabilities([one.probabilities for one in maps])
    probabilities = calibrate(raw, predictor.bundle.temperature)
    answers = answered_labels(probabilities, predictor.taxonomy)
    labels = answers if label is None else np.full_like(answers, label)
    head = head_of(predictor.bundle)
    seen = [_evidence(one, head.gradients(one.pooled, labels), method) for one in maps]
    evidence = {tap: _mean_upright([one[tap] for one in seen]) for tap in head.branches}
    codes = predictor.taxonomy.codes
    found = []
    for row in range(len(squares)):
        heat, peaks = _heat({tap: shares[row] for tap, shares in evidence.items()}, predictor.bundle.size)
        found.append(
            Explanation(
                target=codes[labels[row]],
                answer=codes[answers[row]],
                probabilities=dict(zip(codes, probabilities[row].tolist(), strict=True)),
                heat=heat,
                peaks=peaks,
                method=method,
            )
        )
    return found


def _mean_upright(evidence: Sequence[Heat]) -> Heat:
    """The mean of maps (N, h, w) of the views 0, 1, ... of `breakhis.images.views.turn`, each turned back."""
    upright = []
    for view, shares in enumerate(evidence):
        back = np.rot90(shares, -view % 4, axes=(1, 2))
        upright.append(back[:, :, ::-1] if view >= 4 else back)
    return np.asarray(np.mean(upright, axis=0), dtype=np.float32)


def _evidence(maps: Maps, gradients: dict[str, Array], method: Method) -> dict[str, Heat]:
    """{tap: (N, h, w)}, signed, in logits per image area."""
    evidence = {}
    for tap, activation in maps.maps.items():
        weights = gradients[tap] if method == "gradcam" else _plus_plus(gradients[tap], activation)
        evidence[tap] = np.einsum("nhwk,nk->nhw", activation, weights.astype(np.float32), optimize=True)
    return evidence


def _plus_plus(gradient: Array, activation: Heat) -> Array:
    """Grad-CAM++'s channel weights (N, channels).

    With the gradient g / (h w) at each of the h w places, equation 19 of the paper becomes
    alpha = 1 / (2 + g * mean(A)) there, and their sum times the positive gradient is alpha * max(g, 0). The
    paper takes rectified activations; of others, the positive part is taken, or alpha would have a pole.
    """
    mean = np.maximum(activation, 0).mean(axis=(1, 2), dtype=np.float64)
    positive = np.maximum(gradient, 0)
    weights: Array = positive / (2 + positive * mean)
    return weights


def _heat(evidence: dict[str, Heat], size: int) -> tuple[dict[str, Heat], dict[str, float]]:
    signed = {
        tap: cv2.resize(shares, (size, size), interpolation=cv2.INTER_LINEAR)
        for tap, shares in evidence.items()
    }
    signed[FUSED] = np.sum(list(signed.values()), axis=0)
    positive = {name: np.maximum(shares, 0) for name, shares in signed.items()}
    peaks = {name: float(shares.max()) for name, shares in positive.items()}
    heat = {
        name: (shares / peaks[name] if peaks[name] > 0 else shares).astype(np.float32)
        for name, shares in positive.items()
    }
    return heat, peaks
