"""Whole jobs out of the parts below: train, cross-validate, twin, demo."""
