"""The Keras network, its weights and its parts. Everything below this package imports TensorFlow or Keras."""
