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
from breakhis.model.network import backbone_layers, head_model, split_network
from breakhis.training.batches import FeatureBatches, Layout, Order
from breakhis.training.checkpoint import PhaseProgress
from breakhis.training.extract import EngineExtractor
from breakhis.training.features import FeatureCache, FloatArray, fill
from breakhis.training.loop import Listener, LoopContext, Phase, run_phase
from breakhis.training.material import Material


def train_heads(material: Material, context: LoopContext) -> PhaseProgress:
    """Backbone fixed: only branches and dense layers are fitted, on cached pooled taps."""
    head = head_model(material.network)
    _compile(head, material.config, rate=material.config.fit.learning_rate)
    phase = _cached_phase("heads", head, material, context, cut=None)
    return run_phase(phase, context)


def train_upper(material: Material, context: LoopContext) -> PhaseProgress:
    """Heads first, then all above the cut at a low rate; the backbone's batch statistics stay fixed."""
    before = train_heads(material, context)
    cut = material.config.fit.cut
    upper = split_network(material.network, cut).upper
    _freeze_batch_statistics(material.network)
    _compile(upper, material.config, rate=material.config.fit.upper_learning_rate)
    phase = _cached_phase("upper", upper, material, context, cut=cut)
    return run_phase(replace(phase, epochs=material.config.fit.upper_epochs), context, before=before)


def train_all(material: Material, context: LoopContext) -> PhaseProgress:
    """Every layer is trained on augmented images, as the original notebook does."""
    config, targets, network = material.config, material.targets, material.network
    samples = Samples(material.store, targets.one_hot, targets.weights)
    _compile(network, config, rate=config.fit.learning_rate)

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
    layout = Layout.of(head_model(material.network))
    config = material.config.model_copy(update={"fit": material.config.fit.model_copy(update={"views": 1})})
    (cache,) = _cache_views(replace(material, config=config), layout, listener, cut=None)
    taps = layout.unpack(cache.read(material.targets.validation)).values()
    units = [tap / np.maximum(np.linalg.norm(tap, axis=1, keepdims=True), 1e-12) for tap in taps]
    side_by_side: FloatArray = np.concatenate(units, axis=1) / np.sqrt(np.float32(len(units)))
    return side_by_side


def _cached_phase(
    name: str, upper: keras.Model, material: Material, context: LoopContext, *, cut: str | None
) -> Phase:
    """A phase that fits `upper` on what the fixed part below it says of every view, computed once."""
    config, targets = material.config, material.targets
    layout = Layout.of(upper)
    views = _cache_views(material, layout, context.listener, cut=cut)

    def batches(order: Order) -> FeatureBatches:
        return FeatureBatches(views, layout, targets=targets, order=order, batch_size=config.fit.batch_size)

    return Phase(
        name=name,
        model=upper,
        epochs=config.fit.epochs,
        batches=lambda epoch: batches(
            Order.shuffled(targets.train, views=len(views), seed=config.seed, epoch=epoch)
        ),
        validation=batches(Order.plain(targets.validation)),
    )


def _cache_views(
    material: Material, layout: Layout, listener: Listener, *, cut: str | None
) -> list[FeatureCache]:
    """One feature cache a view; the first view is the image as it is, which validation also sees."""
    config, targets, store = material.config, material.targets, material.store
    extract = EngineExtractor.of(material.network, config, layout=layout, cut=cut)
    everything = np.concatenate([targets.train, targets.validation])
    total = len(everything) + (config.fit.views - 1) * len(targets.train)
    report = listener.stage(f"features of {total} views")
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        report(done, total)

    caches = []
    for view in range(config.fit.views):
        key = hash_json([store.path.parent.name, extract.key, _view_key(config, view)])
        folder = cache_folder() / "features" / key
        cache = FeatureCache.open(folder, images=len(store), width=layout.width)
        rows = everything if view == 0 else targets.train
        fill(cache, rows, extract, view=partial(_view, store, config, view), progress=progress)
        caches.append(cache)
    return caches


def _view_key(config: TrainConfig, view: int) -> object:
    return [view, config.seed, config.augment.model_dump()] if view else "as it is"


def _view(store: Store, config: TrainConfig, view: int, rows: IntArray) -> FloatArray:
    images = store.read(rows).astype(np.float32)
    if view == 0:
        return images
    drawn = draw_parameters(config.augment, len(store), seed=config.seed, epoch=view).rows(rows)
    changed: FloatArray = augment(images, drawn).numpy()
    return changed


def _compile(model: keras.Model, config: TrainConfig, *, rate: float) -> None:
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.fit.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
        weighted_metrics=[],
        jit_compile=False,
    )


def _freeze_batch_statistics(network: keras.Model) -> None:
    for layer in backbone_layers(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
