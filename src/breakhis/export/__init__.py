"""A trained model in the formats of other runtimes, each held against the network that it was made from."""

from breakhis.export.export import FORMATS, check_new, export_model
from breakhis.export.parity import FLOAT32_BAR, Agreement, compare
from breakhis.export.precisions import half_precision, with_parity
from breakhis.export.sample import Sample, run_sample, sample_of, split_sample, spread

__all__ = [
    "FLOAT32_BAR",
    "FORMATS",
    "Agreement",
    "Sample",
    "check_new",
    "compare",
    "export_model",
    "half_precision",
    "run_sample",
    "sample_of",
    "split_sample",
    "spread",
    "with_parity",
]
