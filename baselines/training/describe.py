"""A recipe in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .recipe import Recipe


def explain(recipe: Recipe) -> str:
    """Return a recipe as text: settings, options, and where it departs from its origin."""
    lines = [
        f"{recipe.name}: {recipe.summary}",
        f"model    {recipe.model}",
        f"origin   {recipe.origin}",
        f"digest   {recipe.digest}",
        "",
    ]
    for table, values in recipe.settings.items():
        if isinstance(values, Mapping) and table != "options" and values:
            lines += [table, *(f"  {key} = {value}" for key, value in _flat(values)), ""]
    lines.append("options")
    for name, option in recipe.declared.items():
        lines.append(f"  {name} = {recipe.options[name]}: {option.help} ({option.expected()})")
    lines += ["", "departs from its origin", *(f"  - {sentence}" for sentence in recipe.departs)]
    return "\n".join(lines)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
