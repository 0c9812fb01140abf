"""Which page a folder deserves: decided by the JSON that it holds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from breakhis.report.comparison import COMPARISON_FILE, write_comparison
from breakhis.report.crossval import CROSSVAL_FILE, write_crossval
from breakhis.report.page import write_report
from breakhis.report.twin import TWIN_FILE, write_twin
from breakhis.runs import Run


@dataclass(frozen=True)
class Written:
    """A page that was written: `kind` is "run", "crossval", "twin" or "comparison"."""

    kind: str
    page: Path


_KINDS: dict[str, tuple[str, Callable[[Path, Path | None], Path]]] = {
    TWIN_FILE: ("twin", lambda folder, _: write_twin(folder)),
    COMPARISON_FILE: ("comparison", lambda folder, _: write_comparison(folder)),
    CROSSVAL_FILE: ("crossval", lambda folder, images: write_crossval(folder, images=images)),
}


def write_any(folder: Path, *, images: Path | None = None) -> Written:
    """Write the page of a run, a cross-validation, a twin or a comparison.

    Args:
        folder: What one of the commands left behind.
        images: Folder of the images, where they have moved since.

    Raises:
        RunError: The folder is none of them, or is unfinished.
        DataError: A table or an evaluation in it is cut.
    """
    for name, (kind, write) in _KINDS.items():
        if (folder / name).exists():
            return Written(kind, write(folder, images))
    return Written("run", write_report(Run.open(folder), images=images))
