"""The recipe that `vidsal gate --init` writes: what a project needs to hold its scores at every push."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from vidsal._version import __version__

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
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("x", encoding="utf-8") as file:
                file.write(text.replace("VERSION", __version__))
        except FileExistsError:
            written[path] = False
        else:
            written[path] = True
    return written
