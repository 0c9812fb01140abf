"""Breast-cancer histology classification, honest by case."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from breakhis.predict import Predictor

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    # Lazy, so that the command line's help does not pay for the engine.
    if name == "Predictor":
        from breakhis.predict import Predictor

        return Predictor
    raise AttributeError(f"module 'breakhis' has no attribute {name!r}")
