"""The images that a model is checked on: those of its run where they still lie there, else painted ones."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from breakhis.bundle import Bundle
from breakhis.catalog.manifest import read_manifest
from breakhis.catalog.names import parse_file
from breakhis.catalog.scan import scan
from breakhis.catalog.synthetic import paint_image, plan_synthetic
from breakhis.catalog.table import Catalog, IntArray
from breakhis.errors import DataError, ImageError
from breakhis.images.decode import resize
from breakhis.images.stream import map_images
from breakhis.predictions import Predictions
from breakhis.runs import Run
from breakhis.splits import Split
from breakhis.splits.split import Subset
from breakhis.taxonomy import Taxonomy

IMAGES: Final = 128
"""Images of a sample: enough to see a difference, few enough for a slow runtime."""


@dataclass(frozen=True, eq=False)
class Sample:
    """N decoded images, and what is known of them.

    Attributes:
        images: (N, size, size, 3) uint8 RGB.
        table: One row an image; its probabilities mean nothing.
        source: "real", or "synthetic" for painted ones, whose truth is not known.
        subset: What the images were to the training: "test" and the like, or "unknown".
        unit: What the split kept together; None where there is none.
        leakage: Verdict on that split.
    """

    images: NDArray[np.uint8]
    table: Predictions
    source: Literal["real", "synthetic"]
    subset: str = "unknown"
    unit: str | None = None
    leakage: str = "unknown"

    def answered(self, probabilities: NDArray[np.floating]) -> Predictions:
        """The table with the answers (N, C) of some computation."""
        return self.table.with_probabilities(np.asarray(probabilities, dtype=np.float64))

    def to_json(self) -> dict[str, Any]:
        """What the images are, JSON-ready."""
        return {
            "source": self.source,
            "subset": self.subset,
            "unit": self.unit,
            "leakage": self.leakage,
            "patients": len(set(self.table.patients.tolist()) - {""}),
            "cases": len(set(self.table.cases.tolist()) - {""}),
        }

    def summary(self) -> str:
        """One line for people, with the unit of the split."""
        if self.source == "synthetic":
            return f"{len(self.images)} synthetic images, since no real ones were found"
        split = f"split by {self.unit}, {self.leakage}" if self.unit else "split unknown"
        return f"{len(self.images)} real images ({self.subset}; {split})"


def sample_of(model: Path | None, bundle: Bundle, data: Path | None = None) -> Sample:
    """Images to check an export on.

    Args:
        model: As `breakhis.predict.open_model` takes it: the test set of a run's folder is preferred.
        bundle: The model.
        data: Where the images lie: those of the run after a move, or any labelled ones for a bundle.

    Raises:
        DataError: `data` does not hold such images.
        ImageError: One of the images is bad.
    """
    if model is not None and model.is_dir():
        found = run_sample(Run.open(model), bundle, subset="test", data=data)
        if found is not None:
            return found
    elif data is not None:
        catalog = scan(data, sizes=False)
        return _real(catalog, spread(np.arange(len(catalog), dtype=np.int64)), bundle)
    return _painted(bundle)


def run_sample(
    run: Run, bundle: Bundle, *, subset: Subset, data: Path | None = None, most: int = IMAGES
) -> Sample | None:
    """Images of one part of a run's split, spread evenly; None where they do not lie where they did.

    Raises:
        DataError: `data` is given and does not hold them.
    """
    root = data or Path(run.status()["data"])
    catalog = Catalog.from_rows(root, read_manifest(run.catalog_file)[1], taxonomy=bundle.taxonomy)
    split = Split.load(run.split_file, catalog)
    rows = spread(split.indices(subset), most)
    missing = [file for row in rows.tolist() if not (file := catalog.file(row)).is_file()]
    if missing and data is None:
        return None
    if missing:
        raise DataError(
            f"the images of {run.folder} below {data}", found=f"no {missing[0]}", fix="check --data"
        )
    return split_sample(catalog, split, subset, rows=rows, images=_decoded(catalog, rows, bundle.size))


def split_sample(
    catalog: Catalog, split: Split | None, subset: Subset, *, rows: IntArray, images: NDArray[np.uint8]
) -> Sample:
    """The sample of decoded images (N, size, size, 3), which are `rows` (N,) of a catalog.

    `split` is None where nothing was held out.
    """
    unit, leakage = (split.unit, split.leakage.verdict) if split else (None, "unknown")
    return Sample(images, _table(catalog, rows), "real", subset, unit, leakage)


def spread(rows: IntArray, most: int = IMAGES) -> IntArray:
    """At most `most` of some rows, at even distances."""
    chosen: IntArray = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)]
    return chosen


def _real(catalog: Catalog, rows: IntArray, bundle: Bundle) -> Sample:
    if catalog.taxonomy != bundle.taxonomy:
        raise DataError(
            f"images of the classes {', '.join(bundle.taxonomy.codes)}",
            found=", ".join(catalog.taxonomy.codes),
            fix="use the data that the model was made for",
        )
    return Sample(_decoded(catalog, rows, bundle.size), _table(catalog, rows), "real")


def _decoded(catalog: Catalog, rows: IntArray, size: int) -> NDArray[np.uint8]:
    images = []
    for decoded in map_images(map(catalog.file, rows.tolist()), partial(resize, size=size)):
        if isinstance(decoded, ImageError):
            raise decoded
        images.append(decoded)
    return np.stack(images)


def _table(catalog: Catalog, rows: IntArray) -> Predictions:
    return Predictions.of_catalog(catalog, rows, np.zeros((len(rows), len(catalog.taxonomy))))


def _painted(bundle: Bundle) -> Sample:
    planned = plan_synthetic(cases_per_class=2, images_per_patient=2, scale=0.5)
    pictures = [resize(paint_image(image, seed=0), bundle.size) for image in planned]
    return Sample(
        np.stack(pictures), _unknown([image.path for image in planned], bundle.taxonomy), "synthetic"
    )


def _unknown(paths: list[str], taxonomy: Taxonomy) -> Predictions:
    count = len(paths)
    names = [parse_file(path) for path in paths]
    empty = np.full(count, "", dtype=np.str_)
    return Predictions(
        paths=np.array(paths, dtype=np.str_),
        probabilities=np.zeros((count, len(taxonomy))),
        truth=np.full(count, -1, dtype=np.int64),
        magnifications=np.array([name.magnification if name else 0 for name in names], dtype=np.int64),
        patients=empty,
        cases=empty,
        reasons=empty,
        taxonomy=taxonomy,
    )
