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

_POOR = 0.1
_CONFUSIONS = 6
_WORTH_SAYING = 0.2


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
        repeated=metrics.get("repeated"),
        failures=_failures(metrics),
    )


def _failures(metrics: Mapping[str, Any]) -> list[str]:
    """What the test set shows that the model cannot do: subtypes it misses, and what it takes them for."""
    if not metrics.get("confusion") or not metrics.get("per_class"):
        return []
    codes, lines = list(metrics["per_class"]), []
    for code, item in metrics["per_class"].items():
        f1 = item["f1"]["value"]
        if f1 is not None and f1 < _POOR:
            support = f"{item['images']} images of {item['cases']} cases"
            lines.append(f"{code} is hardly recognised: F1 {_metric(item['f1'])}, from {support}.")
    shares = [
        (wrong / max(sum(row), 1), truth, answer)
        for truth, row in zip(codes, metrics["confusion"], strict=True)
        for answer, wrong in zip(codes, row, strict=True)
        if answer != truth
    ]
    for share, truth, answer in sorted(shares, reverse=True)[:_CONFUSIONS]:
        if share >= _WORTH_SAYING:
            lines.append(f"{share:.0%} of the {truth} images are taken for {answer}.")
    return lines


def _metric(value: Mapping[str, Any]) -> str:
    """A number with its 95 % interval in brackets."""
    if value["value"] is None:
        return "not defined"
    interval = f"{value['ci95'][0]:.3f} to {value['ci95'][1]:.3f}" if value["ci95"] else "no interval"
    return f"{value['value']:.3f} ({interval})"
