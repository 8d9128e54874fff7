"""Speed is measured by `make speed` alone; the suite only collects these tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.release.release import Release, load


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("benchmark_enable", default=False):
        return
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.skip(reason="speed is measured by `make speed`"))


@pytest.fixture
def stored() -> Callable[..., Release]:
    """Makes a release and a folder of stored maps."""
    return _stored


def _stored(root: Path, *, videos: int, frames: int, width: int, height: int) -> Release:
    """A release without frames, and smooth maps of every frame as Pillow writes them."""
    generate(
        root / "src", videos=videos, frames=frames, width=width, height=height, observers=12, val=0, write_video=False
    )
    convert("synthetic", root / "src", root / "rel", workers=1)
    data = load(root / "rel")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for stimulus in data:
        (root / "sub" / stimulus.id).mkdir(parents=True)
        for frame in range(stimulus.n_frames):
            total = np.zeros((height, width), np.float32)
            for cy, cx, s in zip(
                rng.uniform(0, height, 6), rng.uniform(0, width, 6), rng.uniform(0.04, 0.13, 6), strict=True
            ):
                total += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * (s * width) ** 2))
            image = Image.fromarray(np.rint(255 * total / total.max()).astype(np.uint8))
            image.save(root / "sub" / stimulus.id / f"{frame + 1:04d}.png")
    return data
