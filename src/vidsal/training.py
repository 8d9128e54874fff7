"""Training: recipes and the trainer. `from vidsal.training import load_recipe`."""

from __future__ import annotations

from vidsal.baselines.training.recipe import Recipe, load_recipe, names, read_recipe

__all__ = ["Recipe", "load_recipe", "names", "read_recipe"]
