"""Evaluation: what a table of predictions is worth, with unit, leakage verdict and intervals."""

from breakhis.evaluate.evaluation import Abstention, Evaluation
from breakhis.evaluate.make import answers_of, evaluate

__all__ = ["Abstention", "Evaluation", "answers_of", "evaluate"]
