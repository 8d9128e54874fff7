"""A converted release, read lazily: stimuli, frames, points, densities, clips for training."""
