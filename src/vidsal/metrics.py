"""Metrics for people who have arrays: scores of frames and batches, by the definitions of the protocols."""

from vidsal.benchmark.scoring.accumulate import SaliencyMetrics
from vidsal.benchmark.submissions.map_folders import score_maps

__all__ = ["SaliencyMetrics", "score_maps"]
