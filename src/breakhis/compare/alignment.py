"""Answers of several runs in one order of images, or the reason why there is none."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from breakhis.compare.contestant import Contestant
from breakhis.errors import SplitError
from breakhis.predictions import Predictions


def align(contestants: Sequence[Contestant]) -> list[Predictions]:
    """The runs' answers with their rows in the same order of images.

    An image is known by its file name, wherever the folder lay; by its whole path where file names repeat.

    Raises:
        SplitError: Classes, images, their true subtypes or their cases differ, and how.
    """
    whole = any(_repeats(contestant.predictions) for contestant in contestants)
    keys = [_keys(contestant.predictions, whole) for contestant in contestants]
    for contestant, own in zip(contestants[1:], keys[1:], strict=True):
        _check_same_images(contestants[0], contestant, (keys[0], own))
    tables = [
        contestant.predictions.select(np.argsort(own, kind="stable"))
        for contestant, own in zip(contestants, keys, strict=True)
    ]
    for contestant, table in zip(contestants[1:], tables[1:], strict=True):
        _check_same_facts((contestants[0].name, tables[0]), (contestant.name, table))
    return tables


def _file_names(predictions: Predictions) -> list[str]:
    return [path.rpartition("/")[2] for path in predictions.paths.tolist()]


def _repeats(predictions: Predictions) -> bool:
    return len(set(_file_names(predictions))) < len(set(predictions.paths.tolist()))


def _keys(predictions: Predictions, whole: bool) -> list[str]:
    paths: list[str] = predictions.paths.tolist()
    return paths if whole else _file_names(predictions)


def _check_same_images(first: Contestant, second: Contestant, keys: tuple[list[str], list[str]]) -> None:
    if first.predictions.taxonomy.codes != second.predictions.taxonomy.codes:
        raise _differ(
            f"{first.name} answers {', '.join(first.predictions.taxonomy.codes)}, "
            f"{second.name} {', '.join(second.predictions.taxonomy.codes)}"
        )
    own, other = Counter(keys[0]), Counter(keys[1])
    parts = [
        f"{extra.total()} of {len(names)} images only in {name} (e.g. {min(extra)})"
        for name, names, extra in (
            (first.name, keys[0], own - other),
            (second.name, keys[1], other - own),
        )
        if extra
    ]
    if parts:
        raise _differ(", ".join(parts))


def _check_same_facts(first: tuple[str, Predictions], second: tuple[str, Predictions]) -> None:
    (name, table), (other_name, other) = first, second
    for what, differs in (
        ("true subtype", table.truth != other.truth),
        ("case", table.cases != other.cases),
    ):
        if differs.any():
            raise _differ(
                f"{int(differs.sum())} images whose {what} differs between {name} and {other_name} "
                f"(e.g. {table.paths[differs][0]})"
            )


def _differ(found: str) -> SplitError:
    return SplitError(
        "runs with one test set: the same images, true subtypes and cases",
        found=found,
        fix="measure each model on one split: breakhis evaluate MODEL DATA --split split.csv --subset test",
    )
