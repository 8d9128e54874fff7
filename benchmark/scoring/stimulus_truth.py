"""The truth of a frame of a release: its points and density, as a protocol treats them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vidsal.loaders.records import RELEASED, Truth
from vidsal.loaders.release.release import Stimulus

from ..protocols import Protocol
from .negatives import Negatives
from .truth import NO_NEGATIVES, FrameTruth, prepare_truth


def reads_pictures(protocol: Protocol, recipe: Truth) -> bool:
    """Whether predictions and truth are pictures of videos to a protocol's script, and nothing is rounded between.

    So it is where the data set releases its densities as videos, and the protocol stretches every picture as the
    challenges' script does: each is the mean of its channels (`formats.video.channel_mean`), with all its levels.
    """
    return recipe.kernel == RELEASED and protocol.stretch == "minmax-eps32"


def looked_at(protocol: Protocol, frame: int, n_frames: int) -> int:
    """Return the frame whose points a protocol holds against the map of a frame: its own, or by its script's order."""
    return frame if protocol.frame_order == "number" else text_order(n_frames)[frame]


@lru_cache(maxsize=64)
def text_order(n_frames: int) -> tuple[int, ...]:
    """Return for each frame its place among `001.png`, `002.png` ... sorted as text: its own number up to 999 frames.

    >>> text_order(4), text_order(1002)[99:103]
    ((0, 1, 2, 3), (99, 103, 104, 105))
    """
    names = sorted(range(n_frames), key=lambda frame: f"{frame + 1:03d}.png")
    places = [0] * n_frames
    for place, frame in enumerate(names):
        places[frame] = place
    return tuple(places)


def truth_of_frame(
    stimulus: Stimulus,
    frame: int,
    protocol: Protocol,
    recipe: str | None,
    negatives: Negatives | None = None,
    no_negatives_reason: str = NO_NEGATIVES,
) -> FrameTruth:
    """Prepare the truth of a frame from all of its points, as a run does.

    Args:
        stimulus: of a release.
        frame: its index.
        protocol: the declaration.
        recipe: name of the truth recipe; None = the release's default.
        negatives, no_negatives_reason: as for `prepare_truth`.

    Raises:
        MissingData, BadData: a released density is not there, or not what was converted.
    """
    points = stimulus.gaze_points
    own = points.at(frame)
    seen = own if protocol.frame_order == "number" else points.at(looked_at(protocol, frame, stimulus.n_frames))
    made_of = stimulus.truth(recipe)
    density: npt.NDArray[np.floating] | None = None
    if made_of.kernel == RELEASED:
        density = stimulus.released(frame)
    elif len(own):
        density = stimulus.density_of(own, recipe)
    return prepare_truth(
        np.stack([points.x[seen], points.y[seen]], axis=1),
        (stimulus.height, stimulus.width),
        density if len(seen) else None,
        negatives,
        protocol,
        encode=not reads_pictures(protocol, made_of),
        no_negatives_reason=no_negatives_reason,
        where=f"{stimulus.id}, frame {frame}",
    )
