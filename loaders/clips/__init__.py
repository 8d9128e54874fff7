"""Clips for training: which frames of which stimulus, for whom, and their arrays; for any training loop.

    sampler.py    what a user makes: clips of an epoch, their arrays, a DataLoader
    plan.py       which frames an epoch shows; every random choice, drawn before anything is read
    geometry.py   from the stimulus's size to the network's: squeezed, or scaled and cropped
    frames.py     decoding only what is needed, and a cache of resized frames
    labels.py     one observer's gaze, frame by frame
    processes.py  worker processes that read ahead

>>> import vidsal
>>> from vidsal.loaders.clips import ClipSampler
>>> ds = vidsal.load("releases/dhf1k", split="train")  # doctest: +SKIP
>>> clips = ClipSampler(ds, frames=12, step=5, size=(224, 384), seed=1)  # doctest: +SKIP
>>> for batch in clips.loader(epoch=0, batch=4, workers=2):  # doctest: +SKIP
...     print(batch["rgb"].shape, batch["density"].shape)
"""

from .plan import Clip, batches
from .sampler import ClipSampler, collate

__all__ = ["Clip", "ClipSampler", "batches", "collate"]
