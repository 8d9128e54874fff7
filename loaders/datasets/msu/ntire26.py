"""The data of the NTIRE 2026 challenge on video saliency prediction; see `challenge`."""

from __future__ import annotations

from ...records import DatasetInfo
from . import challenge

INFO = DatasetInfo(
    name="ntire26",
    title="NTIRE 2026: 2,000 videos with sound, mouse tracks of crowd workers",
    truths={"crowdsal": challenge.points_recipe("sigma of CrowdSAL, by the same group; not stated for this set")},
    released_truth=challenge.RELEASED,
    licence=challenge.LICENCE,
    citation="NTIRE 2026 challenge on video saliency prediction: methods and results. arXiv 2604.14816",
    obtain="the data card ANDRYHA/VideoSaliencyChallenge, linked from the repository "
    "msu-video-group/NTIRE26_Saliency_Prediction; unpack the archives side by side",
    layout=challenge.LAYOUT,
    observers=challenge.OBSERVERS,
    splits="train 1,200, public_test 300, private_test 500",
    split_names=challenge.SPLITS,
    verified=("the split file as a participant ships it: 1,200, 300 and 500 names, disjoint, with `.mp4`",),
    unverified=(*challenge.UNVERIFIED, challenge.NO_SIGMA),
)

_SET = challenge.Challenge(INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
