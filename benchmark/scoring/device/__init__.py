"""Scores of a batch of frames where torch left the predictions."""
