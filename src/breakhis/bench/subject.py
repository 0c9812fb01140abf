"""What is measured on: images, one network in every form that is compared, and a scratch folder."""

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.bundle import Bundle, BundleContents
from breakhis.catalog import Catalog
from breakhis.config import ImageConfig, ModelConfig, TrainConfig
from breakhis.images.store import Store, prepare
from breakhis.model.backend import KerasBackend
from breakhis.model.network import build_network
from breakhis.model.weights import Weights, get_weights, load_backbone, set_weights
from breakhis.predict.predictor import open_model
from breakhis.taxonomy import BREAKHIS

Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchOptions:
    """What a user chooses.

    Attributes:
        data: Folder of BreaKHis images; None paints a synthetic set.
        weights: Backbone: "none", "imagenet" or a file. Speeds do not depend on it.
        model: Bundle or run that `predict` is measured with; None makes one from `weights`.
        quick: Fewer rounds and images: whether the measures run, not what they say.
        torch_python: Interpreter with PyTorch, where it is not installed beside this package.
    """

    data: Path | None = None
    weights: str = "none"
    model: Path | None = None
    quick: bool = False
    torch_python: Path = Path(sys.executable)


@dataclass(frozen=True, eq=False)
class Subject:
    """Images and networks, made when first asked for.

    Attributes:
        options: What the user chose.
        catalog: N images that decode.
        folder: Scratch; the caller removes it.
        say: Told what goes on.
    """

    options: BenchOptions
    catalog: Catalog
    folder: Path
    say: Say = field(repr=False)

    @property
    def quick(self) -> bool:
        """Whether to cut the measures short."""
        return self.options.quick

    @property
    def size(self) -> int:
        """Side of the network's input in pixels."""
        return 64 if self.quick else 224

    @property
    def batch(self) -> int:
        """Images in a batch."""
        return 8 if self.quick else 32

    def rounds(self, full: int) -> int:
        """How many rounds to time."""
        return 2 if self.quick else full

    def files(self, count: int) -> list[Path]:
        """`count` images spread over the catalog; repeated in turn where it holds fewer."""
        rows = np.linspace(0, len(self.catalog), num=min(count, len(self.catalog)), endpoint=False).astype(
            int
        )
        files = [self.catalog.file(int(row)) for row in rows]
        return list(itertools.islice(itertools.cycle(files), count))

    @cached_property
    def config(self) -> TrainConfig:
        """DenseNet121 with the plain head, which every peer can build."""
        return TrainConfig(
            recipe="frozen", images=ImageConfig(size=self.size), model=ModelConfig(head="plain")
        )

    @cached_property
    def network(self) -> keras.Model:
        """That network in Keras, with the chosen backbone and a random head."""
        keras.utils.set_random_seed(0)
        network = build_network(self.config.model, size=self.size, classes=len(BREAKHIS))
        load_backbone(network, self.options.weights)
        return network

    @cached_property
    def weights(self) -> Weights:
        """Its first weights, by name."""
        return get_weights(self.network)

    @cached_property
    def bundle(self) -> Bundle:
        """The model that predicts: the chosen one, or that network packed."""
        if self.options.model is not None:
            return open_model(self.options.model)
        path = self.folder / "bundle.zip"
        contents = BundleContents(
            config=self.config, taxonomy=BREAKHIS, weights=self.weights, metrics={}, split={}, created="today"
        )
        Bundle.write(path, contents)
        return Bundle.open(path)

    @cached_property
    def twin(self) -> KerasBackend:
        """The model that predicts, in Keras."""
        return KerasBackend(self.bundle.config.model, self.bundle.weights(), size=self.bundle.size)

    @cached_property
    def keras_file(self) -> Path:
        """The model that predicts as a .keras file; one view, whatever the model asks for."""
        path = self.folder / "model.keras"
        bundle = self.bundle
        network = build_network(
            bundle.config.model,
            size=bundle.size,
            classes=len(bundle.taxonomy),
            benign=bundle.taxonomy.benign_first,
        )
        set_weights(network, bundle.weights())
        network.save(path)
        return path

    @cached_property
    def store(self) -> Store:
        """All images, prepared."""
        return prepare(self.catalog, size=self.size, folder=self.folder / "prepared")

    def squares(self, count: int) -> NDArray[np.uint8]:
        """(count, size, size, 3) uint8 prepared images, repeated where there are fewer."""
        return self.store.read(np.arange(count) % len(self.store))
