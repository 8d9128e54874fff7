"""One observer's gaze, frame by frame: a position and an eye movement, as `data export --to gazelabels` writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import MissingData
from ..export.gazelabels import labels
from ..export.sample_streams import recordings
from ..records import Float64Array
from ..release.release import Release


@dataclass(frozen=True)
class ObserverLabels:
    """Labels of one observer and stimulus.

    Attributes:
        xy: (n_frames, 2), x and y in pixels of the stimulus; a frame without a position has the last one before it.
        phase: (n_frames,), 0 noise or unknown, 1 fixation, 2 saccade, 3 pursuit.
    """

    xy: Float64Array
    phase: npt.NDArray[np.int8]


def observer_labels(release: Release, stimulus_id: str) -> dict[str, ObserverLabels]:
    """Return the labels of every observer of a stimulus; of several recordings of one observer the first.

    Raises:
        MissingData: the release pools its observers, or the stimulus has no frame rate.
    """
    stimulus = release[stimulus_id]
    fixations, gaze = (release.table(name, stimulus_id) for name in ("fixations", "gaze"))
    found: dict[str, ObserverLabels] = {}
    for observer, (phase, x, y) in labels(stimulus, fixations, recordings(fixations, gaze)):
        found.setdefault(observer, ObserverLabels(np.stack([x, y], axis=1), phase))
    if not found:
        raise MissingData(
            f"{release.id}, {stimulus_id}: no observer's gaze frame by frame (observers are pooled, or it is an "
            "image); gaze points are learned from releases that keep observers apart, such as gazecom"
        )
    return found
