"""Splits whose gaze their authors keep, and where predictions of them are sent."""

from __future__ import annotations

WITHHELD: dict[tuple[str, str], tuple[str, str]] = {
    ("dhf1k", "test"): ("videos 701 to 1000", "https://mmcheng.net/videosal/"),
    ("salicon", "test"): ("the 5,000 test images", "https://competitions.codalab.org/competitions/17136"),
    ("mit300", "all"): ("all images but i210", "https://saliency.tuebingen.ai/"),
}
"""Data set and split -> what is withheld, and the page of those who score it."""


def withheld(dataset: str, split: str | None) -> str:
    """Return a sentence where the gaze of a split is withheld; empty where it is not.

    >>> withheld("dhf1k", "test")
    'its gaze (videos 701 to 1000) is withheld by the authors: maps are sent to https://mmcheng.net/videosal/'
    >>> withheld("dhf1k", "val")
    ''
    """
    found = WITHHELD.get((dataset, split or "all"))
    if found is None:
        return ""
    return f"its gaze ({found[0]}) is withheld by the authors: maps are sent to {found[1]}"
