"""The service: a page for people and REST for programs, answered by one engine that all of them share."""

from breakhis.serve.app import create_app
from breakhis.serve.limits import Limits
from breakhis.serve.server import address, listen, serve

__all__ = ["Limits", "address", "create_app", "listen", "serve"]
