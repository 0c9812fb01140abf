"""The Bundle: a trained model in one zip that leaves the machine, and says what it was measured on."""

from breakhis.bundle.bundle import Bundle, BundleContents, package_versions

__all__ = ["Bundle", "BundleContents", "package_versions"]
