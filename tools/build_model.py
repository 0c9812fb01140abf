"""Build the model that ships with the package, and write docs/model.md from what was built.

Usage: python tools/build_model.py DATA --weights W [--recipe linear] [--out src/breakhis/models/breakhis.zip]
"""

import argparse
import io
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from breakhis.bundle import SHIPPED_MODEL, Bundle
from breakhis.config import load_config
from breakhis.files import write_text
from breakhis.workflows.build import Plan, build_model
from breakhis.workflows.prepare import Source, prepare_source

PAGE = Path(__file__).parents[1] / "docs" / "model.md"
COMMAND = "make model DATA=BreaKHis_v1 WEIGHTS=densenet121_imagenet_notop.weights.h5"
HEADLINES = ("macro_f1", "accuracy", "malignancy_accuracy", "ece")


class Log:
    """A listener that writes plain lines to stderr and keeps them."""

    def __init__(self) -> None:
        self.kept = io.StringIO()
        self.started = time.monotonic()

    def say(self, message: str) -> None:
        line = f"{time.monotonic() - self.started:6.0f} s  {message}"
        print(line, file=sys.stderr, flush=True)
        self.kept.write(line + "\n")

    def stage(self, label: str) -> Callable[[int, int], None]:
        return lambda *_: None

    def batch_done(
        self, phase: str, *, epoch: int, epochs: int, share: float, logs: dict[str, float]
    ) -> None:
        """Nothing is trained in batches here."""

    def epoch_done(self, row: dict[str, Any], *, epochs: int) -> None:
        self.say(
            f"fitted: loss {row['loss']:.4f}, accuracy {row['accuracy']:.3f}; held out: loss "
            f"{row['val_loss']:.4f}, accuracy {row['val_accuracy']:.3f}"
        )


def page(bundle: Bundle, log: str) -> str:
    """docs/model.md: how it was built, what each seed gave, the card and the log."""
    repeated = bundle.metrics["repeated"]
    rows = [
        "| metric | "
        + " | ".join(f"seed {seed}" for seed in repeated["seeds"])
        + " | mean | 95 % over cases |"
    ]
    rows.append("|---" * (len(repeated["seeds"]) + 3) + "|")
    for name in HEADLINES:
        values = " | ".join(f"{value:.3f}" for value in repeated["values"][name])
        metric = bundle.metrics[name]
        low, high = metric["ci95"]
        rows.append(f"| {name} | {values} | {metric['value']:.3f} | {low:.3f} to {high:.3f} |")
    table = "\n".join(rows)
    size = bundle.path.stat().st_size / 1e6
    return f"""# The shipped model

Written by `tools/build_model.py` from the bundle that it made; do not edit.

```sh
{COMMAND}
```

The same data, weights and versions give the same weights: SHA-256 of the stored weights
`{bundle.weights_hash}`, of the whole bundle `{bundle.hash}`, {size:.1f} MB.
`breakhis predict`, `explain` and `serve` use it where no `--model` is named, and `--weights breakhis` starts
other training from its backbone.

## Every seed

{repeated["folds"]} folds by case, pooled out of fold. The interval is that of the mean over seeds, each seed
measured on the same resampled cases.

{table}

## Log

```
{log.rstrip()}
```

## Card

{bundle.card.replace(chr(10) + "#", chr(10) + "##").replace("# ", "### ", 1)}"""


def main() -> None:
    """Build, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--weights", required=True, help="imagenet, or weights of DenseNet121 without its top"
    )
    parser.add_argument("--recipe", default="linear")
    parser.add_argument("--out", type=Path, default=SHIPPED_MODEL)
    parser.add_argument(
        "--folds", type=Path, help="folder to keep the folds in; finished ones are not repeated"
    )
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    config = load_config(given.recipe, overrides={"model.weights": given.weights})
    log = Log()
    with TemporaryDirectory() as temporary:
        prepared = prepare_source(Source(given.data), config.images, log)
        log.say(f"{len(prepared.catalog)} images; {config.summary()}")
        plan = Plan(config, created=datetime.now(UTC).date())
        bundle = build_model(
            prepared, plan, out=given.out, folder=given.folds or Path(temporary), listener=log
        )
    log.say(f"weights {bundle.weights_hash}, temperature {bundle.temperature:.3f}")
    write_text(given.page, page(bundle, log.kept.getvalue()))
    print(bundle.summary())


if __name__ == "__main__":
    main()
