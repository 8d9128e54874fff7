"""UCF Sports, variant `2018`: the pooled maps of one revision; see `pooled_maps`."""

from __future__ import annotations

from dataclasses import replace

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

_MAPS = pooled_maps.Revision(INFO)
present, stimuli, gaze = _MAPS.present, _MAPS.stimuli, _MAPS.gaze
