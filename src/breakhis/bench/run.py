"""Run measures by name, on the user's images or on synthetic ones."""

import inspect
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from breakhis.bench.images import pipeline, store
from breakhis.bench.inference import cold, files, warm
from breakhis.bench.machine import machine_facts
from breakhis.bench.memory import memory
from breakhis.bench.report import Found, Measured, Report
from breakhis.bench.subject import BenchOptions, Say, Subject
from breakhis.bench.training import fit, frozen
from breakhis.catalog import Catalog
from breakhis.catalog.scan import scan
from breakhis.catalog.synthetic import make_synthetic
from breakhis.errors import UsageError

MEASURES: dict[str, Callable[[Subject], Found]] = {
    "memory": memory,  # first: a process's peak counts that of the process which starts it
    "cold": cold,
    "predict": warm,
    "files": files,
    "store": store,
    "pipeline": pipeline,
    "frozen": frozen,
    "fit": fit,
}
"""Every measure in the order of running; its docstring stands on the page."""


def run_benchmarks(options: BenchOptions, *, only: Sequence[str] = (), say: Say) -> Iterator[Report]:
    """Run all measures, or some, and yield all that was measured so far after each.

    Nothing that an earlier run cached is used, and nothing is left behind.

    Args:
        options: What to measure on.
        only: Names of `MEASURES`; all by default.
        say: Told what goes on.

    Raises:
        UsageError: No such measure.
        DataError: No images in the data.
    """
    unknown = sorted(set(only) - set(MEASURES))
    if unknown:
        raise UsageError(
            f"measures out of {', '.join(MEASURES)}", found=", ".join(unknown), fix="name some of these"
        )
    machine = machine_facts()
    with (
        tempfile.TemporaryDirectory(prefix="breakhis-bench-") as scratch,
        _own_cache(Path(scratch) / "cache"),
    ):
        catalog, images = _images(options, Path(scratch), say)
        subject = Subject(options, catalog, Path(scratch), say)
        chosen = [name for name in MEASURES if not only or name in only]
        measured: tuple[Measured, ...] = ()
        for name in chosen:
            measured = (*measured, _measure(name, subject))
            yield Report(machine, images, options.quick, measured)


def _measure(name: str, subject: Subject) -> Measured:
    measure = MEASURES[name]
    subject.say(f"{name}: {inspect.getdoc(measure)}")
    started = time.perf_counter()
    rows, skipped = measure(subject)
    for row in rows:
        subject.say(f"  {row.ratio.value:.2f} {row.verdict}  {row.what}")
    return Measured(name, inspect.getdoc(measure) or "", time.perf_counter() - started, tuple(rows), skipped)


def _images(options: BenchOptions, folder: Path, say: Say) -> tuple[Catalog, str]:
    if options.data is not None:
        catalog = scan(options.data, skip_bad=True)
        kind = "of the folder that was named"
    else:
        say("painting synthetic images")
        size = (2, 1, 0.3) if options.quick else (6, 5, 1.0)
        cases, images, scale = size
        catalog = make_synthetic(
            folder / "data", cases_per_class=int(cases), images_per_patient=int(images), scale=scale
        )
        kind = "painted by `breakhis synth`"
    sizes = catalog.widths * catalog.heights
    large = int(sizes.argmax())
    native = int((sizes == sizes[large]).sum())
    size_text = f"{catalog.widths[large]} x {catalog.heights[large]}"
    cases_count = len(set(catalog.cases.tolist()))
    return catalog, f"{len(catalog)} of {cases_count} cases {kind}, {native} of them {size_text} pixels"


@contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    """Keep the caches of this process and its children in a folder of its own."""
    before = os.environ.get("BREAKHIS_CACHE")
    os.environ["BREAKHIS_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["BREAKHIS_CACHE"]
        else:
            os.environ["BREAKHIS_CACHE"] = before
