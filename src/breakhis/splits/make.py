"""Hold-out splits and folds by image, patient or case; every class is counted in groups that stay whole."""

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import Catalog, IntArray
from breakhis.config import SplitConfig
from breakhis.errors import SplitError
from breakhis.splits.aims import Aim
from breakhis.splits.counts import group_codes
from breakhis.splits.groups import gather
from breakhis.splits.leakage import EXCLUDED, TEST, TRAIN, VALIDATION, SubsetArray
from breakhis.splits.origin import Origin
from breakhis.splits.placement import allocate
from breakhis.splits.policy import apply_policy
from breakhis.splits.split import Split


def make_split(catalog: Catalog, config: SplitConfig, *, seed: int) -> Split:
    """Divide a catalog into training, validation and test set.

    The shares of the configuration are of every class's groups (images, patients or cases), and after that
    of its images. Whatever the number of groups, a class goes to training first, then to test, then to
    validation; a set that must do without it is named in the split's warnings. The same catalog,
    configuration and seed give the same split on every machine, whatever the order of rows.

    Raises:
        SplitError: A set would stay empty, or a class cannot be trained on at all.
    """
    used, policy = apply_policy(catalog, config.oddities)
    groups = group_positions(catalog, used, unit=config.by)
    _require_groups(groups, 3, unit=config.by)
    aim = Aim((1 - config.test - config.validation, config.validation, config.test), ranks=(0, 2, 1))
    assigned = _assign(catalog, groups, aim=aim, rng=generator(seed))
    table = np.where(used, assigned + TRAIN, EXCLUDED).astype(np.uint8)[:, None]
    _require_training(catalog, table)
    return Split.of(catalog, table, origin=Origin(config.by, seed, policy))


def make_folds(catalog: Catalog, config: SplitConfig, *, folds: int, seed: int) -> Split:
    """Divide a catalog into folds: every image is tested in exactly one.

    Of the groups that a fold does not test, the configuration's share for validation is set aside by the
    rules of `make_split` (`test` of the configuration has no meaning here).

    Raises:
        SplitError: Fewer groups than folds, or a fold would lack a training or validation set.
    """
    if folds < 2:
        raise SplitError("at least 2 folds", found=str(folds), fix="ask for more, or for a hold-out split")
    used, policy = apply_policy(catalog, config.oddities)
    groups = group_positions(catalog, used, unit=config.by)
    _require_groups(groups, max(folds, 3), unit=config.by)
    rng = generator(seed)
    aim = Aim((1 / folds,) * folds, ranks=(0,) * folds)
    tested = _assign(catalog, groups, aim=aim, rng=rng)
    table = np.zeros((len(catalog), folds), np.uint8)
    for fold in range(folds):
        rest = np.where(tested == fold, -1, groups)
        table[:, fold] = np.where(used, TEST, EXCLUDED)
        nested = set_aside(catalog, rest, share=config.validation, rng=rng)
        table[rest >= 0, fold] = nested[rest >= 0]
    return Split.of(catalog, table, origin=Origin(config.by, seed, policy))


def set_aside(
    catalog: Catalog, groups: IntArray, *, share: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Divide the images with a group (not -1) into TRAIN and VALIDATION (N,), groups kept whole."""
    aim = Aim((1 - share, share), ranks=(0, 1))
    divided = _assign(catalog, groups, aim=aim, rng=rng)
    return np.where(groups < 0, EXCLUDED, np.where(divided == 0, TRAIN, VALIDATION)).astype(np.uint8)


def generator(seed: int) -> np.random.Generator:
    """The random numbers of a seed: the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed))


def group_positions(catalog: Catalog, used: NDArray[np.bool_], *, unit: str) -> IntArray:
    """Position (N,) of each used image's group among the sorted names of groups; -1 for the others.

    Raises:
        SplitError: An image whose patient or case is unknown.
    """
    names, codes = group_codes(catalog, unit)
    unknown = int(np.count_nonzero(names[codes[used]] == ""))
    if unknown:
        raise SplitError(
            f"the {unit} of every image",
            found=f"{unknown} of {np.count_nonzero(used)} images without one",
            fix=f"add a column `{unit}` to the manifest, pass --group-regex, or split by image",
        )
    positions = np.full(len(catalog), -1, np.int64)
    positions[used] = np.unique(codes[used], return_inverse=True)[1]
    return positions


def _assign(catalog: Catalog, groups: IntArray, *, aim: Aim, rng: np.random.Generator) -> IntArray:
    """Subset (N,) in the aim of every image whose group is not -1; the others get -1."""
    chosen = groups >= 0
    _, dense = np.unique(groups[chosen], return_inverse=True)
    gathered = gather(dense, catalog.labels[chosen], classes=len(catalog.taxonomy))
    assigned = np.full(len(catalog), -1, np.int64)
    assigned[chosen] = allocate(gathered, aim, rng=rng)[dense]
    return assigned


def _require_groups(groups: IntArray, least: int, *, unit: str) -> None:
    found = int(groups.max(initial=-1)) + 1
    if found < least:
        raise SplitError(
            f"at least {least} {unit}s to divide",
            found=str(found),
            fix="add data, or ask for fewer folds or a finer unit",
        )


def _require_training(catalog: Catalog, table: SubsetArray) -> None:
    lacking = np.setdiff1d(catalog.labels[table[:, 0] != EXCLUDED], catalog.labels[table[:, 0] == TRAIN])
    if len(lacking):
        raise SplitError(
            "every class in the training set",
            found=f"too few groups for {catalog.taxonomy.names[lacking[0]]}",
            fix="add data, or split by a finer unit",
        )
