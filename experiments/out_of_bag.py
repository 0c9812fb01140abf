"""The shipped recipe, its temperature fitted on answers of the bags that an image is not in.

Usage: python -m experiments.out_of_bag
"""

from dataclasses import asdict

import numpy as np
from scipy.special import log_softmax

from experiments.data import FOLDS, folds, load
from experiments.heads import CLASSES
from experiments.protocol import SEEDS, OutOfFold, record
from experiments.recipe import Recipe, answer, bags
from experiments.tried import SHIPPED


def out_of_bag(recipe: Recipe) -> OutOfFold:
    """Answers for test images by all bags, for training images by those without their case."""
    count = len(load().labels)
    everything = np.arange(count)
    outer = np.full((len(SEEDS), count, CLASSES), np.nan, np.float32)
    inner = np.full((len(SEEDS), FOLDS, count, CLASSES), np.nan, np.float32)
    for position, seed in enumerate(SEEDS):
        for fold, (train, test) in enumerate(folds(seed)):
            scores, times = np.zeros((count, CLASSES)), np.zeros(count)
            for part in bags(train, recipe.bags, recipe.bagged):
                found = answer(Recipe(recipe.experts), part, everything)
                free = ~np.isin(load().cases, load().cases[part])
                scores[free] += found[free]
                times += free
            outer[position, test] = log_softmax(scores[test] / times[test, None], axis=1)
            known = train[times[train] > 0]
            inner[position, fold, known] = log_softmax(scores[known] / times[known, None], axis=1)
    return OutOfFold(outer, inner)


def main() -> None:
    """Record the run."""
    name = f"{SHIPPED.name}, temperature from out of bag"
    record("calibration", name, out_of_bag(SHIPPED.recipe), config=asdict(SHIPPED.recipe))


if __name__ == "__main__":
    main()
