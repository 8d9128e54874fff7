"""Stored predictions: written, checked, read as if a model made them now."""
