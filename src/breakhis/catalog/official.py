"""The 7,909 names that BreaKHis consists of, to tell a whole copy from a part of one.

The official site speaks of 9,109 images; 7,909 are distributed. The counts are those of the names and agree
with the table of Spanhol et al., IEEE TBME 63(7):1455-1462, 2016.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from breakhis.catalog.names import ImageName, stem
from breakhis.catalog.table import Catalog

OFFICIAL_URL: Final = "http://www.inf.ufpr.br/vri/databases/BreaKHis_v1.tar.gz"

EXPECTED_COUNTS: Final = {
    "A": {40: 114, 100: 113, 200: 111, 400: 106},
    "F": {40: 253, 100: 260, 200: 264, 400: 237},
    "PT": {40: 109, 100: 121, 200: 108, 400: 115},
    "TA": {40: 149, 100: 150, 200: 140, 400: 130},
    "DC": {40: 864, 100: 903, 200: 896, 400: 788},
    "LC": {40: 156, 100: 170, 200: 163, 400: 137},
    "MC": {40: 205, 100: 222, 200: 196, 400: 169},
    "PC": {40: 145, 100: 142, 200: 135, 400: 138},
}
"""Images of each subtype at each magnification in the whole data set."""


@dataclass(frozen=True)
class Completeness:
    """What a catalog has less and more than the official data set, as sorted file names.

    Attributes:
        missing: Official names that the catalog does not hold.
        unknown: Names in the catalog that are not official.
    """

    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is missing and nothing unknown."""
        return not self.missing and not self.unknown


@cache
def official_images() -> tuple[ImageName, ...]:
    """The parsed official names, sorted by file name."""
    packed = (resources.files("breakhis.catalog") / "official_names.txt").read_text("utf-8")
    images = [image for line in packed.splitlines() if line[0] != "#" for image in _unpack(line)]
    return tuple(sorted(images, key=lambda image: image.file_name))


def official_names() -> tuple[str, ...]:
    """The 7,909 official file names, sorted."""
    return tuple(image.file_name for image in official_images())


def compare_with_official(catalog: Catalog) -> Completeness:
    """Official names that `catalog` lacks, and names of its own; folders and suffixes are ignored."""
    return compare_names(catalog.paths.tolist())


def compare_names(paths: Iterable[str]) -> Completeness:
    """The same for POSIX paths of images, of which no more is known."""
    held = {f"{stem(path)}.png" for path in paths}
    official = set(official_names())
    return Completeness(missing=tuple(sorted(official - held)), unknown=tuple(sorted(held - official)))


def _unpack(line: str) -> Iterator[ImageName]:
    """The images of one slide folder, e.g. ``TA 14-16184 40:1-3,5 100:1-9``."""
    code, patient, *cells = line.split()
    case = patient.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for cell in cells:
        magnification, _, spans = cell.partition(":")
        for span in spans.split(","):
            first, _, last = span.partition("-")
            for sequence in range(int(first), int(last or first) + 1):
                yield ImageName(code, patient, case, int(magnification), sequence)
