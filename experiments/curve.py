"""The learning curve of a leading recipe over training cases.

Usage: python -m experiments.curve
"""

from dataclasses import asdict

import numpy as np

from experiments.data import FOLDS, Ints, folds, load
from experiments.protocol import SEEDS, Fit, out_of_fold, record
from experiments.recipe import answer
from experiments.tried import SHIPPED

SHARES = (0.3, 0.5, 0.75, 1.0)


def fewer(train: Ints, share: float) -> Ints:
    """The rows of a share of each class's cases, at least one, drawn by a seed that the rows decide."""
    labels, cases = load().labels[train], load().cases[train]
    rng = np.random.default_rng(int(train.sum()))
    kept = np.zeros(len(train), bool)
    for label in np.unique(labels):
        own = rng.permutation(np.unique(cases[labels == label]))
        count = max(1, round(share * len(own)))
        kept |= (labels == label) & np.isin(cases, own[:count])
    return train[kept]


def of_share(share: float) -> Fit:
    """The recipe on a share of the training cases it is given."""
    return lambda train, test: answer(SHIPPED.recipe, fewer(train, share), test)


def main() -> None:
    """Record one run a share."""
    for share in SHARES:
        sizes = [
            len(np.unique(load().cases[fewer(folds(seed)[fold][0], share)]))
            for seed in SEEDS
            for fold in range(FOLDS)
        ]
        found = out_of_fold(of_share(share), nested=False)
        config = {**asdict(SHIPPED.recipe), "training_cases": float(np.mean(sizes))}
        name = f"{SHIPPED.name}, {np.mean(sizes):.0f} training cases"
        record("learning-curve", name, found, config=config)


if __name__ == "__main__":
    main()
