"""HD2S: S3D features at four levels, a map from each, and one from the four."""
