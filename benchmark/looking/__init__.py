"""Predictions to look at: beside frames and gaze, as a sheet, a video, or histograms of gaze change."""
