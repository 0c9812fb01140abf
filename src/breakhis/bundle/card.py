"""The model card: what the model is, what it was trained and measured on, and what it is not for."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2

from breakhis.evaluate.tables import LABELS

_SHOWN = (
    "accuracy",
    "macro_f1",
    "balanced_accuracy",
    "prr",
    "malignancy_accuracy",
    "malignancy_roc_auc",
    "ece",
)


def model_card(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        manifest: A bundle's manifest.
        metrics: `Evaluation.to_json()` on the test set, or empty.
    """
    environment = jinja2.Environment(
        autoescape=jinja2.select_autoescape(default_for_string=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["metric"] = _metric
    template = (resources.files("breakhis.bundle") / "MODEL_CARD.md.j2").read_text("utf-8")
    split = manifest["split"]
    return environment.from_string(template).render(
        manifest=manifest,
        metrics=metrics,
        shown=[(LABELS[name], metrics[name]) for name in _SHOWN if name in metrics],
        counts=split["counts"][0] if split.get("counts") else {},
    )


def _metric(value: Mapping[str, Any]) -> str:
    """A number with its 95 % interval in brackets."""
    if value["value"] is None:
        return "not defined"
    interval = f" ({value['ci95'][0]:.3f} to {value['ci95'][1]:.3f})" if value["ci95"] else ""
    return f"{value['value']:.3f}{interval}"
