"""Write src/breakhis/catalog/official_names.txt from a list of all file names of BreaKHis, one a line.

Example: python tools/pack_official_names.py NAMES.txt
"""

import sys
from collections import defaultdict
from pathlib import Path

from breakhis.catalog.names import parse_name
from breakhis.taxonomy import BREAKHIS, MAGNIFICATIONS

TARGET = Path(__file__).parents[1] / "src/breakhis/catalog/official_names.txt"
HEADER = """\
# The file names of BreaKHis (Spanhol et al., IEEE TBME 63(7), 2016), one slide folder a line:
# subtype, patient, then the running numbers of its images at each magnification.
"""


def spans(numbers: list[int]) -> str:
    """Numbers as ranges, ``1-10,12-33``."""
    breaks = [n for n in numbers if n - 1 not in numbers], [n for n in numbers if n + 1 not in numbers]
    return ",".join(
        f"{first}-{last}" if last > first else f"{first}" for first, last in zip(*breaks, strict=True)
    )


def pack(names: list[str]) -> str:
    """The packed text of the names; raises ValueError where one does not parse."""
    folders: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(names):
        parsed = parse_name(name)
        if parsed is None:
            raise ValueError(f"not a BreaKHis name: {name!r}")
        folders[parsed.code, parsed.patient][parsed.magnification].append(parsed.sequence)
    lines = []
    for code, patient in sorted(folders, key=lambda key: (BREAKHIS.label(key[0]), key[1])):
        sequences = folders[code, patient]
        cells = [f"{zoom}:{spans(sequences[zoom])}" for zoom in MAGNIFICATIONS if sequences[zoom]]
        lines.append(" ".join([code, patient, *cells]))
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(pack(Path(sys.argv[1]).read_text("utf-8").split()), encoding="utf-8")
