"""CrowdSAL: 5,000 videos with mouse tracks of crowd workers; see `challenge`."""

from __future__ import annotations

from ...records import DatasetInfo, Screen
from . import challenge

INFO = DatasetInfo(
    name="crowdsal",
    title="CrowdSAL: 5,000 videos with sound, wide and upright, mouse tracks of crowd workers",
    truths={
        "authors": challenge.points_recipe(
            "one degree at 60 cm where 35 cm are 1920 px, as stated; on upright videos too"
        )
    },
    released_truth=challenge.RELEASED,
    licence=challenge.LICENCE,
    citation="CrowdSAL: crowdsourced video saliency, repository msu-video-group/CrowdSAL",
    obtain="the data card linked from the repository msu-video-group/CrowdSAL",
    layout=(
        "Train/Videos/0001.mp4 ... 3000.mp4, Test/Videos/3001.mp4 ... 5000.mp4",
        "Train/Saliency/0001.mp4 ..., Test/Saliency/3001.mp4 ...",
        "Train/Fixations/0001.json ..., Test/Fixations/3001.json ...",
    ),
    screen=Screen(width_px=1920, width_mm=350.0, distance_mm=600.0, px_per_degree=57.6, note="nominal, as stated"),
    observers="more than 75 of 19,000 crowd workers a video, with the mouse instead of the eye; pooled",
    splits="train 3,000 (0001 to 3000), test 2,000 (3001 to 5000)",
    split_names=("train", "test"),
    unverified=(
        *challenge.UNVERIFIED,
        "names inside Videos/ and Saliency/ follow from the ids of Fixations/, which a file listing shows",
        "the authors' bench.py does not fit this tree: it wants <video>/fixations.json and a split file",
    ),
)

_SET = challenge.Challenge(INFO, by_folder=True)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
