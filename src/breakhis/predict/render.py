"""Answers as text for people; without a table library, because a single answer should not wait for one."""

from breakhis.predictions import Predictions

_NAME_WIDTH = 48


def answer_table(answers: Predictions, *, of: str = "image") -> str:
    """One line an answer: its subtype, then the probability of malignancy and of every class, in per cent.

    Args:
        answers: Of images, or pooled.
        of: What a line stands for.
    """
    taxonomy = answers.taxonomy
    malignant = ["malignant"] if taxonomy.has_malignancy else []
    lines = [[of, "answer", *malignant, *taxonomy.codes]]
    for row, path in enumerate(answers.paths.tolist()):
        reason = str(answers.reasons[row])
        answer = f"none: {reason}" if reason else taxonomy.names[int(answers.labels[row])]
        sums = [answers.malignancy[row]] if malignant else []
        shares = [f"{value:.1%}" for value in (*sums, *answers.probabilities[row])]
        lines.append([_shortened(path), answer, *shares])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _shortened(path: str) -> str:
    return path if len(path) <= _NAME_WIDTH else f"…{path[1 - _NAME_WIDTH :]}"


def _line(cells: list[str], widths: list[int]) -> str:
    """Names to the left, numbers to the right."""
    names = [cell.ljust(width) for cell, width in zip(cells[:2], widths, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*names, *numbers])
