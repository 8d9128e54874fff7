"""Which windows predict which frame, and in which order they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from vidsal.baselines.windows.walk import padded_start, reversed_start, swapped_start

Windows = dict[int, list[int]]


class Noted:
    """A stream whose map is the numbers in its window; negative where the colours are exchanged."""

    def __init__(self, window: int) -> None:
        self.images: list[int] = []
        self.window = window

    def push(self, image: torch.Tensor) -> None:
        sign = 1 if image[0] == 0 else -1
        self.images = [*self.images, sign * int(image.sum())][-self.window :]

    def map(self) -> torch.Tensor:
        assert len(self.images) == self.window
        return torch.tensor(self.images)


def seen(walk: Callable[..., Iterator[tuple[int, torch.Tensor]]], n: int, window: int, **options: Any) -> Windows:
    """The numbers of the frames of each window, from 1 on, by the number of the frame that it predicts."""
    inputs = ((i + 1, torch.tensor([0, 0, i + 1]).view(3, 1, 1)) for i in range(n))
    found = [(i, values.tolist()) for i, values in walk(inputs, lambda: Noted(window), window, **options)]
    assert [i for i, _ in found] == list(range(1, n + 1))
    return dict(found)


@pytest.mark.parametrize("short", ["loop", "pad"])
@pytest.mark.parametrize("n", [7, 8, 20])
def test_the_first_frames_from_reversed_windows(n: int, short: Any) -> None:
    for frame, window in seen(reversed_start, n, 4, short=short).items():
        if frame < 4:
            assert window == [frame + 3, frame + 2, frame + 1, frame]
        else:
            assert window == [frame - 3, frame - 2, frame - 1, frame]


@pytest.mark.data
@pytest.mark.parametrize("model", ["tased_net", "vinet"])
def test_windows_as_published(model: str, golden_cases: Any) -> None:
    table = golden_cases(model)["windows"]["table"]
    for n in (63, 80):
        if str(n) not in table:
            continue
        ours = seen(reversed_start, n, 32, short="loop")
        for frame, first, is_reversed in table[str(n)]:
            window = list(range(first + 1, first + 33))
            assert ours[frame + 1] == (window[::-1] if is_reversed else window)


def test_a_short_video_is_repeated() -> None:
    assert seen(reversed_start, 1, 4, short="loop") == {1: [1, 1, 1, 1]}
    assert seen(reversed_start, 3, 4, short="loop") == {1: [1, 3, 2, 1], 2: [2, 1, 3, 2], 3: [3, 2, 1, 3]}
    assert seen(reversed_start, 5, 4, short="loop")[3] == [1, 5, 4, 3]
    assert seen(reversed_start, 5, 4, short="loop")[4] == [1, 2, 3, 4]


def test_a_short_video_is_filled_up() -> None:
    assert seen(reversed_start, 1, 4, short="pad") == {1: [1, 1, 1, 1]}
    assert seen(reversed_start, 4, 4, short="pad") == {
        **{1: [1, 1, 1, 1], 2: [1, 1, 1, 2], 3: [1, 1, 2, 3], 4: [1, 2, 3, 4]}
    }
    six = seen(reversed_start, 6, 4, short="pad")
    assert six == {1: [4, 3, 2, 1], 2: [5, 4, 3, 2], 3: [1, 1, 2, 3], 4: [1, 2, 3, 4], 5: [2, 3, 4, 5], 6: [3, 4, 5, 6]}


def test_the_first_frames_with_exchanged_colors() -> None:
    windows = {1: [-1, -2, -3, -4], 2: [-2, -3, -4, -5], 3: [-3, -4, -5, -6]}
    windows |= {frame: [frame - 3, frame - 2, frame - 1, frame] for frame in (4, 5, 6, 7, 8, 9)}
    assert seen(swapped_start, 9, 4) == windows
    assert seen(swapped_start, 5, 4) == {
        **{1: [-1, -2, -3, -4], 2: [-2, -3, -4, -5], 3: [-2, -3, -4, -5], 4: [1, 2, 3, 4], 5: [2, 3, 4, 5]}
    }
    assert seen(swapped_start, 3, 4) == {1: [1, 1, 1, 1], 2: [1, 1, 1, 2], 3: [1, 1, 2, 3]}


def test_padded_windows_look_at_the_past_only() -> None:
    assert seen(padded_start, 3, 3) == {1: [1, 1, 1], 2: [1, 1, 2], 3: [1, 2, 3]}


@pytest.mark.parametrize(
    ("walk", "options", "ahead"),
    [
        (reversed_start, {"short": "loop"}, 7),
        (reversed_start, {"short": "pad"}, 7),
        (swapped_start, {}, 6),
        (padded_start, {}, 1),
    ],
)
def test_frames_are_taken_when_needed(walk: Any, options: dict[str, Any], ahead: int) -> None:
    taken = 0

    def inputs() -> Iterator[tuple[int, torch.Tensor]]:
        nonlocal taken
        for index in range(100):
            taken += 1
            yield index, torch.zeros(3, 1, 1)

    maps = walk(inputs(), lambda: Noted(4), 4, **options)
    next(maps)
    assert taken == ahead
    assert [index for index, _ in maps] == list(range(1, 100))


@pytest.mark.parametrize("walk", [padded_start, swapped_start])
def test_no_frames(walk: Any) -> None:
    assert list(walk(iter(()), lambda: Noted(4), 4)) == []
    assert list(reversed_start(iter(()), lambda: Noted(4), 4, short="loop")) == []
    assert list(reversed_start(iter(()), lambda: Noted(4), 4, short="pad")) == []
