"""From a folder or a manifest to a Catalog: names, scan, fetch, audit, synthetic data."""

from breakhis.catalog.names import ImageName, parse_name
from breakhis.catalog.scan import scan
from breakhis.catalog.table import Catalog

__all__ = ["Catalog", "ImageName", "parse_name", "scan"]
