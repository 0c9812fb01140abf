"""The model that comes with the package."""

from pathlib import Path
from typing import Final

SHIPPED_MODEL: Final = Path(__file__).parents[1] / "models" / "breakhis.zip"
"""The bundle that is used where none is named; absent from a build without a model."""
