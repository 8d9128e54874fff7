"""The recipe that `vidsal gate --init` writes: what a project needs to hold its scores at every push."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from vidsal._version import __version__
from vidsal.loaders.io.files import atomic_write

RECIPE = {
    ".github/workflows/vidsal_scores.yml": "scores_workflow.yml",
    "tests/test_vidsal_scores.py": "scores_test.py.txt",
    "vidsal_tolerances.toml": "scores_tolerances.toml",
}
"""Each file of a project, and the template that comes with the package."""


def write_recipe(folder: Path) -> dict[str, bool]:
    """Write the files of the recipe that are not there.

    Args:
        folder: the project's root; made if it is not there.

    Returns:
        Each path below it, and whether it was written; a file that is there stays as it is.
    """
    written = {}
    for path, template in RECIPE.items():
        text = files("vidsal").joinpath("templates", template).read_text(encoding="utf-8")
        target = folder / path
        written[path] = not os.path.lexists(target)
        if written[path]:
            with atomic_write(target) as temporary:
                temporary.write_text(text.replace("VERSION", __version__), encoding="utf-8")
    return written
