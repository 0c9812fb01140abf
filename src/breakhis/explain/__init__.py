"""Where in an image the evidence for a class lies, without TensorFlow."""

from breakhis.explain.gradcam import FUSED, METHODS, Explanation, Method, explain, explain_all
from breakhis.explain.overlay import heat_png, overlay, palette

__all__ = [
    "FUSED",
    "METHODS",
    "Explanation",
    "Method",
    "explain",
    "explain_all",
    "heat_png",
    "overlay",
    "palette",
]
