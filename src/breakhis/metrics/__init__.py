"""Metrics: arrays in, numbers with intervals out."""

from breakhis.metrics.answers import Answers
from breakhis.metrics.calibration import apply_temperature, fit_temperature, reliability
from breakhis.metrics.intervals import Estimate, Metric, Resamples
from breakhis.metrics.measures import ClassMeasures, Measures, estimate, measure
from breakhis.metrics.selective import risk_coverage

__all__ = [
    "Answers",
    "ClassMeasures",
    "Estimate",
    "Measures",
    "Metric",
    "Resamples",
    "apply_temperature",
    "estimate",
    "fit_temperature",
    "measure",
    "reliability",
    "risk_coverage",
]
