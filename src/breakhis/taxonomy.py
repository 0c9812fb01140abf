"""What is classified: subtypes, their malignancy, and the magnifications of BreaKHis.

Source: Spanhol et al., "A Dataset for Breast Cancer Histopathological Image Classification",
IEEE TBME 63(7):1455-1462, 2016, doi 10.1109/TBME.2015.2496264.
"""

from dataclasses import dataclass
from typing import Final

MAGNIFICATIONS: Final = (40, 100, 200, 400)
"""Objective magnifications of BreaKHis; 0 stands for "unknown" in a catalog."""


@dataclass(frozen=True)
class Taxonomy:
    """An ordered set of classes; a class's position is its label everywhere in the package.

    Attributes:
        codes: Short class codes, e.g. ``("A", "F", ...)``.
        names: Human-readable names, one a code.
        malignant: Whether each class is malignant; empty where the question does not apply.
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    malignant: tuple[bool, ...] = ()

    def __len__(self) -> int:
        return len(self.codes)

    def label(self, code: str) -> int:
        """The position of `code`; raises ValueError where it is not a class."""
        return self.codes.index(code)

    @property
    def has_malignancy(self) -> bool:
        """Whether the classes divide into benign and malignant."""
        return bool(self.malignant)

    @property
    def benign_first(self) -> int:
        """How many benign classes there are, if these come before all malignant ones; 0 otherwise."""
        if not self.malignant or list(self.malignant) != sorted(self.malignant):
            return 0
        return self.malignant.count(False)

    @classmethod
    def of(cls, codes: list[str]) -> "Taxonomy":
        """The BreaKHis taxonomy if every code belongs to it, else one made of the sorted codes."""
        if set(codes) <= set(BREAKHIS.codes):
            return BREAKHIS
        ordered = tuple(sorted(set(codes)))
        return cls(codes=ordered, names=ordered)


BREAKHIS: Final = Taxonomy(
    codes=("A", "F", "PT", "TA", "DC", "LC", "MC", "PC"),
    names=(
        "adenosis",
        "fibroadenoma",
        "phyllodes tumour",
        "tubular adenoma",
        "ductal carcinoma",
        "lobular carcinoma",
        "mucinous carcinoma",
        "papillary carcinoma",
    ),
    malignant=(False, False, False, False, True, True, True, True),
)

FOLDERS: Final = {
    "A": "benign/SOB/adenosis",
    "F": "benign/SOB/fibroadenoma",
    "PT": "benign/SOB/phyllodes_tumor",
    "TA": "benign/SOB/tubular_adenoma",
    "DC": "malignant/SOB/ductal_carcinoma",
    "LC": "malignant/SOB/lobular_carcinoma",
    "MC": "malignant/SOB/mucinous_carcinoma",
    "PC": "malignant/SOB/papillary_carcinoma",
}
"""Folder of each subtype below ``histology_slides/breast`` in the official tree."""

DOUBLE_LABELLED_CASE: Final = "13412"
"""Slide 14-13412 is published both as DC and as LC (Benhammou et al., Neurocomputing 375, 2020)."""
