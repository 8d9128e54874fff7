"""What networks share that see a window of frames and say one map: which windows, how they slide, what is written."""
