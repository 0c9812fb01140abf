"""The fast runtime: from images to Predictions without TensorFlow."""

from breakhis.predict.precision import INT8_MEMBERS, available_precisions, choose_precision
from breakhis.predict.predictor import (
    BATCH,
    EngineName,
    Predictor,
    calibrate,
    image_files,
    open_model,
)
from breakhis.predict.render import answer_table
from breakhis.predict.streaming import write_predictions

__all__ = [
    "BATCH",
    "INT8_MEMBERS",
    "EngineName",
    "Predictor",
    "answer_table",
    "available_precisions",
    "calibrate",
    "choose_precision",
    "image_files",
    "open_model",
    "write_predictions",
]
