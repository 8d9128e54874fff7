"""TASED-Net: S3D features of 32 frames, decoded by max-unpooling to the map of the last."""
