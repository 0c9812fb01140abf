"""Comparison of runs on one test set, by paired bootstrap over cases."""

from breakhis.compare.comparison import Comparison, Difference, compare
from breakhis.compare.contestant import Contestant, read_contestant, read_contestants

__all__ = ["Comparison", "Contestant", "Difference", "compare", "read_contestant", "read_contestants"]
