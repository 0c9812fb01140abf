"""Write the results table of README.md from what `breakhis twin` measured.

Usage: python tools/write_results.py TWIN/twin.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from breakhis.files import write_between

README = Path(__file__).parents[1] / "README.md"


def cell(metric: dict[str, Any]) -> str:
    """Value and interval of a metric's JSON."""
    low, high = metric["ci95"]
    return f"{metric['value']:.2f} [{low:.2f}, {high:.2f}]"


def table(twin: dict[str, Any]) -> str:
    """The Markdown table of a twin."""
    names = ("macro_f1", "accuracy", "malignancy_accuracy")
    lines = [
        "| split by | leakage | macro F1 | accuracy | malignancy accuracy | nearest image of same case |",
        "|---|---|---|---|---|---|",
    ]
    for column in twin["columns"]:
        evaluation = column["evaluation"]
        cells = [cell(evaluation[name]) for name in names] + [cell(column["nearest_same_case"])]
        lines.append(f"| {column['unit']} | {column['leakage']['verdict']} | {' | '.join(cells)} |")
    cases = twin["columns"][-1]["evaluation"]["cases"]
    lines.append(
        f"\nRecipe `{twin['recipe']}`, seed {twin['seed']}, {twin['folds']} folds, pooled answers for "
        f"{twin['images']} images of {cases} cases (BreaKHis has 7,909 and 70); in brackets, 95 % "
        "intervals by bootstrap over cases. Written by `breakhis twin DATA --out TWIN` and "
        "`python tools/write_results.py TWIN/twin.json`."
    )
    return "\n".join(lines)


def main() -> None:
    """Replace the table between the marks in README.md."""
    twin = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    write_between(README, "tools/write_results.py", table(twin))


if __name__ == "__main__":
    main()
