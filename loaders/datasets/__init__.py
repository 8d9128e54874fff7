"""The data sets: one module or package each, with INFO, present, stimuli and gaze."""
