"""When a model does not answer: distance to the training cases, confidence, and the checks of the image."""

from breakhis.abstention.rule import Rule, judge
from breakhis.abstention.space import CaseSpace, few_of_each

__all__ = [
    "CaseSpace",
    "Rule",
    "few_of_each",
    "judge",
]
