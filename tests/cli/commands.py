"""The command line in this process, and a small synthetic release made by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vidsal.cli import app as cli
from vidsal.loaders.datasets.synthetic.write import generate

Say = Callable[..., tuple[int, str]]
"""Runs a command; gives its exit code and what it says, and fails where that is a fault of vidsal."""


def vidsal(*arguments: object) -> int:
    """Run a command; return its exit code."""
    return cli._run([str(a) for a in arguments])


def small_release(folder: Path, *, videos: int, frames: int, observers: int = 3, val: int = 0) -> Path:
    """Make videos of 64x48 pixels with simulated gaze, and convert them."""
    generate(folder / "source", videos=videos, frames=frames, width=64, height=48, observers=observers, val=val)
    words = ("data", "convert", "synthetic", "--src", folder / "source", "--out", folder / "out", "--workers", 1)
    assert vidsal(*words) == 0
    return folder / "out"
