"""The page in a real browser: what a person does with it, and that it asks no other host for anything."""

import csv
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from breakhis.images.checks import Looked
from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from breakhis.serve import Limits, listen
from model_weights import write_bundle
from serving import LAUNCH, NAMES, Running, picture, running

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
LIMITS = Limits(file_bytes=2**20)
METRIC = {"value": 0.41, "ci95": [0.33, 0.49]}
CLEAN = {"unit": "case", "leakage": {"verdict": "clean"}}
METRICS = {
    **dict.fromkeys(("macro_f1", "accuracy", "malignancy_accuracy"), METRIC),
    "repeated": {"folds": 5, "seeds": [0, 1, 2], "values": {}},
    **{"images": 1234, "patients": 15, "cases": 14, "per_class": {}, **CLEAN},
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not Path(LAUNCH["executable_path"]).exists(),
        reason=f"no Chromium at {LAUNCH['executable_path']} (set CHROMIUM, or apt-get install chromium)",
    ),
]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    split = {"hash": "0" * 64, "seed": 0, "warnings": [], "policy": {}, **CLEAN}
    bundle = tmp_path_factory.mktemp("model") / "bundle.zip"
    return Predictor.load(write_bundle(bundle, metrics=METRICS, split=split, temperature=2.0))


@pytest.fixture(scope="module")
def service(predictor: Predictor) -> Iterator[Running]:
    with running(predictor, limits=LIMITS) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(**LAUNCH)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, service: Running) -> Iterator[Page]:
    """The opened page; afterwards, nothing went wrong in it and no other host was asked."""
    with Watched(browser, service.url) as opened:
        yield opened


class Watched:
    """A page of its own context whose requests and faults are looked at in the end."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.url = url
        self.asked: list[str] = []
        self.faults: list[str] = []

    def __enter__(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(self.url)
        return page

    def __exit__(self, *raised: object) -> None:
        self.context.close()
        others = [url for url in self.asked if not url.startswith((self.url, "blob:", "data:"))]
        assert not others
        assert not self.faults


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three images of two patients."""
    folder = tmp_path_factory.mktemp("images")
    for seed, name in enumerate(NAMES):
        (folder / name).write_bytes(picture(seed, width=350, height=230))
    return [folder / name for name in NAMES]


def upload(page: Page, files: list[Path]) -> None:
    page.set_input_files("#files", files)
    expect(page.locator("#status")).to_contain_text("Done", timeout=20_000)


def bars(card: Any) -> dict[str, float]:
    """{name of a class, Benign or Malignant: per cent} as a card shows them."""
    rows = card.locator(".bars tr").all_inner_texts() + card.locator(".bars caption").all_inner_texts()
    shown = [re.fullmatch(r"(.+?)\s+(< 0\.1|[\d.]+) %", " ".join(row.split())) for row in rows]
    return {row[1]: float(row[2].replace("< 0.1", "0.05")) for row in shown if row}


def test_three_images_are_answered_and_pooled(page: Page, three: list[Path], predictor: Predictor) -> None:
    upload(page, three)
    expected = predictor.predict(three)
    cards = page.locator("#images > .card")
    expect(cards).to_have_count(3)
    for index, row in enumerate(expected.rows()):
        shown = bars(cards.nth(index))
        assert len(shown) == 10
        for code, name in zip(expected.taxonomy.codes, expected.taxonomy.names, strict=True):
            assert shown[name] == pytest.approx(100 * row[code], abs=0.06)
        assert shown["Malignant"] == pytest.approx(100 * row["malignant"], abs=0.06)
        assert shown["Benign"] == pytest.approx(100 - 100 * row["malignant"], abs=0.06)
        name = expected.taxonomy.names[int(expected.labels[index])]
        expect(cards.nth(index).locator(".finding")).to_have_text(name.capitalize())
        width = (
            cards.nth(index)
            .locator(".top .bar")
            .evaluate("bar => parseFloat(getComputedStyle(bar, '::before').width) / bar.clientWidth")
        )
        assert width == pytest.approx(row["confidence"], abs=0.02)
    pooled = page.locator("#pooled > .card")
    expect(pooled).to_have_count(1)
    expect(pooled.locator(".name")).to_have_text("14-16184")
    by_patient = expected.pool("patient")
    row = next(item for item in by_patient.rows() if item["path"] == "14-16184")
    assert bars(pooled)["Malignant"] == pytest.approx(100 * row["malignant"], abs=0.06)


def test_images_are_pooled_by_hand(page: Page, three: list[Path]) -> None:
    upload(page, three)
    page.click("#assign")
    expect(page.locator("#pool-note")).to_contain_text("Name the patient")
    page.click("#select-all")
    page.fill("#group", "patient <1>")
    page.keyboard.press("Enter")
    pooled = page.locator("#pooled > .card")
    expect(pooled.locator(".name")).to_have_text("patient <1>")
    expect(pooled.locator("small")).to_have_text("3 images")
    page.select_option("#pool-by", "case")
    expect(page.locator("#pooling-title")).to_have_text("Cases")
    expect(pooled).to_have_count(1)


def test_heatmaps_are_shown_for_class_branch_and_strength(page: Page, three: list[Path]) -> None:
    upload(page, three[:1])
    card = page.locator("#images > .card")
    heat = card.locator("img.heat")
    expect(heat).to_be_hidden()
    card.locator(".show-heat").click()
    expect(heat).to_be_visible()
    fused = heat.get_attribute("src")
    assert heat.bounding_box() == card.locator("img.photo").bounding_box()
    card.locator(".branch").select_option(index=2)
    expect(heat).not_to_have_attribute("src", str(fused))
    card.locator(".strength").fill("25")
    assert heat.evaluate("image => getComputedStyle(image).opacity") == "0.25"
    card.locator(".target").select_option("LC")
    expect(heat).to_have_attribute("alt", re.compile("lobular carcinoma"))
    card.locator(".show-heat").click()
    expect(heat).to_be_hidden()


def test_csv_is_a_table_of_predictions(
    page: Page, three: list[Path], predictor: Predictor, tmp_path: Path
) -> None:
    odd = tmp_path / 'a, "b".png'
    odd.write_bytes(three[0].read_bytes())
    upload(page, [*three, odd])
    with page.expect_download() as download:
        page.click("#csv")
    download.value.save_as(tmp_path / "predictions.csv")
    found, expected = Predictions.load(tmp_path / "predictions.csv"), predictor.predict([*three, odd])
    assert found.paths.tolist() == [*NAMES, odd.name]
    assert abs(found.probabilities - expected.probabilities).max() < 1e-5
    assert found.patients.tolist() == expected.patients.tolist()
    with (tmp_path / "predictions.csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == expected.columns()


def test_report_stands_alone(page: Page, browser: Browser, three: list[Path], tmp_path: Path) -> None:
    upload(page, three)
    page.locator(".show-heat").first.click()
    expect(page.locator("img.heat").first).to_be_visible()
    with page.expect_download() as download:
        page.click("#report")
    file = tmp_path / "report.html"
    download.value.save_as(file)
    with Watched(browser, file.as_uri()) as report:
        assert report.locator(".card").count() == 4
        assert bars(report.locator("#images > .card").first) == bars(page.locator("#images > .card").first)
        for photo in report.locator(".photo").all():
            assert photo.evaluate("image => image.naturalWidth") == 350
        expect(report.locator("body")).to_contain_text("Evidence for")
        assert report.locator("a[href^='/']").count() == 0
        expect(report.locator(".banner")).to_contain_text("Not a medical device")
        assert report.locator("button:visible, input:visible, select:visible, script").count() == 0
        width = report.locator(".top .bar").first.evaluate("bar => getComputedStyle(bar, '::before').width")
        assert float(width.removesuffix("px")) > 1


def test_what_cannot_be_read_says_why_and_spoils_nothing(
    page: Page, three: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "big.png").write_bytes(b"\x89PNG" + bytes(2 * 2**20))
    upload(page, [tmp_path / "notes.txt", three[0], tmp_path / "big.png"])
    cards = page.locator("#images > .card")
    expect(cards.nth(0).locator(".reason")).to_contain_text("another kind of file")
    expect(cards.nth(1).locator(".bars table")).to_have_count(2)
    expect(cards.nth(2).locator(".finding")).to_have_text("Too large")
    expect(cards.nth(2).locator(".reason")).to_contain_text("cut it into tiles")
    expect(page.locator("#tally")).to_contain_text("1 image answered")
    expect(page.locator("#tally")).to_contain_text("2 not read")


class Undecided(Predictor):
    """Never answers."""

    def answer(self, names: Sequence[str], looked: Sequence[Looked]) -> Predictions:
        """As a predictor, with a reason instead of an answer."""
        answers = super().answer(names, looked)
        return replace(answers, reasons=np.full(len(answers), "undecided between F and PT"))


def test_no_answer_is_given_with_its_reason(
    browser: Browser, predictor: Predictor, three: list[Path], tmp_path: Path
) -> None:
    undecided = Undecided(predictor.bundle, predictor.engine, predictor.precision)
    with running(undecided) as service, Watched(browser, service.url) as page:
        upload(page, three[:2])
        for card in page.locator(".card").all():
            expect(card.locator(".finding")).to_have_text("No answer")
            expect(card.locator(".sure")).to_have_text("")
            expect(card.locator(".reason")).to_contain_text(
                "Undecided between F and PT (fibroadenoma, phyllodes tumour)."
            )
            expect(card.locator(".bars.muted table")).to_have_count(2)
        expect(page.locator("#tally")).to_have_text("0 images answered, 2 without an answer")
        with page.expect_download() as download:
            page.click("#csv")
        download.value.save_as(tmp_path / "found.csv")
        assert set(Predictions.load(tmp_path / "found.csv").reasons) == {"undecided between F and PT"}
        metrics = httpx.get(f"{service.url}/metrics").text
        assert 'breakhis_abstentions_total{reason="undecided between F and PT"} 2.0' in metrics


def test_a_tiff_is_shown_by_the_service(page: Page, tmp_path: Path) -> None:
    (tmp_path / "scan.tiff").write_bytes(picture(7, suffix=".tiff"))
    upload(page, [tmp_path / "scan.tiff"])
    page.wait_for_selector(".photo[src]")
    assert page.locator(".photo").evaluate("image => image.decode().then(() => image.naturalWidth)") == 90


def test_a_service_that_stopped_is_said_and_tried_again(
    browser: Browser, predictor: Predictor, three: list[Path]
) -> None:
    with listen("127.0.0.1", 0) as found:
        port = found.getsockname()[1]
    with running(predictor, port=port) as first, Watched(browser, first.url) as page:
        upload(page, three[:1])
        first.stop()
        page.set_input_files("#files", three[1:])
        expect(page.locator("#failure")).to_contain_text(
            "The service does not answer. 2 images not answered."
        )
        with running(predictor, port=port):
            page.click("#retry")
            expect(page.locator("#tally")).to_contain_text("3 images answered")
            expect(page.locator("#failure")).to_be_hidden()


def test_the_banner_stays_and_tells_the_split(page: Page, three: list[Path]) -> None:
    banner = page.locator(".banner")
    expect(banner).to_contain_text("Research use only. Not a medical device.")
    expect(banner).to_contain_text(
        "by case, on 1,234 images of 14 cases, 5 folds, mean of 3 seeds: macro F1 0.41 [0.33, 0.49]"
    )
    assert banner.locator("button").count() == 0
    upload(page, three)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(banner).to_be_in_viewport(ratio=0.99)


def test_works_by_keyboard(page: Page, three: list[Path]) -> None:
    page.on("filechooser", lambda _: None)  # from here on, no dialogue opens; later could be too late
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("Tab")
    expect(page.locator("#files")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(three)
    expect(page.locator("#images .bars table")).to_have_count(6)
    page.locator(".remove").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#images > .card")).to_have_count(2)
    expect(page.locator(".remove").first).to_be_focused()


def test_the_theme_follows_the_system_and_the_toggle(browser: Browser, service: Running) -> None:
    colour = "document.body && getComputedStyle(document.body).backgroundColor"
    with (
        Watched(browser, service.url, color_scheme="dark") as page,
        Watched(browser, service.url, color_scheme="light") as opposite,
    ):
        first, second = page.evaluate(colour), opposite.evaluate(colour)
        assert first != second
        page.click("#theme")
        assert page.evaluate(colour) == second
        page.reload()
        assert page.evaluate(colour) == second
        page.click("#theme")
        assert page.evaluate(colour) == first


@pytest.mark.parametrize(("theme", "width"), [("dark", 1280), ("light", 360)], ids=["dark", "phone"])
def test_axe_finds_no_serious_fault(
    browser: Browser, service: Running, three: list[Path], tmp_path: Path, theme: Any, width: int
) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    viewport: Any = {"width": width, "height": 800}
    with Watched(browser, service.url, color_scheme=theme, viewport=viewport, bypass_csp=True) as page:
        upload(page, [*three, tmp_path / "notes.txt"])
        page.locator(".show-heat").first.click()
        expect(page.locator("img.heat").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("axe.run()")
    faults = [
        {"rule": fault["id"], "nodes": [node["html"] for node in fault["nodes"]]}
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    assert not faults, json.dumps(faults, indent=1)
    assert len(found["passes"]) > 20


@pytest.mark.real
def test_real_images_in_every_step(page: Page, real_data: Path, tmp_path: Path, predictor: Predictor) -> None:
    folder = next(path for path in sorted(real_data.rglob("100X")) if path.is_dir())
    chosen = [shutil.copy(file, tmp_path) for file in sorted(folder.glob("*.png"))[:3]]
    upload(page, chosen)
    expect(page.locator("#images .bars table")).to_have_count(6)
    expect(page.locator("#pooled small")).to_have_text("3 images")
    page.locator(".show-heat").first.click()
    expect(page.locator("img.heat").first).to_be_visible()
    with page.expect_download() as download:
        page.click("#csv")
    download.value.save_as(tmp_path / "found.csv")
    expected = predictor.predict([Path(file) for file in chosen])
    found = Predictions.load(tmp_path / "found.csv")
    assert abs(found.probabilities - expected.probabilities).max() < 1e-5
