"""Which arithmetic a model answers in: only one that was held against the network and found faithful."""

from typing import Final

from breakhis.bundle import Bundle
from breakhis.engine import Precision, supported_precisions
from breakhis.errors import UsageError

INT8_MEMBERS: Final = ("int8.xml", "int8.bin")
"""Members of a bundle that hold its quantised graph, OpenVINO IR."""


def available_precisions(bundle: Bundle) -> tuple[Precision, ...]:
    """What this processor computes in and the bundle holds, the most exact first."""
    quantised: tuple[Precision, ...] = ("int8",) if set(INT8_MEMBERS) <= set(bundle.members) else ()
    return (*supported_precisions(), *quantised)


def choose_precision(bundle: Bundle, wanted: Precision | None = None) -> Precision:
    """`wanted`, or the fastest faithful precision: by the images/s that were measured beside its parity.

    Raises:
        UsageError: This processor or the bundle lacks `wanted`, or it was not found faithful. Without any
            record (a bundle of an earlier version) float32 is taken as faithful.
    """
    parity = bundle.manifest["parity"]
    available = available_precisions(bundle)
    faithful = [name for name in available if parity.get(name, {"faithful": name == "float32"})["faithful"]]
    if wanted is None and faithful:
        return max(faithful, key=lambda name: parity.get(name, {}).get("images_per_second", 0.0))
    if wanted in faithful:
        return wanted
    name = wanted or "float32"
    if name == "int8" and name not in available:
        found = "no quantised graph in it"
    elif name not in available:
        found = "a processor that does not compute in it"
    elif name not in parity:
        found = f"no parity of {name} in it"
    else:
        found = _shortfall(parity[name])
    raise UsageError(
        f"a bundle that answers faithfully in {name} on this machine",
        found=found,
        fix=f"choose among {', '.join(faithful)}" if faithful else "use --engine keras",
    )


def _shortfall(record: dict[str, object]) -> str:
    moved = record.get("moved")
    metrics = f", moved {', '.join(map(str, moved))}" if isinstance(moved, list) and moved else ""
    return (
        f"one under its bar: top-1 agreement {record.get('top1_agreement')}, largest difference "
        f"{record.get('max_difference')}{metrics}"
    )
