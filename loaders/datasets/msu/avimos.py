"""AViMoS: the data of the AIM 2024 challenge; see `challenge`."""

from __future__ import annotations

from ...records import DatasetInfo
from . import challenge

INFO = DatasetInfo(
    name="avimos",
    title="AViMoS (AIM 2024): 1,500 videos with sound, mouse tracks of crowd workers",
    truths={"crowdsal": challenge.points_recipe("sigma of CrowdSAL, by the same group; not stated for this set")},
    released_truth=challenge.RELEASED,
    licence=challenge.LICENCE,
    citation="A. Moskalenko, A. Bryncev, D. Vatolin, R. Timofte et al. AIM 2024 challenge on video saliency "
    "prediction: methods and results. ECCV 2024 Workshops",
    obtain="the data card ANDRYHA/AudioVisualMouseSaliency (43 GB), linked from the repository "
    "msu-video-group/ECCVW24_Saliency_Prediction; unpack the archives side by side",
    layout=challenge.LAYOUT,
    observers=challenge.OBSERVERS,
    splits="train 1,000; 500 in public_test and private_test, as the split file says",
    split_names=challenge.SPLITS,
    unverified=(*challenge.UNVERIFIED, challenge.NO_SIGMA),
)

_SET = challenge.Challenge(INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
