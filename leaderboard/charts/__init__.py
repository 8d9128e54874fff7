"""Drawings of a site: numbers to coordinates, here; coordinates to SVG, in the templates. Pure functions."""
