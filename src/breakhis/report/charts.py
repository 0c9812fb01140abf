"""Charts of a report as inline SVG: they take numbers and give markup that the style sheet colours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from breakhis.metrics import Metric
from breakhis.metrics.calibration import Reliability
from breakhis.metrics.selective import RiskCoverage
from breakhis.report.history import History
from breakhis.report.svg import Point, Scale, dot, drawing, element, line, path, rectangle, text

_WIDTH, _HEIGHT = 400.0, 262.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 10.0, 26.0, 46.0
_UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class _Frame:
    """The axes of a chart: where values lie, and the grid behind them."""

    x: Scale
    y: Scale
    titles: tuple[str, str]
    whole: bool = False

    @classmethod
    def of(
        cls,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        titles: tuple[str, str],
        whole: bool = False,
    ) -> "_Frame":
        return cls(Scale(*x, _LEFT, _WIDTH - _RIGHT), Scale(*y, _HEIGHT - _BOTTOM, _TOP), titles, whole)

    def at(self, x: float, y: float) -> Point:
        return self.x(x), self.y(y)

    def grid(self) -> list[Markup]:
        marks = []
        for value in self.y.ticks():
            place = self.y(value)
            marks.append(line((_LEFT, place), (_WIDTH - _RIGHT, place), class_="grid"))
            marks.append(text((_LEFT - 8, place + 4), f"{value:g}", class_="tick", anchor="end"))
        for value in self.x.ticks(8 if self.whole else 5):
            if not self.whole or value == int(value):
                at = (self.x(value), _HEIGHT - _BOTTOM + 18)
                marks.append(text(at, f"{value:g}", class_="tick", anchor="middle"))
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        marks.append(text((middle, _HEIGHT - 6), self.titles[0], class_="axis", anchor="middle"))
        marks.append(text((2.0, 12.0), self.titles[1], class_="axis"))
        return marks


def curves(history: History, name: str) -> Markup:
    """Training and validation curve of "loss" or "accuracy"; kept epoch, rate drops and phases are marked."""
    lines = [history.curve(name), history.curve(f"val_{name}")]
    values = [value for points in lines for _, value in points] or [0.0]
    top = 1.0 if name == "accuracy" else max(values) * 1.04
    numbers = [epoch.epoch for epoch in history.epochs]
    titles = ("epoch", "accuracy (share of images)" if name == "accuracy" else "loss (nats)")
    frame = _Frame.of((min(numbers), max(numbers)), (0.0, top), titles=titles, whole=True)
    drawn = [path([frame.at(*p) for p in points], class_=f"line {who}") for points, who in _named(lines)]
    # A single epoch has no line to draw; the last point also tells the two ends apart.
    ends = [dot(frame.at(*points[-1]), class_=f"mark {who}") for points, who in _named(lines) if points]
    return drawing(
        *_phases(history, frame),
        *frame.grid(),
        *_events(history, frame),
        *drawn,
        *ends,
        size=(_WIDTH, _HEIGHT),
        label=f"Training and validation {name} over {len(numbers)} epochs",
        class_="chart",
    )


def _named(lines: list[list[tuple[int, float]]]) -> list[tuple[list[tuple[int, float]], str]]:
    return list(zip(lines, ("training", "validation"), strict=True))


def _phases(history: History, frame: _Frame) -> list[Markup]:
    """Every second phase stands on a tinted band."""
    marks = []
    for index, (name, first, last) in enumerate(history.phases):
        left, right = frame.x(first - 0.5), frame.x(last + 0.5)
        if index % 2:
            size = (right - left, _HEIGHT - _TOP - _BOTTOM)
            marks.append(rectangle((left, _TOP), size, class_="phase"))
        if len(history.phases) > 1:
            marks.append(text((left + 5, _HEIGHT - _BOTTOM - 6), name, class_="tick"))
    return marks


def _events(history: History, frame: _Frame) -> list[Markup]:
    bottom = _HEIGHT - _BOTTOM
    marks = [
        path([(frame.x(drop) - 4, bottom - 7), (frame.x(drop) + 4, bottom - 7), (frame.x(drop), bottom)],
             class_="drop")
        for drop in history.drops
    ]  # fmt: skip
    if history.kept is not None:
        place = frame.x(history.kept)
        anchor = "end" if place > _WIDTH / 2 else "start"
        marks.append(line((place, _TOP), (place, bottom), class_="kept"))
        offset = -6 if anchor == "end" else 6
        marks.append(text((place + offset, _TOP + 10), f"kept: {history.kept}", class_="note", anchor=anchor))
    return marks


def reliability_chart(bins: Reliability) -> Markup:
    """Accuracy against confidence of the non-empty bins; a dot's area is its share of the images."""
    frame = _Frame.of(_UNIT, _UNIT, titles=("confidence", "share answered correctly"))
    most = max(bins.images)
    marks = [path([frame.at(0, 0), frame.at(1, 1)], class_="diagonal")]
    for images, confidence, accuracy in zip(bins.images, bins.confidence, bins.accuracy, strict=True):
        if confidence is not None and accuracy is not None:
            at = frame.at(confidence, accuracy)
            marks.append(line(at, frame.at(confidence, confidence), class_="stem"))
            marks.append(dot(at, class_="mark accent", radius=2.5 + 7.5 * (images / most) ** 0.5))
    size = (_WIDTH, _HEIGHT)
    label = "Share answered correctly against confidence; on the diagonal a probability means what it says"
    return drawing(*frame.grid(), *marks, size=size, label=label, class_="chart")


def risk_chart(curve: RiskCoverage) -> Markup:
    """Error among answered images against the share answered, from the surest answers on."""
    top = max(*curve.risk, 0.1)
    frame = _Frame.of(_UNIT, (0.0, top), titles=("share of images answered", "share of them wrong"))
    points = [frame.at(*point) for point in zip(curve.coverage, curve.risk, strict=True)]
    size = (_WIDTH, _HEIGHT)
    label = "Share of wrong answers against the share of images answered, surest first"
    return drawing(*frame.grid(), path(points, class_="line accent"), size=size, label=label, class_="chart")


def whisker(metric: Metric, class_: str = "accent", *, large: bool = False) -> Markup:
    """A number in [0, 1] as a dot on its interval, to stand in a table row or, `large`, alone."""
    width, middle = 132.0, 9.0
    scale = Scale(*_UNIT, 5, width - 5)
    return drawing(
        line((scale(0), middle), (scale(1), middle), class_="track"),
        *(line((scale(end), 5), (scale(end), 13), class_="track") for end in (0, 0.5, 1)),
        *_interval(metric, scale, middle, class_),
        size=(width, 2 * middle),
        label=spoken(metric),
        class_="whisker large" if large else "whisker",
    )


def difference(metric: Metric) -> Markup:
    """A difference in [-1, 1] as a dot on its interval, to stand in a table row; the long mark is 0."""
    scale, middle = Scale(-1.0, 1.0, 5, 127), 9.0
    marks = [line((scale(-1), middle), (scale(1), middle), class_="track")]
    marks.append(line((scale(0), 0), (scale(0), 18), class_="zero"))
    marks += _interval(metric, scale, middle, "accent")
    return drawing(*marks, size=(132, 18), label=spoken(metric), class_="whisker")


def pair_bars(first: Metric, second: Metric) -> Markup:
    """Two numbers in [0, 1] as bars, one above the other, with their intervals."""
    scale = Scale(*_UNIT, 1, 179)
    marks = [line((scale(end), 0), (scale(end), 30), class_="track") for end in (0, 0.5, 1)]
    for metric, top, class_ in ((first, 2.0, "by-image"), (second, 16.0, "by-case")):
        if metric.value is not None:
            size = (scale(metric.value) - scale(0), 12.0)
            marks.append(rectangle((scale(0), top), size, class_=f"bar {class_}"))
            marks += _interval(metric, scale, top + 6, "over", radius=0)
    label = f"first {spoken(first)}; second {spoken(second)}"
    return drawing(*marks, size=(180, 30), label=label, class_="pair")


def gap_chart(columns: Sequence[tuple[str, Metric]]) -> Markup:
    """Numbers of several splits on one scale from 0 to 1, each with its interval; the gap is shaded.

    Positions are shares of the width, so that the writing keeps its size on every screen.

    Args:
        columns: Name of the unit and its metric, the leaking split first.
    """
    row, top = 46.0, 4.0
    bottom = top + row * len(columns)
    values = [metric.value for _, metric in columns if metric.value is not None]
    marks = []
    if len(values) > 1:
        low, high = min(values), max(values)
        marks.append(element("rect", x=_share(low), y=top, width=_share(high - low), height=bottom - top,
                             class_="gap"))  # fmt: skip
    for tick in Scale(*_UNIT, 0, 1).ticks():
        at = _share(tick)
        marks.append(element("line", x1=at, x2=at, y1=top, y2=bottom, class_="grid"))
        anchor = "start" if tick == 0 else "end" if tick == 1 else "middle"
        marks.append(element("text", f"{tick:g}", x=at, y=bottom + 18, class_="tick", text_anchor=anchor))
    for index, (unit, metric) in enumerate(columns):
        marks += _wide_interval(unit, metric, top + row * index + 30)
    label = "; ".join(f"by {unit} {spoken(metric)}" for unit, metric in columns)
    height = int(bottom + 24)
    return element("svg", *marks, role="img", aria_label=label, class_="wide", height=height)


def share_bar(metric: Metric, class_: str) -> Markup:
    """A share in [0, 1] as one filled bar as wide as its box, with its interval."""
    marks = [element("rect", width="100%", height=22, class_="empty")]
    if metric.value is not None:
        marks.append(element("rect", width=_share(metric.value), height=22, class_=f"bar {class_}"))
    if metric.ci95 is not None:
        low, high = (_share(bound) for bound in metric.ci95)
        marks.append(element("line", x1=low, x2=high, y1=11, y2=11, class_="interval over"))
    return element("svg", *marks, role="img", aria_label=spoken(metric), class_="share")


def spoken(metric: Metric) -> str:
    """Value and interval in words, for those who cannot see the drawing."""
    if metric.value is None:
        return "undefined"
    if metric.ci95 is None:
        return f"{metric.value:.3f}, without interval"
    low, high = metric.ci95
    return f"{metric.value:.3f}, 95 % interval {low:.3f} to {high:.3f}"


def _interval(
    metric: Metric, scale: Scale, middle: float, class_: str, *, radius: float = 4.5
) -> list[Markup]:
    marks = []
    if metric.value is not None and metric.ci95 is not None:
        low, high = (scale(bound) for bound in metric.ci95)
        marks.append(line((low, middle), (high, middle), class_=f"interval {class_}"))
    if metric.value is not None and radius:
        marks.append(dot((scale(metric.value), middle), class_=f"mark {class_}", radius=radius))
    return marks


def _wide_interval(unit: str, metric: Metric, middle: float) -> list[Markup]:
    if metric.value is None:
        return []
    marks = []
    if metric.ci95 is not None:
        low, high = (_share(bound) for bound in metric.ci95)
        marks.append(element("line", x1=low, x2=high, y1=middle, y2=middle, class_=f"interval by-{unit}"))
    at, anchor = _share(metric.value), "end" if metric.value > 0.5 else "start"
    marks.append(element("circle", cx=at, cy=middle, r=7, class_=f"mark by-{unit}"))
    marks.append(element("text", f"by {unit}", x=at, y=middle - 13, text_anchor=anchor))
    return marks


def _share(value: float) -> str:
    return f"{100 * min(max(value, 0.0), 1.0):.2f}%"


CHARTS: dict[str, Callable[..., Markup]] = {
    "curves": curves,
    "reliability_chart": reliability_chart,
    "risk_chart": risk_chart,
    "whisker": whisker,
    "difference": difference,
    "pair_bars": pair_bars,
    "gap_chart": gap_chart,
    "share_bar": share_bar,
}
"""What templates may call."""
