"""When a model does not answer, and why: checks of the image, distance to the training cases, confidence."""

from breakhis.abstention.checks import check_image
from breakhis.abstention.reasons import Reason, kind_of, undecided

__all__ = ["Reason", "check_image", "kind_of", "undecided"]
