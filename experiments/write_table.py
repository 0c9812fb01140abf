"""Write the table and the figure of docs/recipe.md from the runs' own JSON.

Usage: python experiments/write_table.py
"""

import json
from pathlib import Path
from typing import Any

from breakhis.files import write_between

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "recipe.md"
FIGURE = ROOT / "docs" / "images" / "recipe-learning-curve.png"
RESULTS = ROOT / "experiments" / "results"

HEADINGS = {
    "selection": "Chosen by nested validation",
    "leaders": "Leading recipes",
    "product": "The shipped recipe on eight views, features as the product caches them",
    "calibration": "Calibration without inner folds",
    "by-image": "The same recipes, split by image (for the twin table only: such a split leaks)",
    "bags": "Bags: fits on parts of the cases, averaged",
    "taps": "Taps",
    "tap-experts": "One expert a tap, scores averaged",
    "weights": "Weights and priors: macro-F1 against accuracy",
    "penalty": "Components and penalties",
    "between-cases": "Against the differences between cases",
    "heads": "Non-linear heads on the same features",
    "views": "One view",
    "views-more": "Views, scales, stain",
    "other-features": "Other features",
    "screen-1view": "First screen, on one view",
    "distilled": "Many models distilled into one",
    "adversarial": "Against the case: its gradient reversed",
    "warm-up": "Warm-up without labels",
    "finetune": "Fine-tuning from cached cuts",
    "pooled-cases": "Another task: all images of a case answered together",
    "learning-curve": "Learning curve",
}
METRICS = {"macro_f1": "macro-F1", "accuracy": "accuracy", "malignancy_accuracy": "malignancy", "ece": "ECE"}
BARS = {"macro_f1": 0.33, "accuracy": 0.48, "malignancy_accuracy": 0.88}


def runs(group: str) -> list[dict[str, Any]]:
    """The recorded runs of a group, in the order in which they were made."""
    file = RESULTS / f"{group}.json"
    found: list[dict[str, Any]] = json.loads(file.read_text("utf-8")) if file.exists() else []
    return found


def cell(run: dict[str, Any], name: str) -> str:
    """Mean over seeds and interval; a calibration error without a fitted temperature is in brackets."""
    metric = run["metrics"].get(name)
    if metric is None:
        return "-"
    low, high = metric["ci95"]
    text = f"{metric['mean']:.3f} [{low:.2f} {high:.2f}]"
    return f"({text})" if name == "ece" and run["temperature"] == "none" else text


def section(group: str, heading: str) -> str:
    """Heading and table of a group; a run that was cut has its reason instead of numbers."""
    lines = [
        f"### {heading}",
        "",
        f"| recipe | unit | seeds | {' | '.join(METRICS.values())} |",
        "|---|---|---|" + "---|" * len(METRICS),
    ]
    for run in runs(group):
        cells = [cell(run, name) for name in METRICS] if run["metrics"] else [run["outcome"], "-", "-", "-"]
        lines.append(f"| {run['name']} | {run['unit']} | {len(run['seeds'])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw() -> None:
    """The learning curve as PNG."""
    from matplotlib.figure import Figure

    found = sorted(runs("learning-curve"), key=lambda run: float(run["config"]["training_cases"]))
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    cases = [run["config"]["training_cases"] for run in found]
    for name, bar in BARS.items():
        values = [run["metrics"][name]["mean"] for run in found]
        low, high = zip(*(run["metrics"][name]["ci95"] for run in found), strict=True)
        (line,) = axes.plot(cases, values, marker="o", label=METRICS[name])
        axes.fill_between(cases, low, high, alpha=0.12, color=line.get_color())
        axes.axhline(bar, color=line.get_color(), linestyle=":", linewidth=1)
    axes.set(xlabel="training cases", ylabel="pooled out of fold, by case", ylim=(0, 1))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110, metadata={"Software": None})


def main() -> None:
    """Replace what stands between the marks of the page."""
    known = {file.stem for file in RESULTS.glob("*.json")}
    unknown = known - set(HEADINGS)
    if unknown:
        raise SystemExit(f"results without a heading: {', '.join(sorted(unknown))}; add one to HEADINGS")
    count = sum(len(runs(group)) for group in known)
    parts = [section(group, heading) for group, heading in HEADINGS.items() if group in known]
    intro = f"{count} recorded runs; brackets after a number: its 95 % interval over cases."
    write_between(PAGE, "experiments/write_table.py", "\n\n".join([intro, *parts]))
    draw()


if __name__ == "__main__":
    main()
