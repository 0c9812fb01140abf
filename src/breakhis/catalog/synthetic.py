"""A synthetic mini-BreaKHis: official names, tree and oddities around pictures that no patient ever had.

Subtypes differ by texture; every case has its own stain, light and focus, so that a model which is measured
on other pictures of the cases it was trained on looks better than it is: as with the real data.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from breakhis.catalog.names import ImageName
from breakhis.catalog.official import official_images
from breakhis.catalog.scan import scan
from breakhis.catalog.table import Catalog
from breakhis.catalog.tissue import Picture, draw_look, paint
from breakhis.errors import DataError, UsageError
from breakhis.files import atomic_folder, write_text
from breakhis.taxonomy import BREAKHIS, DOUBLE_LABELLED_CASE, FOLDERS, MAGNIFICATIONS

FOLDER: Final = "BreaKHis_v1"
_CROPPED_CASES: Final = ("14-21998", "14-29960", "15-190")
_DOUBLE_CASE: Final = f"14-{DOUBLE_LABELLED_CASE}"
_ODD_CASES: Final = (*_CROPPED_CASES, _DOUBLE_CASE)
"""Cases that every synthetic set holds: across subtypes, of another year, labelled twice."""
_NATIVE: Final = (700, 460)
_CROPPED: Final = (700, 456)
_NOTICE: Final = """\
Synthetic pictures made by `breakhis synth` (seed {seed}): no tissue, no patient.
Names and folders are those of BreaKHis (Spanhol et al., IEEE TBME 63(7), 2016); only they are real.
"""


@dataclass(frozen=True)
class SyntheticImage:
    """One picture to be painted: its official name and its size in pixels."""

    name: ImageName
    width: int
    height: int

    @property
    def path(self) -> str:
        """Path in the official tree, below the folder `BreaKHis_v1`."""
        folder = FOLDERS[self.name.code]
        zoom = f"{self.name.magnification}X"
        return f"histology_slides/breast/{folder}/{self.name.folder_name}/{zoom}/{self.name.file_name}"


def make_synthetic(
    out: Path,
    *,
    seed: int = 0,
    cases_per_class: int = 6,
    images_per_patient: int = 5,
    scale: float = 0.5,
    progress: Callable[[int, int], None] | None = None,
) -> Catalog:
    """Write a synthetic mini-BreaKHis to the new folder ``out/BreaKHis_v1`` and return its catalog.

    The same arguments give the same files. See `plan_synthetic` for the arguments.

    Args:
        out: Folder that is made where it is missing.
        seed: Seed of every picture.
        cases_per_class: See `plan_synthetic`.
        images_per_patient: See `plan_synthetic`.
        scale: See `plan_synthetic`.
        progress: Called with the number of pictures done and of all.

    Raises:
        UsageError: A number out of its range.
        DataError: `out` holds a BreaKHis already.
        StorageError: The disk refused; nothing half-written is left.
    """
    plan = plan_synthetic(cases_per_class=cases_per_class, images_per_patient=images_per_patient, scale=scale)
    target = out / FOLDER
    if target.exists():
        raise DataError(
            f"no {FOLDER} in {out} yet", found="one", fix="choose another folder or move that one away"
        )
    with atomic_folder(target) as folder:
        write_text(folder / "README.txt", _NOTICE.format(seed=seed))
        for done, image in enumerate(plan, start=1):
            path = folder / image.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_png(paint_image(image, seed=seed)))
            if progress is not None:
                progress(done, len(plan))
    return scan(out)


def plan_synthetic(
    *, cases_per_class: int = 6, images_per_patient: int = 5, scale: float = 0.5
) -> list[SyntheticImage]:
    """The pictures of a synthetic set, sorted by path; nothing in it is random.

    Every patient (slide folder) of a chosen case is there, and cases of several folders or subtypes are
    chosen first. As in the real set, adenosis has two cases however many are asked for.

    Args:
        cases_per_class: Cases of each subtype, where BreaKHis has so many; at least 2.
        images_per_patient: Pictures of each slide folder, spread over the magnifications; one folder in
            five has none at 400X.
        scale: Size of most pictures as a share of 700x460; the first one of every third folder has the
            native size, and that of the odd cases 700x456.

    Raises:
        UsageError: A number out of its range.
    """
    if cases_per_class < 2 or images_per_patient < 1 or not 0.1 <= scale <= 1:
        raise UsageError(
            "at least 2 cases a class, 1 image a patient and a scale from 0.1 to 1",
            found=f"{cases_per_class} cases, {images_per_patient} images, scale {scale}",
            fix="correct these numbers",
        )
    chosen = _chosen_cases(cases_per_class)
    folders: dict[str, list[ImageName]] = defaultdict(list)
    for name in official_images():
        if (name.code, name.case) in chosen:
            folders[name.folder_name].append(name)
    planned = [
        SyntheticImage(name, *_size(name, position, scale))
        for folder in folders.values()
        for position, name in enumerate(_spread(folder)[:images_per_patient])
    ]
    return sorted(planned, key=lambda image: image.path)


def paint_image(image: SyntheticImage, *, seed: int) -> Picture:
    """The pixels of one planned picture: its case gives the look, its number the content.

    The double-labelled slide shows ductal carcinoma under both names, pixel by pixel the same.
    """
    name = image.name
    code = "DC" if name.case == _DOUBLE_CASE else name.code
    look = draw_look(_generator(seed, name.case))
    content = _generator(seed, f"{code} {name.patient} {name.magnification} {name.sequence}")
    return paint(code, look, size=(image.width, image.height), magnification=name.magnification, rng=content)


def _chosen_cases(cases_per_class: int) -> set[tuple[str, str]]:
    """Subtype and case: the odd ones first, then those of many folders, then by number."""
    folders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name in official_images():
        folders[name.code, name.case].add(name.patient)
    ordered = sorted(folders, key=lambda key: (key[1] not in _ODD_CASES, -len(folders[key]), key))
    return {
        key for code in BREAKHIS.codes for key in [key for key in ordered if key[0] == code][:cases_per_class]
    }


def _spread(folder: list[ImageName]) -> list[ImageName]:
    """The images of one folder in turn over the magnifications, from one that the patient decides."""
    lot = _lot(folder[0])
    turns = {zoom: (index + lot) % len(MAGNIFICATIONS) for index, zoom in enumerate(MAGNIFICATIONS)}
    kept = [name for name in folder if name.magnification != 400 or lot % 5]
    rank: dict[int, int] = defaultdict(int)
    order = []
    for name in sorted(kept, key=lambda name: name.sequence):
        order.append((rank[name.magnification], turns[name.magnification], name))
        rank[name.magnification] += 1
    return [name for *_, name in sorted(order, key=lambda item: item[:2])]


def _size(name: ImageName, position: int, scale: float) -> tuple[int, int]:
    if position == 0 and name.case in _CROPPED_CASES:
        return _CROPPED
    if position == 0 and _lot(name) % 3 == 0:
        return _NATIVE
    return round(_NATIVE[0] * scale), round(_NATIVE[1] * scale)


def _lot(name: ImageName) -> int:
    """A number that belongs to the patient for ever, the same under both labels of the doubled slide."""
    return zlib.crc32(name.patient.encode())


def _generator(seed: int, key: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(key.encode())])


def _png(picture: Picture) -> bytes:
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return encoded[1].tobytes()
