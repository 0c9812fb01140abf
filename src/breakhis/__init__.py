"""Breast-cancer histology classification, honest by case."""

__version__ = "0.1.0"
