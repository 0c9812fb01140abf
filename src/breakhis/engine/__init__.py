"""The fast runtime: the network as an OpenVINO graph, without TensorFlow."""

from breakhis.engine.compiled import Precision, supported_precisions
from breakhis.engine.engine import Engine, EngineOptions, Maps

__all__ = ["Engine", "EngineOptions", "Maps", "Precision", "supported_precisions"]
