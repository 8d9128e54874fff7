"""What processes import whose forks tests start: the package, and the kernels, so that no fork reads them again."""

from __future__ import annotations

import numpy as np

import vidsal.benchmark.evaluation.run
import vidsal.benchmark.submissions.predict
import vidsal.benchmark.submissions.score  # noqa: F401
from vidsal.benchmark import score_frame

values, gaze = np.random.default_rng(0).random((48, 64)), [(9.5, 7.5), (30.5, 20.5)]
for dtype in (np.float32, np.float64):
    score_frame(values.astype(dtype), gaze, values, gaze)
