"""From a Catalog to a Split: hold-out, folds and official folds, and the leakage of each, measured."""

from breakhis.splits.leakage import Leakage, measure_leakage
from breakhis.splits.make import make_folds, make_split
from breakhis.splits.official import read_official
from breakhis.splits.split import Split

__all__ = ["Leakage", "Split", "make_folds", "make_split", "measure_leakage", "read_official"]
