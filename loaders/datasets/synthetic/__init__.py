"""The synthetic data set: procedural videos and simulated observers, made on the spot, read like any other.

    scene.py      what happens in a video, and its pixels
    observers.py  where a simulated observer looks
    write.py      the source tree: video files and gaze text
    form.py       the loader of that tree

Nothing here is a model of human vision. The observers do what is needed to exercise a benchmark: they fixate, jump,
pursue, blink, start at the centre and prefer what moves, and they agree with each other more than any simple
predictor agrees with them.
"""

from .write import generate

__all__ = ["generate"]
