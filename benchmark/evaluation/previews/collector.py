"""The previews of one stimulus, collected while it is scored."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import canonical, parse_json
from vidsal.loaders.release.release import Stimulus

from ...metrics import find
from ...predictor import Kind
from ...protocols import Protocol
from ...scoring.frame import FrameTruth
from .cells import Cell, cell_size, shrink
from .choose import STRETCHES, Chooser, Pair
from .record import GRID, MOST_FIXATIONS, Group, Part, Sprite, StimulusPreview, rounded, stem
from .sprites import color_jpeg, gray_png

Show = Literal["nothing", "maps", "frames"]
"""What a run leaves to look at: nothing, the maps with their truth, or the video's own frames with them."""

FRAME_SCALE = 2
"""How many times wider and higher than a map's cell that of a video's frame is."""

_DOTS = 150
"""Of a frame's width and height: fixations in one such part would be drawn as one dot."""


@dataclass(frozen=True)
class RankedBy:
    """The score by which frames are best or worst."""

    label: str
    higher_is_better: bool

    @classmethod
    def of(cls, protocol: Protocol) -> RankedBy:
        """Return NSS, or the first score of a protocol that has none."""
        label = "NSS" if "NSS" in protocol.metrics else next(iter(protocol.labels))
        return cls(label, find(protocol.metrics[label]).higher_is_better)


class PreviewCollector:
    """Takes the frames of a stimulus as they are scored, in order.

    Args:
        stimulus: which one.
        protocol: by whose scores frames are ranked.
        frames: keep the video's own frames, too.
    """

    def __init__(self, stimulus: Stimulus, protocol: Protocol, *, frames: bool = False) -> None:
        self._stimulus = stimulus
        self._frames = frames
        self._by = RankedBy.of(protocol)
        self._size = cell_size(stimulus.width, stimulus.height)
        apart = max(1, stimulus.n_frames // STRETCHES)
        self._chooser = Chooser(higher_is_better=self._by.higher_is_better, apart=apart)

    def look(self, frame: int, scores: Mapping[str, float], values: Any, kind: Kind, truth: FrameTruth) -> None:
        """Take a scored frame.

        Args:
            frame: its number.
            scores: by label.
            values, kind: the map, or a function that makes it.
            truth: against which it was scored.
        """

        def cells() -> Pair:
            made = values() if callable(values) else values
            density = truth.truth_map
            of_truth = self._nothing() if density is None else shrink(density.values, "density", self._size)
            return shrink(made, kind, self._size), of_truth

        self._chooser.look(frame, scores[self._by.label], cells)

    def _nothing(self) -> Cell:
        return np.zeros(self._size[::-1], np.uint8)

    def part(self) -> Part | None:
        """Return the previews of all frames that were taken; None where there was none."""
        chosen = self._chooser.chosen()
        if not chosen.even:
            return None
        seen = self._seen({*chosen.even, *chosen.extreme}) if self._frames else {}
        files: dict[str, bytes] = {}
        groups: list[Group] = []
        for name, kept in (("even", chosen.even), ("extreme", chosen.extreme)):
            if not kept:
                continue
            pairs = [pair for _, pair in kept.values()]
            made = {"maps": gray_png([a for a, _ in pairs]), "truth": gray_png([b for _, b in pairs])}
            sprites = {
                kind: self._sprite(f"{name}-{kind}.png", content, files, size) for kind, (content, size) in made.items()
            }
            if self._frames:
                content = color_jpeg([seen[f] for f in kept])
                sprites["pictures"] = self._sprite(f"{name}-frames.jpg", content, files, self._frame_size)
            scores, points = [rounded(score) for score, _ in kept.values()], [self._fixations(f) for f in kept]
            groups.append(Group(frames=tuple(kept), scores=tuple(scores), fixations=tuple(points), **sprites))
        even, *extreme = groups
        preview = StimulusPreview(
            width=self._stimulus.width,
            height=self._stimulus.height,
            even=even,
            extreme=extreme[0] if extreme else None,
            best=chosen.best,
            worst=chosen.worst,
        )
        return Part(preview, files)

    def _sprite(self, name: str, content: bytes, files: dict[str, bytes], size: tuple[int, int]) -> Sprite:
        name = f"{stem(self._stimulus.id)}-{name}"
        files[name] = content
        return Sprite(file=name, sha256=sha256(content).hexdigest(), width=size[0], height=size[1])

    @property
    def _frame_size(self) -> tuple[int, int]:
        return self._size[0] * FRAME_SCALE, self._size[1] * FRAME_SCALE

    def _seen(self, wanted: Iterable[int]) -> dict[int, npt.NDArray[np.uint8]]:
        """The video's own frames, small.

        Raises:
            MissingData, BadData: they are not there, or cannot be decoded.
        """
        from PIL import Image

        left, found = set(wanted), {}
        for frame in self._stimulus.frames():
            if frame.index in left:
                small = Image.fromarray(frame.rgb).resize(self._frame_size, Image.Resampling.BOX)
                found[frame.index] = np.asarray(small)
                left.remove(frame.index)
            if not left:
                break
        if left:
            raise BadData(f"{self._stimulus.id}: frame {min(left)} is annotated, and the video ends before it")
        return found

    def _fixations(self, frame: int) -> str:
        """The points of a frame: one of those that fall on one dot of a picture, thinned out where there are many."""
        xy = self._stimulus.points(frame).astype(np.float64) / (self._stimulus.width, self._stimulus.height)
        inside = xy[((xy >= 0) & (xy < 1)).all(axis=1)]
        _, first = np.unique(np.floor(inside * _DOTS), axis=0, return_index=True)
        inside = inside[np.sort(first)]
        if len(inside) > MOST_FIXATIONS:
            inside = inside[np.linspace(0, len(inside) - 1, MOST_FIXATIONS).astype(np.intp)]
        return " ".join(f"{x},{y}" for x, y in np.floor(inside * GRID).astype(np.int64).tolist())


def packed(part: Part | None) -> str:
    """Return the previews of a stimulus as text, for unfinished work."""
    if part is None:
        return canonical(None)
    files = {name: b64encode(content).decode("ascii") for name, content in part.files.items()}
    return canonical({"preview": part.preview.model_dump(mode="json"), "files": files})


def unpacked(content: bytes) -> Part | None:
    """Return what `packed` made.

    Raises:
        BadData: it is something else.
    """
    try:
        found = parse_json(content.decode("utf-8"))
        if found is None:
            return None
        files = {str(name): b64decode(text) for name, text in found["files"].items()}
        return Part(StimulusPreview.model_validate_json(canonical(found["preview"])), files)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise BadData(f"unfinished previews that cannot be read ({error})") from error
