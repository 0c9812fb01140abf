"""What a bundle holds: weights, classes, preprocessing, configuration, metrics and where they come from."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors.numpy
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError

from breakhis import __version__
from breakhis.abstention import Rule
from breakhis.bundle.archive import read_archive, write_archive
from breakhis.config import TrainConfig, parse_config
from breakhis.errors import BreakhisError, BundleError, UsageError
from breakhis.taxonomy import BREAKHIS, Taxonomy

Weights = Mapping[str, NDArray[np.floating]]

WEIGHTS: Final = "weights.safetensors"
CONFIG: Final = "config.yaml"
METRICS: Final = "metrics.json"
CARD: Final = "MODEL_CARD.md"
TRAINING_CASES: Final = "training_cases.safetensors"
_NEEDED: Final = {WEIGHTS, CONFIG, METRICS, CARD}
_OWN: Final = {*_NEEDED, TRAINING_CASES}

PREPROCESSING: Final = {
    "colour": "RGB",
    "range": [0, 255],
    "resize": "squashed to a square: averaged over the covered area where it shrinks, cubic where it grows",
    "normalisation": "in the network",
}


@dataclass(frozen=True, eq=False)
class BundleContents:
    """What is written into a bundle.

    Attributes:
        config: How the model was trained, input size and network included.
        taxonomy: The C classes.
        weights: Arrays as `breakhis.model.weights.get_weights` names them.
        metrics: `Evaluation.to_json()` on the test set; empty where nothing was measured.
        split: `Split.to_json()` of the division that was trained on; empty where there was none.
        created: Date of the training, ISO 8601.
        temperature: Calibration: probabilities become softmax(log(p) / temperature).
        rule: When it does not answer; None where only the checks of the image say so.
        parity: {format or precision: largest difference and agreement with the Keras network}.
        extras: Further members by file name.
    """

    config: TrainConfig
    taxonomy: Taxonomy
    weights: Weights
    metrics: Mapping[str, Any]
    split: Mapping[str, Any]
    created: str
    temperature: float = 1.0
    rule: Rule | None = None
    parity: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Bundle:
    """An opened, verified bundle.

    Attributes:
        path: Where it was read from.
        manifest: Everything but the members' contents, as JSON values.
        members: {file name: content}.
    """

    path: Path
    manifest: Mapping[str, Any]
    members: Mapping[str, bytes] = field(repr=False)

    @staticmethod
    def write(path: Path, contents: BundleContents, *, half: bool = False) -> None:
        """Write a bundle; equal contents give equal bytes.

        Args:
            path: The zip.
            contents: What goes in.
            half: Store kernels as float16, at half the size; vectors (biases, statistics) stay float32.

        Raises:
            UsageError: Weights of another number of classes, or an extra member of a name in use.
        """
        from breakhis.bundle.card import model_card

        _check(contents)
        manifest = _manifest(contents)
        members = {
            WEIGHTS: safetensors.numpy.save(_stored(contents.weights, half=half)),
            CONFIG: contents.config.to_yaml().encode(),
            METRICS: (json.dumps(contents.metrics, indent=2, allow_nan=False) + "\n").encode(),
            CARD: model_card(manifest, contents.metrics).encode(),
        }
        if contents.rule is not None:
            members[TRAINING_CASES] = contents.rule.to_bytes()
        write_archive(path, manifest, {**members, **contents.extras})

    @classmethod
    def open(cls, path: Path) -> "Bundle":
        """Read and verify a bundle; nothing in it is executed.

        Raises:
            BundleError: It is cut, altered, of another format, or its parts do not fit together.
        """
        manifest, members = read_archive(path)
        bundle = cls(path, manifest, members)
        try:
            if not set(members) >= _NEEDED:
                raise ValueError(f"no {min(_NEEDED - set(members))}")
            if len(bundle.config.model.taps) == 0 or bundle.temperature <= 0 or len(bundle.taxonomy) < 2:
                raise ValueError("an impossible manifest")
            bundle.rule  # noqa: B018 - reads it
        except (ValueError, KeyError, TypeError, yaml.YAMLError, SafetensorError, BreakhisError) as error:
            raise BundleError(
                f"a bundle whose parts fit together at {path}",
                found=f"{type(error).__name__}: {error}",
                fix="update breakhis, or export the model again",
            ) from error
        return bundle

    @cached_property
    def config(self) -> TrainConfig:
        """How the model was trained."""
        return parse_config(yaml.safe_load(self.members[CONFIG]), source=f"{self.path}:{CONFIG}")

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The classes, in the order of the probabilities."""
        stored = Taxonomy(*(tuple(self.manifest["taxonomy"][key]) for key in ("codes", "names", "malignant")))
        return BREAKHIS if stored == BREAKHIS else stored

    @property
    def size(self) -> int:
        """Side of the network's square input in pixels."""
        return self.config.images.size

    @property
    def temperature(self) -> float:
        """Calibration: probabilities become softmax(log(p) / temperature)."""
        return float(self.manifest["calibration"]["temperature"])

    @cached_property
    def rule(self) -> Rule | None:
        """When the model does not answer; None where only the checks of the image say so."""
        thresholds = self.manifest["abstention"]
        return Rule.load(thresholds, self.members[TRAINING_CASES]) if thresholds else None

    @property
    def hash(self) -> str:
        """What identifies this bundle: the seal over its manifest, and so over every member."""
        return str(self.manifest["seal"])

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the stored weights."""
        return str(self.manifest["members"][WEIGHTS]["sha256"])

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """`Evaluation.to_json()` on the test set; empty where nothing was measured."""
        metrics: dict[str, Any] = json.loads(self.members[METRICS])
        return metrics

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self.members[CARD].decode()

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights, widened to float32; raises BundleError where they are unreadable."""
        try:
            stored = safetensors.numpy.load(self.members[WEIGHTS])
        except SafetensorError as error:
            raise BundleError(
                f"readable weights in {self.path}", found=str(error), fix="export the model again"
            ) from error
        return {name: array.astype(np.float32) for name, array in stored.items()}

    def contents(self) -> BundleContents:
        """What it was written from, to be written again in another form."""
        extras = {name: content for name, content in self.members.items() if name not in _OWN}
        return BundleContents(
            config=self.config,
            taxonomy=self.taxonomy,
            weights=self.weights(),
            metrics=self.metrics,
            split=self.manifest["split"],
            created=str(self.manifest["provenance"]["created"]),
            temperature=self.temperature,
            rule=self.rule,
            parity=self.manifest["parity"],
            extras=extras,
        )

    def describe(self) -> dict[str, Any]:
        """What should stand beside every answer, JSON-ready: classes, and what the model was measured on."""
        split = self.manifest["split"]
        headlines = ("accuracy", "macro_f1", "prr", "malignancy_accuracy", "ece")
        return {
            "hash": self.hash,
            "recipe": self.manifest["recipe"],
            "created": self.manifest["provenance"]["created"],
            "size": self.size,
            "classes": self.manifest["taxonomy"],
            "unit": split["unit"] if split else None,
            "leakage": split["leakage"]["verdict"] if split else "unknown",
            "split_hash": split["hash"] if split else None,
            "metrics": {name: self.metrics[name] for name in headlines if name in self.metrics},
            "summary": self.summary(),
            "use": "research only, not a medical device",
        }

    def summary(self) -> str:
        """One line for people: what the model is, and on what split it was measured."""
        split, f1 = self.manifest["split"], self.metrics.get("macro_f1")
        if not split or not f1 or f1["value"] is None:
            return f"{self.config.summary()}; not measured"
        interval = "95% {:.2f} to {:.2f}".format(*f1["ci95"]) if f1["ci95"] else "no interval"
        verdict = split["leakage"]["verdict"]
        return (
            f"{self.config.summary()}; macro F1 {f1['value']:.2f} ({interval}) "
            f"by {split['unit']}, split {verdict}"
        )


def package_versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that a result depends on."""
    versions = {"python": platform.python_version(), "breakhis": __version__}
    for name in ("keras", "numpy", "opencv-python-headless", "openvino", "tensorflow-cpu", "tensorflow"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _check(contents: BundleContents) -> None:
    bias = contents.weights.get("probabilities/bias")
    if bias is None or bias.shape != (len(contents.taxonomy),):
        raise UsageError(
            f"weights of a network with {len(contents.taxonomy)} classes",
            found="none for probabilities/bias" if bias is None else f"{bias.size} classes",
            fix="pass the weights of the trained network",
        )
    if taken := _OWN & set(contents.extras):
        raise UsageError("extra members of names of their own", found=min(taken), fix="choose another name")


def _stored(weights: Weights, *, half: bool) -> dict[str, NDArray[np.floating]]:
    return {
        name: np.ascontiguousarray(array, dtype=np.float16 if half and array.ndim > 1 else np.float32)
        for name, array in sorted(weights.items())
    }


def _manifest(contents: BundleContents) -> dict[str, Any]:
    taxonomy = contents.taxonomy
    return {
        "kind": "breakhis model bundle",
        "taxonomy": {
            "codes": list(taxonomy.codes),
            "names": list(taxonomy.names),
            "malignant": list(taxonomy.malignant),
        },
        "preprocessing": {"size": contents.config.images.size, **PREPROCESSING},
        "model": contents.config.model.model_dump(mode="json"),
        "recipe": contents.config.recipe,
        "config_hash": contents.config.hash,
        "calibration": {"temperature": contents.temperature},
        "abstention": contents.rule.to_json() if contents.rule else {},
        "split": dict(contents.split),
        "parity": dict(contents.parity),
        "provenance": {"created": contents.created, "versions": package_versions()},
    }
