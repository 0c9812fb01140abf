"""When a model does not answer, and why: checks of the image, distance to the training cases, confidence."""

from breakhis.abstention.checks import check_files, check_image
from breakhis.abstention.reasons import Reason, kind_of, undecided
from breakhis.abstention.rule import Rule, judge
from breakhis.abstention.space import CaseSpace, few_of_each

__all__ = [
    "CaseSpace",
    "Reason",
    "Rule",
    "check_files",
    "check_image",
    "few_of_each",
    "judge",
    "kind_of",
    "undecided",
]
