"""Draw docs/images/serve-*.png: the page with synthetic images, in both themes and at phone width.

    python tools/screenshots.py MODEL

MODEL is a bundle or a run; the pictures are painted as by `breakhis synth`, so that no image of a patient is
shown. Needs Chromium.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from breakhis.catalog.synthetic import make_synthetic  # noqa: E402
from breakhis.predict import Predictor  # noqa: E402
from serving import LAUNCH, running  # noqa: E402

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def main() -> None:
    """Write the screenshots."""
    images = ROOT / "docs" / "images"
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Predictor.load(sys.argv[1])) as service,
        sync_playwright() as playwright,
    ):
        files = pictures(Path(folder))
        browser = playwright.chromium.launch(**LAUNCH)
        with opened(browser, service.url, viewport=WIDE, color_scheme="light") as page:
            answer(page, files)
            save(page, images / "serve-light.png")
        with opened(browser, service.url, viewport=WIDE, color_scheme="dark") as page:
            answer(page, files)
            save(page, images / "serve-dark.png")
        with opened(browser, service.url, viewport=PHONE, color_scheme="light") as page:
            answer(page, files[:2])
            save(page, images / "serve-phone.png")
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, **context: object) -> Iterator[Page]:
    """A page in a context of its own."""
    made = browser.new_context(reduced_motion="reduce", **context)
    page = made.new_page()
    page.goto(url)
    yield page
    made.close()


def pictures(folder: Path) -> list[Path]:
    """Two synthetic pictures of one patient and one of another."""
    catalog = make_synthetic(folder, cases_per_class=2, images_per_patient=2)
    rows = [0, 1, len(catalog) - 1]
    return [catalog.file(row) for row in rows]


def answer(page: Page, files: list[Path]) -> None:
    """Upload, wait for the answers, and open the first heatmap."""
    page.set_input_files("#files", files)
    expect(page.locator("#images .bars table")).to_have_count(2 * len(files))
    page.wait_for_selector("#pooled .card")
    page.click("#images .card:first-child .show-heat")
    page.wait_for_selector("#images .card:first-child img.heat:not([hidden])")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)


def save(page: Page, file: Path) -> None:
    """The whole page in 256 colours, which a repository can hold."""
    picture = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture.quantize(256).save(file, optimize=True)


if __name__ == "__main__":
    main()
