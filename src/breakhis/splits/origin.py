"""How a split came about: what its table does not say, and the JSON that does."""

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from breakhis.config import Unit
from breakhis.errors import SplitError

FORMAT = 1


@dataclass(frozen=True)
class Origin:
    """How a split came about.

    Attributes:
        unit: What was kept together; "official" for the published folds, "manual" for a hand-made table.
        seed: Seed of the draw.
        policy: What was done with each oddity that is present, e.g. ``{"13412": "exclude"}``.
        warnings: Sentences that every report repeats.
        source: Name of the file that a split by others was read from; empty otherwise.
    """

    unit: Unit
    seed: int = 0
    policy: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return values


_ADAPTER = TypeAdapter(Origin)


def read_stored(path: Path) -> tuple[Origin, dict[str, Any]]:
    """The origin in a split's JSON, and all of that JSON.

    Raises:
        SplitError: Not the JSON of a split, or of another format.
    """
    try:
        stored = json.loads(path.read_text("utf-8"))
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise ValueError("no such format")
        return _ADAPTER.validate_python(stored), stored
    except ValidationError as error:
        found = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise _unreadable(path, found) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, found: str) -> SplitError:
    return SplitError(
        f"the JSON of a split of format {FORMAT} at {path}",
        found=found,
        fix="restore it, make a new split, or remove it to use the table as hand-made",
    )
