"""ViNet: S3D features of a clip, enlarged and joined with the finer ones in time, to the map of its last frame."""
