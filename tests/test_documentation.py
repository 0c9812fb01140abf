"""Every Python example of the documentation runs as it stands."""

import re
import shutil
from pathlib import Path

import pytest

import breakhis.predict.predictor
from breakhis.catalog.synthetic import make_synthetic
from breakhis.config import TrainConfig
from breakhis.runs import Run
from model_weights import write_bundle

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    if "```python" in page.read_text("utf-8")
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: `data`, `slides/`, `slide.png`, a finished `run` and `RUN`."""
    place = tmp_path_factory.mktemp("examples")
    catalog = make_synthetic(place / "data", cases_per_class=2, images_per_patient=1, scale=0.1)
    (place / "slides").mkdir()
    for path in catalog.paths[::4].tolist():
        shutil.copy(catalog.root / path, place / "slides")
    shutil.copy(catalog.root / catalog.paths[0], place / "slide.png")
    run = Run.start(place / "run", TrainConfig(), data_hash="", resume=False)
    write_bundle(run.bundle_file)
    run.finish()
    shutil.copytree(run.folder, place / "RUN")
    return place


def test_the_pages_are_found() -> None:
    assert {"README.md", "python.md", "prediction.md", "explanations.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(breakhis.predict.predictor, "SHIPPED_MODEL", place / "run" / "bundle.zip")
    text = page.read_text("utf-8")
    known: dict[str, object] = {}
    for match in re.finditer(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        # Blank lines in front, so that a traceback names the line of the page.
        above = "\n" * (text[: match.start()].count("\n") + 1)
        exec(compile(above + match[1], str(page), "exec"), known)
