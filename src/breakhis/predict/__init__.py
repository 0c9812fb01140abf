"""The fast runtime: from images to Predictions without TensorFlow."""

from breakhis.predict.predictor import (
    BATCH,
    EngineName,
    Predictor,
    calibrate,
    faithful_precision,
    image_files,
    open_model,
)
from breakhis.predict.render import answer_table
from breakhis.predict.streaming import write_predictions

__all__ = [
    "BATCH",
    "EngineName",
    "Predictor",
    "answer_table",
    "calibrate",
    "faithful_precision",
    "image_files",
    "open_model",
    "write_predictions",
]
