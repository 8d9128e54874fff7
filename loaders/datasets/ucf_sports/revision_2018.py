"""UCF Sports, variant `2018`: the pooled maps of one revision; see `pooled_maps`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...records import Gaze, Report, StimulusRow
from . import layout, pooled_maps

INFO = replace(
    layout.BASE,
    variant="2018",
    verified=(
        "Diving-Side-001: 55 maps as PNG and MAT of equal content for 54 frames, dated April 2018",
        "its released density maps are reproduced within 0.5 grey level by the recipe `window`",
    ),
    unverified=("the other 149 videos", "frame rate: none is stored with the frames"),
)


def present(source: Path) -> bool:
    """Tell whether a video with maps of this revision is here."""
    return pooled_maps.present(source, "2018")


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the videos with maps of this revision, in the order of the register.

    Raises:
        MissingData: there is none.
    """
    return pooled_maps.stimuli(source, INFO, report)


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read the maps of one video; what can not be read is reported and left out.

    Raises:
        BadData: none of the maps can be used.
    """
    return pooled_maps.gaze(source, stimulus, report)
