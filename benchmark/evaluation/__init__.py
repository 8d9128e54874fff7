"""From a predictor and a release to a run: coverage, stimuli, processes, results."""
