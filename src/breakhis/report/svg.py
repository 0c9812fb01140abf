"""Small pieces of SVG: elements with escaped attributes, linear scales and round ticks.

Colours are never written here: elements carry class names, and the page's style sheet colours them for light,
dark and printed pages.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

Point = tuple[float, float]


def element(name: str, *children: str, **attributes: object) -> Markup:
    """One SVG element.

    Args:
        name: Tag name.
        children: Text (escaped) or Markup (kept).
        attributes: ``class_`` stands for ``class`` and ``_`` for ``-``; None leaves an attribute out, and
            numbers are rounded to a hundredth of a unit.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(str(escape(child)) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")  # noqa: S704 (every part is escaped above)


def drawing(*children: str, size: tuple[float, float], label: str, class_: str) -> Markup:
    """A whole drawing of `size` (width, height) that scales with its box and is read out as `label`."""
    width, height = size
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
        aria_label=label,
        class_=class_,
    )


def text(at: Point, content: str, *, class_: str | None = None, anchor: str | None = None) -> Markup:
    """Text whose baseline begins, or with `anchor` is centred or ends, at a point."""
    return element("text", content, x=at[0], y=at[1], class_=class_, text_anchor=anchor)


def line(start: Point, end: Point, *, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_)


def rectangle(at: Point, size: tuple[float, float], *, class_: str, radius: float | None = None) -> Markup:
    """A rectangle of (width, height) from its upper left corner."""
    return element(
        "rect", x=at[0], y=at[1], width=max(size[0], 0.0), height=size[1], rx=radius, class_=class_
    )


def dot(at: Point, *, class_: str, radius: float = 3.5) -> Markup:
    """A filled circle."""
    return element("circle", cx=at[0], cy=at[1], r=radius, class_=class_)


def path(points: Iterable[Point], *, class_: str) -> Markup:
    """An open line through points."""
    steps = [f"{_number(x)},{_number(y)}" for x, y in points]
    return element("path", d="M" + "L".join(steps), class_=class_) if steps else Markup("")


@dataclass(frozen=True)
class Scale:
    """A linear map from values [low, high] to positions [start, end] of a drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Position of a value; values outside the range are drawn at its edge."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """About `count` round values within the range."""
        span = (self.high - self.low) or 1.0
        power = 10 ** math.floor(math.log10(span / count))
        step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= count)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]


def _number(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
