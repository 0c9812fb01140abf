"""The Bundle: a trained model in one zip that leaves the machine, and says what it was measured on."""

from breakhis.bundle.bundle import Bundle, BundleContents, package_versions
from breakhis.files import SHIPPED_MODEL

__all__ = ["SHIPPED_MODEL", "Bundle", "BundleContents", "package_versions"]
