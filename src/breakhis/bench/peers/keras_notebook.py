"""The way of the original notebook: `image_dataset_from_directory`, layers that augment, Rescaling, `fit`."""

from pathlib import Path

import keras
import tensorflow as tf


def augmentation() -> keras.Sequential:
    """The nearest that Keras has layers for; it has none for the stain."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal_and_vertical"),
            layers.RandomRotation(0.25, fill_mode="reflect"),
            layers.RandomZoom(0.1, fill_mode="reflect"),
            layers.RandomTranslation(0.05, 0.05, fill_mode="reflect"),
            layers.RandomBrightness(0.05),
            layers.RandomContrast(0.1),
        ]
    )


def image_batches(folder: Path, *, size: int, batch: int, augmented: bool, cached: bool) -> tf.data.Dataset:
    """Batches of images (B, size, size, 3) in 0-1, as `fit` of the notebook reads them.

    Args:
        folder: Images at any depth.
        size: Side in pixels.
        batch: Images in one.
        augmented: Whether `augmentation` is applied.
        cached: Whether decoded images are kept in memory.
    """
    images = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(size, size), batch_size=batch, verbose=False
    )
    if cached:
        images = images.cache()
    if augmented:
        change = augmentation()
        images = images.map(lambda one: change(one, training=True), num_parallel_calls=tf.data.AUTOTUNE)
    rescale = keras.layers.Rescaling(1 / 255)
    return images.map(rescale, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def count(images: tf.data.Dataset) -> int:
    """Read one epoch; how many images came."""
    return sum(int(batch.shape[0]) for batch in images)
