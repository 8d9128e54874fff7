"""How Sphinx builds the documentation site: the pages of this folder, and the reference written from the declarations.

Nothing is fetched: no fonts, no scripts of others, no inventories.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "figures"), str(HERE.parent / "src")]

from reference_pages import write_all  # noqa: E402

from vidsal._version import __version__  # noqa: E402

project = "vidsal"
author = "The vidsal founders"
copyright = author  # noqa: A001
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["figures", "_build"]
html_theme = "furo"
html_title = "vidsal"
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e4f", "color-brand-content": "#0b6e4f"},
    "dark_css_variables": {"color-brand-primary": "#5fd0a5", "color-brand-content": "#5fd0a5"},
}
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike"}
autodoc_preserve_defaults = True
suppress_warnings = ["misc.highlighting_failure"]

REFERENCE = HERE / "reference"
GUIDES = {
    "Tutorials": [
        "any_video",
        "score_my_model",
        "look_at_predictions",
        "using_the_data",
        "my_own_recordings",
        "train_a_model",
        "keep_a_score_in_ci",
        "publish_a_board",
        "results",
    ],
    "Explanations": [
        "why_scores_differ",
        "statistics",
        "data_sets",
        "models",
        "protocols",
        "architecture",
        "release_checklist",
    ],
}
"""Pages in the order of the side bar; others follow by name."""
ROOMS = {"data_sets": "Data sets", "models": "Models", "metrics": "Metrics", "protocols": "Protocols", "api": "Python"}


def _tree(caption: str, pages: list[str]) -> str:
    return f"\n```{{toctree}}\n:caption: {caption}\n:hidden:\n:maxdepth: 1\n\n" + "\n".join(pages) + "\n```\n"


def _contents(written: list[str]) -> str:
    """The side bar: the guides of this folder, then the rooms of the reference."""
    here = sorted(p.stem for p in HERE.glob("*.md") if p.stem != "index")
    named = [name for names in GUIDES.values() for name in names]
    guides = {**GUIDES, "Explanations": GUIDES["Explanations"] + [p for p in here if p not in named]}
    trees = [_tree(caption, [p for p in pages if p in here]) for caption, pages in guides.items()]
    trees += [
        _tree(f"Reference: {title}", [f"reference/{p}" for p in written if p.startswith(f"{room}/")])
        for room, title in ROOMS.items()
    ]
    return "".join([*trees, _tree("Project", ["reference/contributing", "reference/changelog"])])


def setup(app: Any) -> None:
    """Write the reference, and adapt what is written for readers of the repository to the site."""
    written = write_all(REFERENCE)

    def adapt(_: Any, page: str, text: list[str]) -> None:
        text[0] = re.sub(r"\]\((?:\.\./)+(CONTRIBUTING|CHANGELOG)\.md", _to_reference(page), text[0])
        text[0] = re.sub(r"\[([^\]]+)\]\((?:figures|[\w./]+\.py)\)", r"`\1`", text[0])
        if page == root_doc:
            text[0] += _contents(written)

    app.connect("source-read", adapt)


def _to_reference(page: str) -> Any:
    up = "../" * page.count("/")
    return lambda found: f"]({up}reference/{found[1].lower()}.md"
