"""What the pages are drawn with: history, plots, scales, markup, and colours that everybody can read."""

import re
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakhis.errors import RunError
from breakhis.metrics import Metric
from breakhis.report.charts import curves, gap_chart, pair_bars, share_bar, whisker
from breakhis.report.history import History
from breakhis.report.plots import plot_confusion, plot_history
from breakhis.report.svg import Scale, element
from breakhis.report.verdict import judge
from breakhis.splits.leakage import Leakage
from report_folders import write_history

SMALL = Metric(0.2, (0.1, 0.4))
LARGE = Metric(0.8, (0.7, 0.9))


# History


def test_history_knows_phases_drops_and_the_kept_epoch(tmp_path: Path) -> None:
    write_history(tmp_path / "history.csv")
    history = History.read(tmp_path / "history.csv", kept=5)
    assert history.phases == (("heads", 1, 6), ("upper", 7, 9))
    assert history.drops == (4,)
    assert (history.kept, history.seconds) == (5, 9 * 61.0)


def test_history_passes_over_losses_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    write_history(path, epochs=3)
    path.write_text(path.read_text().replace("\n2,heads,1.0,", "\n2,heads,nan,"))
    history = History.read(path)
    assert [epoch for epoch, _ in history.curve("loss")] == [1, 3]
    assert [epoch for epoch, _ in history.curve("val_loss")] == [1, 2, 3]


@pytest.mark.parametrize("content", [None, "", "epoch,phase\n1,heads\n", "epoch,loss\nx,y\n"])
def test_a_history_that_is_missing_or_cut_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "history.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=r"history\.csv"):
        History.read(path)


# Plots


@pytest.mark.parametrize("epochs", [1, 9])
def test_curves_are_drawn_as_png_and_svg(tmp_path: Path, epochs: int) -> None:
    write_history(tmp_path / "history.csv", epochs=epochs)
    history = History.read(tmp_path / "history.csv", kept=1)
    plot_history(history, tmp_path / "curves.png", unit="case")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture.shape[1] > picture.shape[0] > 500
    assert picture.std() > 5
    drawing = ElementTree.fromstring(curves(history, "loss"))
    assert len(drawing.findall("circle")) == 2
    assert "kept: 1" in "".join(drawing.itertext())
    assert len(drawing.findall("path[@class='drop']")) == (1 if epochs == 9 else 0)


def test_confusion_is_drawn_for_any_number_of_classes_and_empty_rows(tmp_path: Path) -> None:
    for size in (2, 8):
        matrix = np.diag(np.arange(size))
        plot_confusion(matrix, [f"c{index}" for index in range(size)], tmp_path / "c.png", unit="case")
        assert cv2.imread(str(tmp_path / "c.png")).std() > 5


# Markup


def test_markup_escapes_text_and_attributes() -> None:
    made = element("text", '<b> & "', class_='a"b', stroke_width=1.0, x=None)
    assert made == '<text class="a&#34;b" stroke-width="1">&lt;b&gt; &amp; &#34;</text>'


def test_drawings_say_their_numbers_to_those_who_do_not_see() -> None:
    assert 'aria-label="0.200, 95 % interval 0.100 to 0.400"' in whisker(SMALL)
    assert 'aria-label="0.200, without interval"' in whisker(Metric(0.2))
    assert 'aria-label="undefined"' in share_bar(Metric(None), "by-case")
    assert "by image 0.800" in gap_chart([("image", LARGE), ("case", SMALL)])
    for drawing in (
        whisker(Metric(None)),
        pair_bars(Metric(None), SMALL),
        gap_chart([("case", Metric(None))]),
    ):
        ElementTree.fromstring(drawing)


@given(
    low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6), value=st.floats(-1e7, 1e7), count=st.integers(2, 10)
)
def test_scales_stay_inside_and_their_ticks_are_few(
    low: float, span: float, value: float, count: int
) -> None:
    scale = Scale(low, low + span, 10, 110)
    assert 10 <= scale(value) <= 110
    ticks = scale.ticks(count)
    assert len(ticks) <= count + 1
    assert all(low - 1e-6 * span <= tick <= low + 1.000001 * span for tick in ticks)


# Verdicts


@pytest.mark.parametrize(
    ("leakage", "cases", "kind", "words"),
    [
        (Leakage("clean"), 5, "clean", "No case on both sides"),
        (Leakage("leaks", cases=("a", "b"), patients=("p",)), 5, "leaks", "2 cases stand on both sides"),
        (Leakage("leaks", patients=("p",)), 5, "leaks", "1 patient stands on both sides"),
        (Leakage("leaks", images=("i",)), 0, "leaks", "1 image stands on both sides"),
        (Leakage("clean"), 0, "unknown", "which case an image comes from"),
        (None, 5, "unknown", "which images the model was trained on"),
    ],
)
def test_the_verdict_is_in_plain_words(leakage: Leakage | None, cases: int, kind: str, words: str) -> None:
    verdict = judge(leakage, unit="image", cases=cases)
    assert verdict.kind == kind
    assert words in f"{verdict.title} {verdict.text}"


# Colours


def themes() -> dict[str, dict[str, str]]:
    style = (resources.files("breakhis.report") / "templates" / "style.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)[:2]
    read = [dict(re.findall(r"--([\w-]+): (#\w{6}|\d+%);", block)) for block in (light, dark)]
    return {"light": read[0], "dark": {**read[0], **read[1]}}


def channels(colour: str) -> np.ndarray:
    return np.array([int(colour[index : index + 2], 16) for index in (1, 3, 5)]) / 255


def contrast(first: np.ndarray, second: np.ndarray) -> float:
    """Contrast ratio of WCAG 2.2."""
    light = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (first, second)]
    low, high = sorted(float(one @ [0.2126, 0.7152, 0.0722]) + 0.05 for one in light)
    return high / low


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_meets_wcag_aa(theme: str) -> None:
    colours = {name: channels(value) for name, value in themes()[theme].items() if value.startswith("#")}
    pairs = [(text, ground) for text in ("ink", "soft") for ground in ("paper", "ground")]
    pairs += [(text, "paper") for text in ("accent", "benign", "malignant", "leaks", "clean", "unknown")]
    pairs += [
        (f"{text}", f"{kind}-ground") for kind in ("leaks", "clean", "unknown") for text in (kind, "ink")
    ]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (theme, text, ground)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("cell", ["accent", "soft", "malignant"])
def test_figures_stay_readable_on_the_darkest_cell(theme: str, cell: str) -> None:
    values = themes()[theme]
    heat = float(values["heat"].rstrip("%")) / 100
    mixed = heat * channels(values[cell]) + (1 - heat) * channels(values["ground"])
    assert contrast(channels(values["ink"]), mixed) >= 4.5, (theme, cell)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_benign_and_malignant_differ_to_the_colour_blind(theme: str) -> None:
    """Seen without red or without green, the two hues stay far apart (Viénot et al., 1999)."""
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    linear = [np.power(channels(themes()[theme][name]), 2.2) for name in ("benign", "malignant")]
    for simulate in (protan, deutan):
        seen = [np.power(np.clip(simulate @ colour, 0, 1), 1 / 2.2) for colour in linear]
        assert np.abs(seen[0] - seen[1]).max() > 0.3
