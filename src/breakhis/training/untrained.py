"""The network as it is before a training, built once for all the trainings that start from it."""

from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.config import TrainConfig
from breakhis.model.network import build_network, head_model
from breakhis.model.weights import load_backbone
from breakhis.taxonomy import Taxonomy
from breakhis.training.batches import Layout
from breakhis.training.device import prepare_device
from breakhis.training.extract import EngineExtractor
from breakhis.training.loop import compile_model


@dataclass(frozen=True, eq=False)
class Untrained:
    """A network on its first weights, its compiled head, and what its backbone says of images.

    Everything is made when first asked for. Trainings that share one take turns: each begins with `reset`,
    which ends the use of the network that the training before left.

    Attributes:
        config: Of all these trainings.
        taxonomy: The classes.
    """

    config: TrainConfig
    taxonomy: Taxonomy

    @cached_property
    def network(self) -> keras.Model:
        """One view of images to probabilities.

        Raises:
            WeightsError: The backbone's weights do not fit.
        """
        prepare_device(self.config)
        model, taxonomy = self.config.model, self.taxonomy
        network = build_network(
            model, size=self.config.images.size, classes=len(taxonomy), benign=taxonomy.benign_first
        )
        load_backbone(network, model.weights)
        return network

    @cached_property
    def head(self) -> keras.Model:
        """Pooled taps to probabilities, by layers of `network`; compiled, so that steps are traced once."""
        head = head_model(self.network)
        compile_model(head, self.config.fit, rate=self.config.fit.learning_rate)
        head.optimizer.build(head.trainable_variables)
        return head

    @cached_property
    def layout(self) -> Layout:
        """How the head's inputs are packed."""
        return Layout.of(self.head)

    @cached_property
    def exact(self) -> EngineExtractor:
        """Images to packed taps in float32: what answers are computed from."""
        return EngineExtractor.of(self.network, self.config, layout=self.layout, cut=None, exact=True)

    @cached_property
    def fast(self) -> EngineExtractor:
        """The same in the fastest precision of this processor: good enough to train on."""
        fast = EngineExtractor.of(self.network, self.config, layout=self.layout, cut=None)
        return self.exact if self.exact.key == fast.key else fast  # one compiled graph, not two

    def reset(self) -> None:
        """Give network and optimizer of the head the values that they had at first."""
        first = self._first
        for variable, value in zip(self._variables, first, strict=True):
            variable.assign(value)

    @cached_property
    def _variables(self) -> list[keras.Variable]:
        return [*self.network.weights, *self.head.optimizer.variables]

    @cached_property
    def _first(self) -> list[NDArray[np.generic]]:
        return [np.array(variable) for variable in self._variables]
