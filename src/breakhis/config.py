"""The one description of a training: frozen, validated, read from shipped recipes, YAML files and flags.

A configuration is saved verbatim in its run; every problem in a file is reported at once.
"""

import difflib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from breakhis.errors import ConfigError
from breakhis.files import hash_json

Unit = Literal["image", "patient", "case", "official", "manual"]
OddityPolicy = Literal["exclude", "keep", "dc", "lc"]
ClassWeights = Literal["none", "image", "case", "case_root", "case_count"]
Strategy = Literal["full", "frozen", "finetune", "linear"]

BLOCK_SIZES = {"conv2": 6, "conv3": 12, "conv4": 24, "conv5": 16}
"""Dense blocks of DenseNet121 and the number of layers in each."""

CUTTABLE = tuple(
    name
    for number, (stage, size) in enumerate(BLOCK_SIZES.items(), start=1)
    for name in (
        f"pool{number}" if number == 1 else f"pool{number}_pool",
        *(f"{stage}_block{index}_concat" for index in range(1, size + 1)),
    )
)
"""Layers of DenseNet121, from the bottom up, that everything above passes through."""

_ACTIVATED = {f"pool{number}_pool": f"pool{number}_relu" for number in (2, 3, 4)}

TAPPABLE = (
    *(layer for name in CUTTABLE for layer in ((_ACTIVATED[name], name) if name in _ACTIVATED else (name,))),
    "relu",
)
"""Layers that can be tapped: the cuttable ones and the activation that follows each dense block."""

DEFAULT_TAPS = ("conv3_block12_concat", "conv4_block24_concat", "conv5_block16_concat")


def _check_layer(name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        close = ", ".join(difflib.get_close_matches(name, known)) or known[-1]
        raise ValueError(f"{name!r} is no such layer of DenseNet121; close to it: {close}")
    return name


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class ImageConfig(_Section):
    """Preparation of images: what the store is keyed by.

    `size` is the side in pixels of the square that every image is resized to.
    """

    size: int = Field(224, ge=32, le=1024)


class SplitConfig(_Section):
    """How images are divided when no split file is given; shares are of the groups of each class."""

    by: Literal["image", "patient", "case"] = "case"
    test: float = Field(0.2, gt=0, lt=1)
    validation: float = Field(0.2, gt=0, lt=1)
    oddities: dict[str, OddityPolicy] = {"13412": "exclude"}

    @model_validator(mode="after")
    def _leaves_training_images(self) -> "SplitConfig":
        if self.test + self.validation >= 1:
            raise ValueError("test + validation must stay below 1")
        return self


class AugmentConfig(_Section):
    """Training-only augmentation; each number is the half-width of a uniform draw around "unchanged".

    `zoom` and `shift` are shares of the side, `brightness` and `contrast` shares of the intensity range, and
    `stain` is the jitter of haematoxylin and eosin density (share of density, plus a tenth of it as offset).
    """

    flips: bool = True
    quarter_turns: bool = True
    zoom: float = Field(0.1, ge=0, le=0.5)
    shift: float = Field(0.05, ge=0, le=0.5)
    brightness: float = Field(0.05, ge=0, le=0.5)
    contrast: float = Field(0.1, ge=0, le=0.9)
    stain: float = Field(0.1, ge=0, le=0.9)


class ModelConfig(_Section):
    """The network: a DenseNet121 whose intermediate layers are tapped, or its plain head as a baseline.

    `head` is "branches" (a hidden layer a tap, then shared ones), "linear" (softmax of one linear map of all
    pooled taps) or "plain" (the same of the last activation alone). `hierarchy` is the share of the answer
    that comes from "benign or malignant" times "which subtype of that group"; the rest comes from one softmax
    over all classes. With `test_views` 8 an answer is the mean over the flips and quarter turns of an image.
    """

    head: Literal["branches", "linear", "plain"] = "branches"
    hierarchy: float = Field(0.0, ge=0, le=1)
    test_views: Literal[1, 8] = 1
    weights: str = "imagenet"
    taps: tuple[str, ...] = Field(DEFAULT_TAPS, min_length=1)
    branch_units: int = Field(64, ge=1)
    dense_units: tuple[int, ...] = (128,)
    dropout: float = Field(0.3, ge=0, lt=1)
    batch_norm_momentum: float = Field(0.9, gt=0, lt=1)

    @field_validator("taps")
    @classmethod
    def _are_layers_from_the_bottom_up(cls, taps: tuple[str, ...]) -> tuple[str, ...]:
        for tap in taps:
            _check_layer(tap, TAPPABLE)
        if len(set(taps)) < len(taps):
            raise ValueError("a layer is tapped twice")
        return tuple(sorted(taps, key=TAPPABLE.index))


def tapped_layers(model: ModelConfig) -> tuple[str, ...]:
    """Layers whose pooled activations enter the head, from the bottom up; one for the plain head."""
    return ("relu",) if model.head == "plain" else model.taps


class FitConfig(_Section):
    """Optimisation: Adam on categorical cross-entropy, stopping and plateau reduction on validation loss.

    That loss is measured at the temperature that suits the validation images best.

    The strategy "linear" has no epochs: it fits a linear head in closed form, and reads `class_weights` and
    what is marked so.
    """

    strategy: Strategy = "frozen"
    epochs: int = Field(60, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: ClassWeights = "none"
    early_stopping_patience: int = Field(10, ge=1)
    plateau_patience: int = Field(4, ge=1)
    plateau_factor: float = Field(0.3, gt=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    views: int = Field(4, ge=1, description="augmented views per training image (frozen)")
    cut: str = Field("pool4_pool", description="last frozen layer of the backbone (finetune)")
    upper_learning_rate: float = Field(1e-4, gt=0)
    upper_epochs: int = Field(10, ge=1)
    classifier: Literal["logistic", "lda"] = "logistic"
    components: int | None = Field(None, ge=1, description="whitened principal components kept (linear)")
    l2: float = Field(0.05, gt=0, description="penalty next to the mean loss (linear, logistic)")
    shrinkage: float = Field(0.5, gt=0, le=1, description="of the covariance (linear, lda)")
    bags: int = Field(1, ge=1, description="fits averaged, each on a part of every class's cases (linear)")
    bag_share: float = Field(0.6, gt=0, lt=1, description="share of the cases in such a part (linear)")

    @field_validator("cut")
    @classmethod
    def _is_cuttable(cls, cut: str) -> str:
        return _check_layer(cut, CUTTABLE)


class AbstentionConfig(_Section):
    """When not to answer: thresholds are set to leave 1 - `coverage` of the held-out images unanswered."""

    coverage: float = Field(0.9, gt=0, le=1)


class TrainConfig(_Section):
    """Everything that decides a training, given the data."""

    recipe: str = "frozen"
    seed: int = Field(0, ge=0, lt=2**31)
    deterministic: bool = False
    images: ImageConfig = ImageConfig()
    split: SplitConfig = SplitConfig()
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig()
    abstention: AbstentionConfig = AbstentionConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> "TrainConfig":
        if self.fit.strategy == "linear" and self.model.head == "branches":
            raise ValueError("fit.strategy linear needs model.head linear or plain")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of the whole configuration."""
        return hash_json(self.model_dump(mode="json"))

    def to_yaml(self) -> str:
        """The configuration as YAML that `load_config` reads back to an equal object."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def summary(self) -> str:
        """One line for people."""
        return (
            f"recipe {self.recipe}: {_once(self.fit.strategy, self.model.head)} head, "
            f"{self.images.size} px, split by {self.split.by}, seed {self.seed}"
        )


def _once(strategy: str, head: str) -> str:
    return head if strategy == head else f"{strategy} {head}"


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    folder = resources.files("breakhis") / "recipes"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_config(
    recipe: str | None = None,
    file: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """A configuration from a shipped recipe, then a YAML file, then overrides, later ones winning.

    Args:
        recipe: Name of a shipped recipe; "frozen" where neither it nor the file names one.
        file: YAML file; only the keys that differ from the recipe need to stand in it.
        overrides: Dotted keys, e.g. ``{"split.by": "image", "seed": 3}``.

    Raises:
        ConfigError: An unknown recipe or key, or a value out of its range; all problems are listed.
    """
    from_file = _read_yaml(file) if file else {}
    name = recipe or str(from_file.get("recipe", "frozen"))
    merged: dict[str, Any] = {}
    _merge(merged, _read_recipe(name))
    _merge(merged, from_file)
    merged["recipe"] = name
    for key, value in (overrides or {}).items():
        _merge(merged, _nested(key, value))
    return parse_config(merged, source=str(file or f"recipe {name}"))


def load_yaml_config(path: Path) -> TrainConfig:
    """The configuration that a run saved; raises ConfigError where it is not whole."""
    return parse_config(_read_yaml(path), source=str(path))


def parse_config(values: Mapping[str, Any], *, source: str) -> TrainConfig:
    """Validate plain values as a TrainConfig; raises ConfigError listing every problem of `source`."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'configuration'}: {item['msg']}" for item in error.errors()
        )
        raise ConfigError(
            f"a valid configuration in {source}", found=problems, fix="correct these keys"
        ) from error


def _read_recipe(name: str) -> dict[str, Any]:
    if name not in recipe_names():
        raise ConfigError(
            f"a recipe out of {', '.join(recipe_names())}",
            found=repr(name),
            fix="name one of these, or pass a YAML file with --config",
        )
    content = (resources.files("breakhis") / "recipes" / f"{name}.yaml").read_text("utf-8")
    loaded: dict[str, Any] = yaml.safe_load(content)
    return loaded


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"a readable YAML file at {path}", found=reason, fix="correct the file or its path"
        ) from error
    if not isinstance(loaded, dict):
        raise ConfigError(
            f"a mapping of keys in {path}", found=type(loaded).__name__, fix="write `key: value` lines"
        )
    return loaded


def _nested(dotted: str, value: object) -> dict[str, Any]:
    *sections, key = dotted.split(".")
    result: dict[str, Any] = {key: value}
    for section in reversed(sections):
        result = {section: result}
    return result


def _merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict) and key != "oddities":
            _merge(target[key], value)
        else:
            target[key] = value
