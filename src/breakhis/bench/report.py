"""What a run of the benchmarks found, as JSON and as the page docs/benchmarks.md."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from breakhis.bench.timing import Ratio, Timing


@dataclass(frozen=True)
class Bar:
    """What a ratio should reach: at least `value`, or at most where `at_most`; `moonshot` is the wish."""

    value: float
    moonshot: float | None = None
    at_most: bool = False

    def is_met(self, ratio: float) -> bool:
        """Whether a ratio reaches the bar."""
        return ratio <= self.value if self.at_most else ratio >= self.value


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: What was compared with what, ours first.
        ours: Median over the rounds.
        peer: Median over the rounds.
        unit: Of both.
        ratio: How many times better ours is where `bar` is a least value; ours / peer where it is a largest.
        bar: What the ratio should reach; None where nothing was promised.
    """

    what: str
    ours: float
    peer: float
    unit: str
    ratio: Ratio
    bar: Bar | None = None

    @classmethod
    def of_rates(
        cls,
        what: str,
        timings: tuple[Sequence[Timing], Sequence[Timing]],
        *,
        bar: Bar | None = None,
        per_core: bool = False,
    ) -> "Row":
        """Compare images a second (of processor time with `per_core`), ours then the peer's."""
        rates = [[one.rate_per_core if per_core else one.rate for one in side] for side in timings]
        ours, peer = (Ratio.of(side, [1.0] * len(side)).value for side in rates)
        unit = "images/s a core" if per_core else "images/s"
        return cls(what, ours, peer, unit, Ratio.of(rates[0], rates[1]), bar)

    @property
    def verdict(self) -> str:
        """ "met", "missed", or "" without a bar."""
        if self.bar is None:
            return ""
        return "met" if self.bar.is_met(self.ratio.value) else "missed"

    def to_json(self) -> dict[str, Any]:
        """All fields and the verdict."""
        return {**asdict(self), "verdict": self.verdict}


Found = tuple[list[Row], str]
"""What a measure returns: rows, and why something was left out."""


@dataclass(frozen=True)
class Measured:
    """What one measure found.

    Attributes:
        name: As `--only` takes it.
        how: How it was measured, one sentence or more.
        seconds: What it took.
        rows: Its comparisons.
        skipped: Why something was left out; empty where nothing was.
    """

    name: str
    how: str
    seconds: float
    rows: tuple[Row, ...]
    skipped: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields, rows as objects."""
        return {
            "name": self.name,
            "how": self.how,
            "seconds": round(self.seconds, 1),
            "rows": [row.to_json() for row in self.rows],
            "skipped": self.skipped,
        }


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        machine: {fact: value}, see `breakhis.bench.machine`.
        images: What was measured on, one phrase.
        quick: Whether the measures were cut short.
        measured: In the order of running.
    """

    machine: dict[str, str]
    images: str
    quick: bool
    measured: tuple[Measured, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return {
            "machine": self.machine,
            "images": self.images,
            "quick": self.quick,
            "measured": [one.to_json() for one in self.measured],
        }

    def page(self) -> str:
        """The page, Markdown."""
        rows = [row for one in self.measured for row in one.rows]
        quick = " This was a quick run: too short for numbers to be quoted." if self.quick else ""
        parts = [
            "# Benchmarks",
            "Written by `breakhis bench --out docs/benchmarks.md`, never by hand. In each row the ways "
            "took turns in one run, on the same images and weights. A ratio is the "
            f"median over the rounds; in brackets stand the smallest and the largest.{quick}",
            f"Images: {self.images}.",
            "## Bars",
            _table([row for row in rows if row.bar]),
            "## Beside them",
            _table([row for row in rows if row.bar is None]),
            "## How",
            "\n".join(_how(one) for one in self.measured),
            "## Machine",
            "| fact | value |\n|---|---|\n" + "\n".join(f"| {k} | {v} |" for k, v in self.machine.items()),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"


def _how(measured: Measured) -> str:
    skipped = f" Left out: {measured.skipped}." if measured.skipped else ""
    return f"- `{measured.name}` ({measured.seconds:.0f} s): {measured.how}{skipped}"


def _table(rows: list[Row]) -> str:
    if not rows:
        return "Nothing was measured."
    lines = [
        "| what | ours | peer | unit | ratio | bar | moonshot | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = f"{_number(row.ratio.value)} [{_number(row.ratio.low)}, {_number(row.ratio.high)}]"
        cells = [row.what, _number(row.ours), _number(row.peer), row.unit, ratio, *_bar(row.bar), row.verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _bar(bar: Bar | None) -> tuple[str, str]:
    if bar is None:
        return "", ""
    sign = "at most " if bar.at_most else ""
    return f"{sign}{bar.value:g}", "" if bar.moonshot is None else f"{sign}{bar.moonshot:g}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
