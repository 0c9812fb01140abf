"""Everything that was tried on pooled features, by group.

Usage: python -m experiments.tried GROUP [...]        (each recipe is run once; results/GROUP.json)
"""

import sys
from dataclasses import dataclass, replace

from experiments.data import FLIPS, TURNS, VIEWS
from experiments.heads import Head
from experiments.protocol import run
from experiments.recipe import Expert, Recipe

ONE = ("flip0",)
STAINS = tuple(view for view in VIEWS if view.startswith("stain"))
CROPS = tuple(view for view in VIEWS if view.startswith("crop"))

SOFTMAX = Expert(components=48, head=Head(c=0.03))
"""Eight classes at once, on 48 whitened components of pool3_relu, every class and case alike."""
HIERARCHY = Expert(head=Head("hierarchy", c=0.1))
"""Malignancy, then subtype in its group, on all components of pool3_relu."""
LDA = Expert(power=1.0, head=Head("lda", shrinkage=0.9))
ROOT = replace(HIERARCHY, power=0.5)


@dataclass(frozen=True)
class Trial:
    """A recipe under a name; `nested` fits a temperature inside the training cases (five times the work)."""

    name: str
    recipe: Recipe
    nested: bool = False
    unit: str = "case"


def one(name: str, expert: Expert, *, nested: bool = False) -> Trial:
    """A recipe of one expert."""
    return Trial(name, Recipe((expert,)), nested)


def both(name: str, first: Expert, second: Expert, *, nested: bool = False) -> Trial:
    """A recipe of two experts."""
    return Trial(name, Recipe((first, second)), nested)


HIERARCHY48 = replace(SOFTMAX, head=Head("hierarchy", c=0.03))
REFERENCE = Expert(("c2", "c3", "c4", "c5"), "raw", components=96, power=1.0, head=Head(c=0.03))

LEADERS = [
    one("reference: four raw taps, 96 components, cases alike", REFERENCE, nested=True),
    one("softmax on 48 components", SOFTMAX, nested=True),
    Trial("softmax on 48, 20 bags of 0.6 of the cases (ships)", Recipe((SOFTMAX,), bags=20), nested=True),
    Trial("the same, malignancy by the hierarchy", Recipe((SOFTMAX,), bags=20, top=HIERARCHY), nested=True),
    one("hierarchy", HIERARCHY, nested=True),
    both("A: hierarchy + softmax on 48 components", HIERARCHY, SOFTMAX, nested=True),
    one("plain logistic, all components", Expert(), nested=True),
    one("LDA, shrinkage 0.9", LDA, nested=True),
    both("square-root hierarchy + softmax on 48", ROOT, SOFTMAX, nested=True),
]
SHIPPED = LEADERS[2]

GROUPS: dict[str, list[Trial]] = {
    "leaders": LEADERS,
    "by-image": [replace(trial, unit="image", nested=False) for trial in LEADERS]
    + [
        one(
            "LDA 0.3, four taps",
            Expert(("c2", "c3", "c4", "c5"), power=1.0, head=Head("lda", shrinkage=0.3)),
        )
    ],
    "taps": [
        one(f"{tap}, {name}", replace(expert, taps=(tap,)))
        for tap in ("c2", "c3m", "c4m", "c4", "c5m", "c5")
        for name, expert in (("softmax 48", SOFTMAX), ("hierarchy", HIERARCHY), ("LDA 0.9", LDA))
    ]
    + [
        one(
            "c2+c3+c4+c5 concatenated, softmax 48",
            replace(SOFTMAX, taps=("c2", "c3", "c4", "c5")),
        ),
        one(
            "c2+c3+c4+c5 concatenated, hierarchy",
            replace(HIERARCHY, taps=("c2", "c3", "c4", "c5")),
        ),
        one("c3, raw concatenation, softmax 48", replace(SOFTMAX, pooling="raw")),
        one("c3, mean and deviation, softmax 48", replace(SOFTMAX, pooling="act+std")),
    ],
    "tap-experts": [
        Trial(
            f"{name}, an expert a tap: {'+'.join(taps)}",
            Recipe(tuple(replace(e, taps=(t,)) for t in taps)),
        )
        for taps in (("c3", "c4"), ("c3", "c4", "c5"), ("c2", "c3", "c4", "c5"))
        for name, e in (("softmax 48", SOFTMAX), ("hierarchy", HIERARCHY), ("LDA 0.9", LDA))
    ],
    "weights": [
        one(f"weights by {name}, logistic", Expert(power=power))
        for name, power in (("image", None), ("case", 1.0), ("root of cases", 0.5))
    ]
    + [
        one("weights by case, softmax 48", replace(SOFTMAX, power=1.0)),
        one("weights by root of cases, softmax 48", replace(SOFTMAX, power=0.5)),
        one("weights by case, hierarchy", replace(HIERARCHY, power=1.0)),
        one("weights by root of cases, hierarchy", ROOT),
        *(Trial(f"softmax 48, prior tilt {tilt}", Recipe((SOFTMAX,), tilt=tilt)) for tilt in (0.25, 0.5)),
        *(
            Trial(f"A, prior tilt {tilt}", Recipe((HIERARCHY, SOFTMAX), tilt=tilt))
            for tilt in (-0.25, 0.25, 0.5)
        ),
        one("LDA 0.9, every class alike", replace(LDA, power=0.0)),
    ],
    "penalty": [
        one(f"softmax on {count} components", replace(SOFTMAX, components=count))
        for count in (24, 32, 64, 96)
    ]
    + [one(f"softmax 48, C {c}", replace(SOFTMAX, head=Head(c=c))) for c in (0.01, 0.1)]
    + [one(f"hierarchy, C {c}", replace(HIERARCHY, head=Head("hierarchy", c=c))) for c in (0.03, 0.3)]
    + [one(f"LDA, shrinkage {s}", replace(LDA, head=Head("lda", shrinkage=s))) for s in (0.1, 0.5, 0.97)],
    "between-cases": [
        one("within-class between-case scatter whitened, softmax 48", replace(SOFTMAX, nuisance="whiten")),
        *(one(f"{n} case directions removed, softmax 48", replace(SOFTMAX, nuisance=n)) for n in (2, 5, 10)),
        one("a prototype a case", Expert(head=Head("prototypes", c=0.3))),
        one(
            "a prototype a case, scatter whitened",
            Expert(components=48, nuisance="whiten", head=Head("prototypes", c=0.3)),
        ),
        one("mixup in a magnification, softmax 48", replace(SOFTMAX, head=Head(c=0.03, mixup=2))),
        one(
            "mixup in a magnification, hierarchy", replace(HIERARCHY, head=Head("hierarchy", c=0.1, mixup=2))
        ),
        one("group DRO over cases, softmax 48", replace(SOFTMAX, head=Head(c=0.03, robust=3))),
    ],
    "heads": [
        one("RBF kernel on 48 components", Expert(components=48, head=Head("kernel", c=1.0))),
        one("15 nearest neighbours", Expert(head=Head("knn", c=15))),
        one("extra trees on 48 components", Expert(components=48, head=Head("forest", c=3))),
    ],
    "bags": [
        Trial(f"{name}, {count} bags of {share} of the cases", Recipe(experts, bags=count, bagged=share))
        for name, experts, count, share in (
            *(("softmax 48", (SOFTMAX,), 10, share) for share in (0.3, 0.5, 0.7, 0.85)),
            *(("softmax 48", (SOFTMAX,), 20, share) for share in (0.5, 0.7)),
            ("softmax 48", (SOFTMAX,), 40, 0.6),
            ("hierarchy", (HIERARCHY,), 20, 0.6),
            ("A", (HIERARCHY, SOFTMAX), 20, 0.6),
            ("LDA 0.9", (LDA,), 20, 0.6),
            ("plain logistic", (Expert(),), 20, 0.6),
            ("hierarchy on 48", (HIERARCHY48,), 20, 0.6),
            ("softmax 32", (replace(SOFTMAX, components=32),), 20, 0.6),
            ("softmax 64", (replace(SOFTMAX, components=64),), 20, 0.6),
            ("softmax 48, C 0.1", (replace(SOFTMAX, head=Head(c=0.1)),), 20, 0.6),
            ("softmax 48, C 0.01", (replace(SOFTMAX, head=Head(c=0.01)),), 20, 0.6),
            ("c4, softmax 48", (replace(SOFTMAX, taps=("c4",)),), 20, 0.6),
            ("c5, softmax 48", (replace(SOFTMAX, taps=("c5",)),), 20, 0.6),
            ("c3 and c4, a softmax 48 each", (SOFTMAX, replace(SOFTMAX, taps=("c4",))), 20, 0.6),
        )
    ],
    "views": [
        one("one view, softmax 48", replace(SOFTMAX, views=ONE)),
        one("one view, hierarchy", replace(HIERARCHY, views=ONE)),
        Trial("one view, softmax 48, 20 bags", Recipe((replace(SOFTMAX, views=ONE),), bags=20)),
    ],
    "views-more": [
        one("grey, one view, hierarchy", replace(HIERARCHY, views=("grey",))),
        one("three 0.6 crops at native scale, softmax 48", replace(SOFTMAX, views=CROPS)),
        one(
            "magnified and reduced averaged in, softmax 48", replace(SOFTMAX, views=(*TURNS, "zoom", "small"))
        ),
        one("magnified and reduced as samples, softmax 48", replace(SOFTMAX, samples=("zoom", "small"))),
        one("two strong stain jitters as samples, softmax 48", replace(SOFTMAX, samples=STAINS)),
        Trial("eight flips, 20 bags", Recipe((replace(SOFTMAX, views=FLIPS),), bags=20)),
    ],
    "other-features": [
        one(f"{name}, {kind}", replace(expert, taps=taps, views=ONE))
        for name, taps in (
            ("second moments of c3", ("moments:c3",)),
            ("64 local words of c3", ("words:c3",)),
            ("handcrafted stain, nuclei, texture", ("handcrafted",)),
            ("c3 and handcrafted", ("c3", "handcrafted")),
        )
        for kind, expert in (("softmax 48, one view", SOFTMAX), ("hierarchy, one view", HIERARCHY))
    ]
    + [
        Trial(
            "A + handcrafted hierarchy",
            Recipe(
                (HIERARCHY, SOFTMAX, replace(HIERARCHY, taps=("handcrafted",), views=ONE)),
                shares=(0.4, 0.4, 0.2),
            ),
        ),
        Trial(
            "A + hierarchy on second moments",
            Recipe(
                (HIERARCHY, SOFTMAX, replace(HIERARCHY, taps=("moments:c3",), views=ONE)),
                shares=(0.4, 0.4, 0.2),
            ),
        ),
    ],
}


def main() -> None:
    """Run the named groups."""
    for group in sys.argv[1:]:
        for trial in GROUPS[group]:
            run(group, trial.name, trial.recipe, unit=trial.unit, nested=trial.nested)


if __name__ == "__main__":
    main()
