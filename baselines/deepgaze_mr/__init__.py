"""DeepGaze MR: log densities from VGG-19 features averaged over the last 16 frames."""
