"""Known oddities of the data, and the explicit decision about each that a split records."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import Catalog
from breakhis.errors import SplitError

_YEAR = re.compile(r"^\d\d-")


def present_oddities(catalog: Catalog, oddities: Mapping[str, str]) -> dict[str, NDArray[np.bool_]]:
    """Images (N,) of each listed case that the catalog holds; "13412" is the case ``14-13412``."""
    names, codes = catalog.case_codes
    numbers = np.array([_YEAR.sub("", name) for name in names.tolist()])
    masks = {number: (numbers == number)[codes] for number in sorted(oddities)}
    return {number: mask for number, mask in masks.items() if mask.any()}


def apply_policy(catalog: Catalog, oddities: Mapping[str, str]) -> tuple[NDArray[np.bool_], dict[str, str]]:
    """Images (N,) that remain, and the policies of those cases that are present.

    "exclude" leaves all images of the case out, "keep" none, and a class code ("dc", "lc") all but the copy
    under that label.

    Raises:
        SplitError: A class loses all its images.
    """
    used = np.ones(len(catalog), np.bool_)
    policy = {}
    for number, mine in present_oddities(catalog, oddities).items():
        policy[number] = oddities[number]
        if policy[number] == "exclude":
            used &= ~mine
        elif policy[number] != "keep":
            used &= ~mine | (catalog.codes == policy[number].upper())
    lost = np.setdiff1d(catalog.labels, catalog.labels[used])
    if len(lost):
        raise SplitError(
            f"images of {catalog.taxonomy.names[lost[0]]} to train on",
            found=f"none once the policy {policy} is applied",
            fix="set the policy of that case (split.oddities) to keep",
        )
    return used, policy
