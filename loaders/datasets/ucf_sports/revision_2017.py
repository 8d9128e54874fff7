"""UCF Sports, variant `2017`: the pooled maps of one revision; see `pooled_maps`."""

from __future__ import annotations

from dataclasses import replace

from . import layout, pooled_maps

INFO = replace(
    layout.BASE,
    variant="2017",
    verified=(
        "Diving-Side-001: 54 images, 54 maps as PNG and MAT of equal content, dated June 2017",
        "its released density maps are reproduced within 0.5 grey level by the recipe `window`",
        "10,247 pixels that the revision of 2018 lacks all lie on the grid of true rows and columns",
    ),
    unverified=("the other 149 videos", "frame rate: none is stored with the frames"),
)

_MAPS = pooled_maps.Revision(INFO)
present, stimuli, gaze = _MAPS.present, _MAPS.stimuli, _MAPS.gaze
