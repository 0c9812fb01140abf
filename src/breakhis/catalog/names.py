"""File names of BreaKHis: the only part of a copy that can be trusted, whatever the folders around it."""

import re
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(
    r"SOB_(?P<group>[BM])_(?P<code>A|F|PT|TA|DC|LC|MC|PC)-(?P<year>\d{2})-(?P<slide>(?P<digits>\d+)[A-Z]*)"
    r"-(?P<magnification>40|100|200|400)-(?P<sequence>\d{3})\.png"
)
_MALIGNANT_CODES: Final = frozenset({"DC", "LC", "MC", "PC"})


@dataclass(frozen=True, slots=True)
class ImageName:
    """A parsed name such as ``SOB_B_TA-14-16184CD-100-021.png``.

    Attributes:
        code: Subtype code, e.g. ``TA``.
        patient: Slide folder's number with its letters, ``14-16184CD``: what the paper calls a patient.
        case: Accession number without the letters, ``14-16184``: folders of one case are not independent.
        magnification: 40, 100, 200 or 400.
        sequence: Running number within patient and magnification.
    """

    code: str
    patient: str
    case: str
    magnification: int
    sequence: int

    @property
    def file_name(self) -> str:
        """The official file name."""
        group = "M" if self.code in _MALIGNANT_CODES else "B"
        return f"SOB_{group}_{self.code}-{self.patient}-{self.magnification}-{self.sequence:03d}.png"

    @property
    def folder_name(self) -> str:
        """The slide folder's name, which has ``_`` after the code where the file has ``-``."""
        group = "M" if self.code in _MALIGNANT_CODES else "B"
        return f"SOB_{group}_{self.code}_{self.patient}"


def parse_name(name: str) -> ImageName | None:
    """Parse a file name (not a path); None where it is not a BreaKHis name or contradicts itself."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    code = match["code"]
    if (match["group"] == "M") != (code in _MALIGNANT_CODES):
        return None
    return ImageName(
        code=code,
        patient=f"{match['year']}-{match['slide']}",
        case=f"{match['year']}-{match['digits']}",
        magnification=int(match["magnification"]),
        sequence=int(match["sequence"]),
    )


def stem(path: str) -> str:
    """The file name at the end of a POSIX path without its suffix (many times faster than pathlib's)."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def parse_file(path: str) -> ImageName | None:
    """Parse the name at the end of a POSIX path, whatever its suffix: converted copies keep the stem."""
    return parse_name(f"{stem(path)}.png")
