"""The pages: they load nothing, print no bare number, say what leaks, and survive hostile names."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from breakhis.cli import run as breakhis
from breakhis.compare import compare, read_contestants
from breakhis.errors import DataError, RunError
from breakhis.explain import FUSED, explain
from breakhis.files import write_json
from breakhis.images.decode import read_image
from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from breakhis.report.comparison import write_comparison
from breakhis.report.crossval import write_crossval
from breakhis.report.page import write_report
from breakhis.report.twin import write_twin
from breakhis.runs import Run
from breakhis.taxonomy import Taxonomy
from model_weights import write_bundle
from report_folders import HOSTILE, Made, make_crossval, make_holdout, make_run, make_twin, write_fit
from report_pages import Element, parse

HOSTILE_RUN = "<b onclick=x>run"
PAGES = ("case", "image", "fitted", "crossval", "twin", "comparison")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def holdouts(base: Path) -> dict[str, Made]:
    return {by: make_holdout(base / f"data-{by}", by=by) for by in ("image", "patient", "case")}


@pytest.fixture(scope="module")
def runs(base: Path, holdouts: dict[str, Made]) -> dict[str, Run]:
    made = {by: make_run(base / f"run-{by}", holdouts[by]) for by in ("image", "case")}
    made["fitted"] = make_run(base / "run-fitted", holdouts["case"])
    write_fit(made["fitted"].history_file)
    for run in made.values():
        write_report(run)
    return made


@pytest.fixture(scope="module")
def pages(base: Path, holdouts: dict[str, Made], runs: dict[str, Run]) -> dict[str, Path]:
    make_crossval(base / "folds", holdouts["case"].catalog)
    make_twin(base / "twin", *(holdouts[by] for by in ("image", "patient", "case")))
    weaker = replace(holdouts["case"], predictions=weaken(holdouts["case"].predictions))
    rivals = [runs["case"].folder, make_run(base / HOSTILE_RUN, weaker).folder]
    write_json(
        make_folder(base / "comparison") / "comparison.json", compare(read_contestants(rivals)).to_json()
    )
    return {
        **{by: run.report_file for by, run in runs.items()},
        "comparison": write_comparison(base / "comparison"),
        "crossval": write_crossval(base / "folds"),
        "twin": write_twin(base / "twin"),
    }


def weaken(predictions: Predictions) -> Predictions:
    """The same images with half of every answer replaced by the next subtype's."""
    odds = predictions.probabilities
    return predictions.with_probabilities((odds + np.roll(odds, 1, axis=1)) / 2)


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path


def decoded(picture: Element) -> np.ndarray:
    """The pixels of a picture that stands in the page, BGR."""
    kind, _, content = picture.attributes["src"].partition(",")
    assert kind == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Element:
    return parse(pages[request.param].read_text("utf-8"))


def read(path: Path) -> Element:
    return parse(path.read_text("utf-8"))


def section(page: Element, anchor: str) -> Element:
    return next(one for one in page.all("section") if one.attributes["id"] == anchor)


# What it loads


def test_a_page_loads_nothing(page: Element) -> None:
    for element in page.all():
        assert element.name not in ("script", "iframe", "object", "embed", "form", "base", "audio", "video")
        for name, value in element.attributes.items():
            assert not name.startswith("on"), f"<{element.name} {name}>"
            if name in ("src", "srcset", "href", "xlink:href", "data", "action", "poster", "background"):
                citation = element.name == "a" and value.startswith("https://doi.org/")
                assert value.startswith(("data:", "#")) or citation, f"<{element.name} {name}={value[:60]}>"
            assert name != "style" or "url" not in value
    (style,) = page.all("style")
    assert not re.search(r"url\(|@import|@font-face", " ".join(map(str, style.children)))
    policies = [one.attributes.get("content", "") for one in page.all("meta")]
    assert any(policy.startswith("default-src 'none'") for policy in policies)


def test_every_contents_link_has_its_section(page: Element) -> None:
    anchors = {one.attributes["id"] for one in page.all("section")}
    assert {
        link.attributes["href"][1:] for link in page.all("a") if "#" in link.attributes["href"]
    } <= anchors


# Numbers


def test_no_metric_without_interval_and_unit(page: Element) -> None:
    metrics = page.all(class_="metric")
    assert len(metrics) >= 12
    for metric in metrics:
        (value,), (interval,) = metric.all(class_="value"), metric.all(class_="interval")
        assert re.fullmatch(r"−?\d\.\d{2,3}|\d+ %|undefined", value.text()), value.text()
        bounds = r"\[−?\d\.\d{2,3}, −?\d\.\d{2,3}\]|\[\d+, \d+\]|no interval"
        assert re.fullmatch(bounds, interval.text()), interval.text()
        around = metric.above("table") or metric.above("section")
        assert around is not None
        units = [one.text() for one in around.all(class_="unit")]
        assert units, around.text()
        assert all(unit.startswith("by ") for unit in units)


def test_no_number_that_looks_like_a_metric_stands_outside_one(page: Element) -> None:
    for one in page.all("section"):
        rest = one.text(without=("style", "metric", "svg", "pre", "facts"))
        assert not re.search(r"\d\.\d{3}", rest), rest


def test_numbers_are_those_of_the_evaluation(runs: dict[str, Run]) -> None:
    evaluation = json.loads(runs["case"].metrics_file.read_text())
    page = read(runs["case"].report_file)
    low, high = evaluation["macro_f1"]["ci95"]
    (hero,) = section(page, "headline").all(class_="hero")
    assert f"{evaluation['macro_f1']['value']:.2f} [{low:.2f}, {high:.2f}]" in hero.text()
    rows = section(page, "classes").all("tr")[1:]
    for code, row in zip(evaluation["per_class"], rows, strict=True):
        one = evaluation["per_class"][code]
        assert row.text().startswith(f"{code} {one['name']} {one['images']} {one['cases']} ")
        assert f"{one['f1']['value']:.3f}" in row.text()
    cells = [cell.children[0] for cell in section(page, "confusion").all("td", "right")]
    diagonal = [str(row[index]) for index, row in enumerate(evaluation["confusion"])]
    assert cells == diagonal


def test_each_magnification_has_its_patient_recognition_rate(runs: dict[str, Run]) -> None:
    measured = json.loads(runs["case"].metrics_file.read_text())["per_magnification"]
    table = section(read(runs["case"].report_file), "magnifications")
    assert "PRR" in [one.text() for one in table.all("th")]
    for row, value in zip(table.all("tbody")[0].all("tr"), measured.values(), strict=True):
        assert f"{value['prr']['value']:.3f}" in row.text()


def test_dark_errors_cross_the_border_between_benign_and_malignant(runs: dict[str, Run]) -> None:
    rows = section(read(runs["case"].report_file), "confusion").all("tbody")[0].all("tr")
    kinds = [[cell.attributes["class"].split()[0] for cell in row.all("td")[:8]] for row in rows]
    expected = [
        [
            "right" if row == column else "near" if (row < 4) == (column < 4) else "across"
            for column in range(8)
        ]
        for row in range(8)
    ]
    assert kinds == expected


# Words


def test_a_split_by_image_is_called_leaking(runs: dict[str, Run], holdouts: dict[str, Made]) -> None:
    page = read(runs["image"].report_file)
    (verdict,) = page.all(class_="verdict")
    shared = len(holdouts["image"].split.leakage.cases)
    assert verdict.has_class("leaks")
    assert verdict.text().startswith(f"This split leaks: {shared} cases stand on both sides")
    assert "overstate" in verdict.text()
    assert {one.text() for one in page.all(class_="unit")} == {"by image, leaks"}


def test_a_split_by_case_is_called_clean(runs: dict[str, Run]) -> None:
    page = read(runs["case"].report_file)
    (verdict,) = page.all(class_="verdict")
    assert verdict.has_class("clean")
    assert verdict.text().startswith("No case on both sides")
    assert {one.text() for one in page.all(class_="unit")} == {"by case"}


def test_the_split_warnings_are_repeated(base: Path, holdouts: dict[str, Made]) -> None:
    run = make_run(base / "warned", holdouts["case"])
    split_file = run.split_file.with_suffix(".json")
    split = json.loads(split_file.read_text())
    split_file.write_text(json.dumps({**split, "warnings": ["adenosis has 2 cases: validation holds none"]}))
    page = read(write_report(run))
    assert "Adenosis has 2 cases: validation holds none" in section(page, "division").text()


def test_licence_citation_and_purpose_stand_below(page: Element) -> None:
    (footer,) = page.all("footer")
    for words in ("Not a medical device", "Spanhol", "10.1109/TBME.2015.2496264", "CC BY 4.0", "eva"):
        assert words in footer.text()


def test_other_classes_have_no_malignancy_and_no_breakhis_citation(base: Path) -> None:
    taxonomy = Taxonomy(("gland", "stroma", "<b>"), ("gland", "stroma", "<b>"))
    made = make_holdout(base / "foreign", by="case", taxonomy=taxonomy)
    page = read(write_report(make_run(base / "foreign-run", made)))
    assert not [one for one in page.all("section") if one.attributes["id"] == "malignancy"]
    assert "alignan" not in " ".join(one.text() for one in page.all("section")[:-1])
    assert "Spanhol" not in page.all("footer")[0].text()
    assert "<b>" in section(page, "classes").text()


# Mistakes


def test_hostile_names_are_only_text(pages: dict[str, Path]) -> None:
    page = read(pages["case"])
    assert HOSTILE in section(page, "mistakes").text()
    assert not [one for one in page.all("img") if "onerror" in one.attributes]


@pytest.mark.parametrize("name", ["case", "image", "crossval"])
def test_mistakes_are_shown_surest_first(name: str, pages: dict[str, Path]) -> None:
    mistakes = section(read(pages[name]), "mistakes").all("li")
    surety = [float(re.search(r"probability (\d\.\d\d)", one.text())[1]) for one in mistakes]
    assert 1 <= len(mistakes) <= 12
    assert surety == sorted(surety, reverse=True)
    for one in mistakes:
        (picture,) = one.all("img")
        assert decoded(picture).shape == (46, 70, 3)


def test_a_run_shows_where_its_model_looked(base: Path, holdouts: dict[str, Made]) -> None:
    run = make_run(base / "explained", holdouts["case"])
    said = section(read(write_report(run)), "mistakes")
    assert "not shown: expected a bundle" in said.text()
    assert not any(len(one.all("img")) > 1 for one in said.all("li"))
    write_bundle(run.bundle_file)
    mistakes = section(read(write_report(run)), "mistakes")
    assert "evidence for the wrong answer" in mistakes.text()
    answers = [one.all(class_="code")[1].text() for one in mistakes.all("li")]
    predictor, root = Predictor.load(run.bundle_file), holdouts["case"].catalog.root
    for one, answer in zip(mistakes.all("li"), answers, strict=True):
        plain, heated = (decoded(picture) for picture in one.all("img"))
        assert one.all("img")[1].attributes["alt"].endswith(answer)
        name = one.all("small")[-1].text()
        heat = explain(predictor, read_image(root / "pictures" / name), target=answer).heat[FUSED]
        stretched = cv2.resize(heat, plain.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        change = np.abs(heated.astype(float) - plain).mean(axis=2)
        assert change[stretched > 0.6].mean() > 2 * change[stretched < 0.1].mean()


def test_missing_and_broken_images_are_said_to_be(base: Path, holdouts: dict[str, Made]) -> None:
    run = make_run(base / "elsewhere", holdouts["case"])
    gone = base / "gone"
    shutil.copytree(holdouts["case"].catalog.root, gone)
    for number, path in enumerate(sorted((gone / "pictures").iterdir())):
        path.unlink() if number % 2 else path.write_bytes(b"not an image")
    page = section(read(write_report(run, images=gone)), "mistakes")
    assert not page.all("img")
    assert len(page.all(class_="missing")) == len(page.all("li"))
    assert "pictures are missing" in page.text()


# Twin and cross-validation


def test_the_twin_shows_both_numbers_the_gap_and_the_mechanism(pages: dict[str, Path], base: Path) -> None:
    twin = json.loads((base / "twin" / "twin.json").read_text())
    page = read(pages["twin"])
    values = [column["evaluation"]["macro_f1"]["value"] for column in twin["columns"]]
    sides = section(page, "gap").all(class_="side")
    assert [f"{value:.2f}" in side.text() for value, side in zip(values[::2], sides, strict=True)] == [
        True
    ] * 2
    assert "0.410 [0.300, 0.500]" in section(page, "gap").text()
    assert "recognise the patient instead of the tumour" in section(page, "gap").text()
    assert "Quote the number by case." in section(page, "gap").text()
    assert [one.text() for one in section(page, "mechanism").all("dd") if one.text()] == [
        "90 % [45, 90]",
        "25 % [12, 25]",
        "0 % [0, 0]",
    ]
    assert len(section(page, "classes").all("svg", "pair")) == 8


def test_a_twin_of_the_wrong_shape_is_refused(base: Path) -> None:
    folder = base / "bent"
    folder.mkdir()
    for content in ('{"columns": []}', "[]", "{"):
        (folder / "twin.json").write_text(content)
        with pytest.raises(RunError, match="twin"):
            write_twin(folder)
    assert not (folder / "report.html").exists()


def test_the_cross_validation_lists_its_folds(pages: dict[str, Path]) -> None:
    page = read(pages["crossval"])
    assert page.all("h1")[0].text() == "3-fold cross-validation, split by case"
    rows = section(page, "folds").all("tbody")[0].all("tr")
    assert [row.text().split()[0] for row in rows] == ["1", "2", "3"]
    assert sum(int(row.text().split()[1]) for row in rows) == 192
    assert rows[0].text().endswith("1 min 5 s")


@pytest.mark.parametrize(("key", "error"), [("folds", RunError), ("macro_f1", DataError)])
def test_a_cross_validation_without_its_parts_is_refused(
    base: Path, tmp_path: Path, key: str, error: type[Exception], pages: dict[str, Path]
) -> None:
    value = json.loads((base / "folds" / "crossval.json").read_text())
    del value[key]
    shutil.copy(base / "folds" / "predictions.csv", tmp_path)
    (tmp_path / "crossval.json").write_text(json.dumps(value))
    with pytest.raises(error):
        write_crossval(tmp_path)


def test_the_comparison_ranks_its_runs_and_their_differences(pages: dict[str, Path], base: Path) -> None:
    value = json.loads((base / "comparison" / "comparison.json").read_text())
    page = read(pages["comparison"])
    first, second = (run["name"] for run in value["runs"])
    assert page.all("h1")[0].text().startswith(f"{first} ")
    assert page.all("h1")[0].text().endswith(f" {second}")
    assert HOSTILE_RUN in page.all("h1")[0].text()
    (pair,) = section(page, "differences").all("tbody")[0].all("tr")
    low, high = value["differences"][0]["macro_f1"]["ci95"]
    bounds = f"[{low:.3f}, {high:.3f}]".replace("-", "−")
    assert f"{value['differences'][0]['macro_f1']['value']:.3f} {bounds}" in pair.text()
    assert pair.text().endswith("yes" if value["differences"][0]["told_apart"] else "no")


def test_a_comparison_without_pairs_is_refused(base: Path, tmp_path: Path, pages: dict[str, Path]) -> None:
    value = json.loads((base / "comparison" / "comparison.json").read_text())
    for bent in ({**value, "differences": []}, {"images": 3}):
        write_json(tmp_path / "comparison.json", bent)
        with pytest.raises(RunError, match="comparison"):
            write_comparison(tmp_path)


# The command


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("run-case", "run"), ("folds", "crossval"), ("twin", "twin"), ("comparison", "comparison")],
)
def test_the_command_knows_what_a_folder_holds(
    base: Path, folder: str, kind: str, pages: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    page = base / folder / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert breakhis(["report", str(base / folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"kind": kind, "report": str(page)}
    assert page.read_bytes() == before


def test_the_command_refuses_other_folders_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert breakhis(["report", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)


# In a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_browser_asks_for_nothing_and_no_page_is_wider_than_a_phone(
    chromium: object, pages: dict[str, Path], name: str, scheme: str
) -> None:
    view = chromium.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    requests: list[str] = []
    complaints: list[str] = []
    view.on("request", lambda request: requests.append(request.url))
    view.on("console", lambda message: complaints.append(message.text))
    view.goto(pages[name].as_uri())
    assert [url for url in requests if not url.startswith("data:")] == [pages[name].as_uri()]
    assert complaints == []
    assert view.evaluate("document.documentElement.scrollWidth") == 390
    ground, ink = view.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert (sum(map(int, re.findall(r"\d+", ground))) > sum(map(int, re.findall(r"\d+", ink)))) == (
        scheme == "light"
    )
    view.close()
