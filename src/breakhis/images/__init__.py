"""From files to batches: decode, prepared store, stain, augmentation, `tf.data`.

Nothing is imported here: `augment` and `batches` need TensorFlow, the others must not load it.
"""
