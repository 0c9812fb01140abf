"""How a recipe turns into phases: heads on cached features, the upper blocks from a cut, or every layer.

The strategy "linear" has no phases: see `breakhis.training.closed_form`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from breakhis.catalog.table import IntArray
from breakhis.config import Strategy, TrainConfig
from breakhis.files import cache_folder, hash_json
from breakhis.images.augment import augment, draw_parameters
from breakhis.images.batches import BatchOptions, Samples, make_batches
from breakhis.images.store import Store
from breakhis.model.network import backbone_layers, split_network
from breakhis.training.batches import FeatureBatches, Layout, Order
from breakhis.training.checkpoint import PhaseProgress
from breakhis.training.closed_form import ViewFeatures
from breakhis.training.extract import EngineExtractor
from breakhis.training.features import FeatureCache, FloatArray, count_views, fill
from breakhis.training.loop import Listener, LoopContext, Phase, compile_model, run_phase
from breakhis.training.material import Material


def train_heads(material: Material, context: LoopContext) -> PhaseProgress:
    """Backbone fixed: only branches and dense layers are fitted, on cached pooled taps."""
    untrained = material.untrained
    phase = _cached_phase("heads", untrained.head, untrained.fast, material, context)
    return run_phase(phase, context)


def train_upper(material: Material, context: LoopContext) -> PhaseProgress:
    """Heads first, then all above the cut at a low rate; the backbone's batch statistics stay fixed."""
    before = train_heads(material, context)
    network, fit = material.network, material.config.fit
    upper = split_network(network, fit.cut).upper
    _freeze_batch_statistics(network)
    compile_model(upper, fit, rate=fit.upper_learning_rate)
    extract = EngineExtractor.of(network, material.config, layout=Layout.of(upper), cut=fit.cut)
    phase = _cached_phase("upper", upper, extract, material, context)
    return run_phase(replace(phase, epochs=fit.upper_epochs), context, before=before)


def train_all(material: Material, context: LoopContext) -> PhaseProgress:
    """Every layer is trained on augmented images, as the original notebook does."""
    config, targets, network = material.config, material.targets, material.network
    samples = Samples(material.store, targets.one_hot, targets.weights)
    compile_model(network, config.fit, rate=config.fit.learning_rate)

    def batches(rows: IntArray, *, epoch: int | None) -> tf.data.Dataset:
        options = BatchOptions(
            batch_size=config.fit.batch_size,
            seed=config.seed,
            epoch=epoch,
            augment=config.augment,
        )
        return make_batches(samples, rows, options)

    phase = Phase(
        name="all",
        model=network,
        epochs=config.fit.epochs,
        batches=lambda epoch: batches(targets.train, epoch=epoch),
        validation=batches(targets.validation, epoch=None),
    )
    return run_phase(phase, context)


STRATEGIES: dict[Strategy, Callable[[Material, LoopContext], PhaseProgress]] = {
    "full": train_all,
    "frozen": train_heads,
    "finetune": train_upper,
}


def tap_features(material: Material, listener: Listener) -> FloatArray:
    """(n, width) float32 taps of the validation rows as they are, each tap scaled to length 1."""
    rows = material.targets.validation
    progress = count_views(listener, len(rows))
    cache = ViewFeatures.of(material, listener).cache(0, rows, progress=progress)
    taps = material.untrained.layout.unpack(cache.read(rows)).values()
    units = [tap / np.maximum(np.linalg.norm(tap, axis=1, keepdims=True), 1e-12) for tap in taps]
    side_by_side: FloatArray = np.concatenate(units, axis=1) / np.sqrt(np.float32(len(units)))
    return side_by_side


def _cached_phase(
    name: str, upper: keras.Model, extract: EngineExtractor, material: Material, context: LoopContext
) -> Phase:
    """A phase that fits `upper` on what the fixed part below it says of every view, computed once."""
    config, targets = material.config, material.targets
    views = _cache_views(material, extract, context.listener)

    def batches(order: Order) -> FeatureBatches:
        return FeatureBatches(
            views, extract.layout, targets=targets, order=order, batch_size=config.fit.batch_size
        )

    return Phase(
        name=name,
        model=upper,
        epochs=config.fit.epochs,
        batches=lambda epoch: batches(
            Order.shuffled(targets.train, views=len(views), seed=config.seed, epoch=epoch)
        ),
        validation=batches(Order.plain(targets.validation)),
    )


def _cache_views(material: Material, extract: EngineExtractor, listener: Listener) -> list[FeatureCache]:
    """One feature cache a view; the first view is the image as it is, which validation also sees."""
    config, targets, store = material.config, material.targets, material.store
    everything = np.concatenate([targets.train, targets.validation])
    progress = count_views(listener, len(everything) + (config.fit.views - 1) * len(targets.train))

    def cached(view: int, rows: IntArray) -> FeatureCache:
        if view == 0 and extract is material.untrained.fast:  # answers are computed from the same
            return ViewFeatures.of(material, listener).cache(0, rows, progress=progress)
        key = hash_json([store.path.parent.name, extract.key, _view_key(config, view)])
        folder = cache_folder() / "features" / key
        cache = FeatureCache.open(folder, images=len(store), width=extract.layout.width)
        fill(cache, rows, extract, view=partial(_view, store, config, view), progress=progress)
        return cache

    return [cached(view, targets.train if view else everything) for view in range(config.fit.views)]


def _view_key(config: TrainConfig, view: int) -> object:
    return [view, config.seed, config.augment.model_dump()] if view else "as it is"


def _view(store: Store, config: TrainConfig, view: int, rows: IntArray) -> FloatArray:
    images = store.read(rows).astype(np.float32)
    if view == 0:
        return images
    drawn = draw_parameters(config.augment, len(store), seed=config.seed, epoch=view).rows(rows)
    changed: FloatArray = augment(images, drawn).numpy()
    return changed


def _freeze_batch_statistics(network: keras.Model) -> None:
    for layer in backbone_layers(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
