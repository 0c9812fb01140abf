"""The labelled images that a command measures a model on, as `options.labelled_options` choose them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from breakhis.catalog import Catalog
from breakhis.catalog.scan import scan
from breakhis.catalog.table import IntArray
from breakhis.cli.options import load_fold, progress_bar
from breakhis.errors import DataError
from breakhis.images.checks import Looked
from breakhis.images.decode import Image
from breakhis.images.store import Store, prepare_readable
from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from breakhis.splits import Leakage

_CHUNK = 64


@dataclass(frozen=True)
class Labelled:
    """The images that are measured.

    Attributes:
        catalog: Those that were chosen, without the unreadable ones where these are skipped.
        rows: Positions in `catalog`.
        unit: Unit of the split; "manual" without one.
        leakage: What stands on both sides; None where the training images are not known.
        store: The measured images, prepared.
    """

    catalog: Catalog
    rows: IntArray
    unit: str
    leakage: Leakage | None
    store: Store

    def batches(self) -> Iterator[Image]:
        """uint8 (n, size, size, 3), in order."""
        for start in range(0, len(self.rows), _CHUNK):
            yield self.store.read(np.arange(start, min(start + _CHUNK, len(self.rows))))


def open_labelled(data: Path, predictor: Predictor, options: dict[str, Any]) -> Labelled:
    """Scan DATA, choose by the options and prepare the images.

    Raises:
        DataError: Images of other classes than the model's.
        ImageError: Some files cannot be read, and `skip_bad` is off.
        SplitError: The split is not one of these images.
    """
    catalog = scan(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"])
    if catalog.taxonomy != predictor.taxonomy:
        raise DataError(
            f"images of the classes {', '.join(predictor.taxonomy.codes)}",
            found=", ".join(catalog.taxonomy.codes),
            fix="use a model of these classes",
        )
    rows, unit, leakage = _chosen(catalog, options)
    with progress_bar("preparing") as progress:
        measured, store = prepare_readable(
            catalog.select(rows),
            size=predictor.bundle.size,
            skip_bad=options["skip_bad"],
            progress=progress,
        )
    return Labelled(measured, np.arange(len(measured), dtype=np.int64), unit, leakage, store)


def answer_labelled(labelled: Labelled, predictor: Predictor) -> Predictions:
    """The model's answers and abstentions, with the truth that the catalog tells."""
    checks = iter(labelled.store.checks)
    parts = [
        predictor.answer([""] * len(batch), [Looked(square, next(checks)) for square in batch])
        for batch in labelled.batches()
    ]
    found = Predictions.concatenate(parts)
    known = Predictions.of_catalog(labelled.catalog, labelled.rows, found.probabilities)
    return replace(known, reasons=found.reasons)


def _chosen(catalog: Catalog, options: dict[str, Any]) -> tuple[IntArray, str, Leakage | None]:
    if options["split_file"] is None:
        return np.arange(len(catalog), dtype=np.int64), "manual", None
    split = load_fold(options["split_file"], options["fold"], catalog)
    leakage = split.leakage if options["subset"] == "test" else None
    return split.indices(options["subset"]), split.unit, leakage
