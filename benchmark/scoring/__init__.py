"""Scoring one frame: inputs checked, brought to the grid of the truth, handed to the metrics."""
