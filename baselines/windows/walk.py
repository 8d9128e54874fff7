"""Windows that slide over a video by one frame, each of which predicts one: by rule its last.

What the first frames get, for which there is no such window, is each published script's own rule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Indexed = Iterator[tuple[int, "Tensor"]]


class Stream(Protocol):
    """Takes a video's images one after the other and predicts from the last of them."""

    def push(self, image: Tensor) -> None:
        """Take the next image, (3, H, W)."""
        ...

    def map(self) -> Tensor:
        """Return the map (h, w) of the window that ends with the last image."""
        ...


class PlainStream:
    """A stream that gives each window to the network as a whole.

    Args:
        module: maps (1, 3, window, H, W) to (1, h, w), or to several of which the last counts.
        window: images of a window.
    """

    def __init__(self, module: Callable[[Tensor], Tensor | tuple[Tensor, ...]], window: int) -> None:
        self._module = module
        self._images: deque[Tensor] = deque(maxlen=window)

    def push(self, image: Tensor) -> None:
        """Take the next image."""
        self._images.append(image)

    def map(self) -> Tensor:
        """Return the map of the window that ends with the last image."""
        import torch

        found = self._module(torch.stack(tuple(self._images), dim=1)[None])
        return (found[-1] if isinstance(found, tuple) else found)[0]


NewStream = Callable[[], Stream]
Walk = Callable[[Indexed, NewStream, int], Indexed]


def reversed_start(inputs: Indexed, new: NewStream, window: int, short: Literal["loop", "pad"]) -> Indexed:
    """Predict each frame from the window that ends with it; the first ones from the window that starts with them, in
    reversed order.

    In a video of fewer than 2 window - 1 frames:

    * `loop`: the video is repeated until it has so many.
    * `pad`: a reversed window is used where there is a whole one before frame n - window, else one that is filled up
      with the first frame at its start.

    At most 2 window - 1 images and window - 1 maps are held.

    Args:
        inputs: index and image (3, H, W) of each frame.
        new: makes a stream of windows of that length.
        window: images of a window.
        short: see above.
    """
    inputs = iter(inputs)
    head = list(islice(inputs, 2 * window - 1))
    images = [image for _, image in head]
    if short == "loop":
        early = min(window - 1, len(head))
        images = list(islice(cycle(images), 2 * window - 1))
    else:
        early = max(0, min(window - 1, len(head) - window))
    backward, found = new() if early else None, []
    for count, image in enumerate(reversed(images[: early + window - 1]) if backward else (), start=1):
        assert backward is not None
        backward.push(image)
        if count >= window:
            found.append(backward.map())
    del backward
    yield from ((index, values) for (index, _), values in zip(head, reversed(found), strict=False))
    if early < len(head):
        start = [images[0]] * (window - 1 - early) + images[:early]
        rest = chain(head[early:], inputs)
        del head, images
        yield from _forward(rest, new, start)


def padded_start(inputs: Indexed, new: NewStream, window: int) -> Indexed:
    """Predict each frame from the window that ends with it; before the start lie copies of the first frame."""
    inputs = iter(inputs)
    for index, image in islice(inputs, 1):
        yield from _forward(chain([(index, image)], inputs), new, [image] * (window - 1))


def swapped_start(inputs: Indexed, new: NewStream, window: int) -> Indexed:
    """Predict each frame from the window that ends with it; the first ones from the window that starts with them, its
    colours in reversed order.

    That window is moved back to end with the video where it is short; one of fewer than `window` frames is predicted as
    by `padded_start`. At most 2 window - 2 images are held.
    """
    inputs = iter(inputs)
    head = list(islice(inputs, 2 * window - 2))
    early = window - 1
    if len(head) <= early:
        yield from padded_start(iter(head), new, window)
        return
    stream, values = new(), None
    for place, (_, image) in enumerate(head):
        stream.push(image.flip(0))
        if place >= early:
            values = stream.map()
            yield head[place - early][0], values
    assert values is not None
    yield from ((index, values) for index, _ in head[len(head) - early : early])
    start = [image for _, image in head[:early]]
    yield from _forward(chain(head[early:], inputs), new, start)


def _forward(inputs: Indexed, new: NewStream, start: list[Tensor]) -> Indexed:
    stream = new()
    for image in start:
        stream.push(image)
    start.clear()
    for index, image in inputs:
        stream.push(image)
        yield index, stream.map()
