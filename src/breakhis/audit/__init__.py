"""The audit of a copy of the data, and of a split of it."""

from breakhis.audit.audit import Audit, AuditOptions, audit
from breakhis.audit.findings import Finding

__all__ = ["Audit", "AuditOptions", "Finding", "audit"]
