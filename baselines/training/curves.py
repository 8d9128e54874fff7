"""The curves of a run as a picture, and as TensorBoard events; each where its package is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vidsal.loaders.io.files import atomic_write

from .history import EPOCHS, STEPS, read_history

FILE = "curves.svg"


def draw_curves(run: Path) -> None:
    """Draw `curves.svg` of a run: the loss of its steps, and what was measured on held-out stimuli."""
    steps, epochs = read_history(run / STEPS), read_history(run / EPOCHS)
    if find_spec("matplotlib") is not None:
        _picture(run, steps, epochs)
    if find_spec("tensorboard") is not None:
        _events(run, steps, epochs)


def _picture(run: Path, steps: list[dict[str, Any]], epochs: list[dict[str, Any]]) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    scores = sorted({k for line in epochs for k in line if "/" in k and not k.startswith("loss/")})
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.plot([s["step"] for s in steps], [s["total"] for s in steps], linewidth=0.8)
    left.set(title="loss of a step", xlabel="step")
    _plot(middle, epochs, ["loss/total"])
    middle.set(title="loss on held-out stimuli", xlabel="epoch")
    _plot(right, epochs, scores)
    right.set(title="scores on held-out stimuli", xlabel="epoch")
    # Without salt of its own a picture has other ids each time.
    with atomic_write(run / FILE) as temporary, rc_context({"svg.hashsalt": "vidsal"}):
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _plot(axes: Any, epochs: list[dict[str, Any]], names: list[str]) -> None:
    for name in names:
        points = [(line["epoch"] + 1, line[name]) for line in epochs if line.get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    if names and axes.lines:
        axes.legend(fontsize="x-small")


def _events(run: Path, steps: list[dict[str, Any]], epochs: list[dict[str, Any]]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    folder = run / "tensorboard"
    for old in folder.glob("events.out.*"):
        old.unlink()
    with SummaryWriter(str(folder)) as writer:
        for lines, prefix in ((steps, "train"), (epochs, "held_out")):
            for line in lines:
                for name, value in line.items():
                    if isinstance(value, float):
                        writer.add_scalar(f"{prefix}/{name}", value, line["step"])
