"""Training: recipes; `vidsal.train` is the trainer. `from vidsal.training import load_recipe`."""

from __future__ import annotations

from vidsal.baselines.training.recipe import (
    Recipe,
    find_recipe,
    load_recipe,
    names,
    parse_options,
    read_recipe,
)

__all__ = ["Recipe", "find_recipe", "load_recipe", "names", "parse_options", "read_recipe"]
