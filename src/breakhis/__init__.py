"""Breast-cancer histology classification, honest by case."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from breakhis.predict import Predictor

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """Import `Predictor` when it is asked for, so that `import breakhis` stays quick."""
    if name != "Predictor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from breakhis.predict import Predictor

    return Predictor
