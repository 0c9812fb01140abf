"""An audit as text for people."""

from breakhis.audit.audit import Audit
from breakhis.audit.findings import LEAK_KINDS, Finding, count
from breakhis.taxonomy import MAGNIFICATIONS

_LISTED = 10
_LISTED_LEAKS = 100


def render(audit: Audit) -> str:
    """The report: counts, findings from the gravest, and the verdict last, where a terminal shows it."""
    lines = [audit.catalog.summary(), *_official_table(audit), ""]
    for finding in audit.findings:
        lines += _finding_lines(finding)
    lines += [_looked_at(audit), audit.summary()]
    return "\n".join(lines)


def _official_table(audit: Audit) -> list[str]:
    if audit.official is None:
        return ["no name is a BreaKHis name: nothing to compare with the official list"]
    counts = audit.official.to_json()["counts"]
    lines = [
        "images held of the official ones:",
        f"{'':4}" + "".join(f"{f'{z}X':>12}" for z in MAGNIFICATIONS),
    ]
    for code, row in counts.items():
        cells = (row[str(zoom)] for zoom in MAGNIFICATIONS)
        held = "".join("{:>12}".format("{images}/{official}".format(**cell)) for cell in cells)
        lines.append(f"{code:<4}{held}")
    return lines


def _finding_lines(finding: Finding) -> list[str]:
    shown = _LISTED_LEAKS if finding.kind in LEAK_KINDS else _LISTED
    lines = [f"{finding.severity.upper():<8} {finding.message}"]
    lines += [f"{'':9}- {name}" for name in finding.untold[:shown]]
    if len(finding.untold) > shown:
        lines.append(f"{'':9}- and {len(finding.untold) - shown:,} more (--out DIR or --json lists all)")
    return [*lines, f"{'':9}{finding.advice}", ""]


def _looked_at(audit: Audit) -> str:
    readable = count(len(audit.catalog) - len(audit.unreadable), "image")
    if audit.quick:
        return f"decoded {readable}; overlapping fields were NOT searched (--quick)"
    return f"decoded {readable}, compared {count(audit.compared, 'pair')} of fields for overlap"
