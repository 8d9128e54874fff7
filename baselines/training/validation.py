"""How good a network is on what was held out: the loss of the recipe, and a protocol's scores of the same frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vidsal.benchmark.predictor import Kind
from vidsal.benchmark.scoring.center_prior import center_prior_density
from vidsal.benchmark.scoring.frame import score_frame

from .feeds.base import Feed
from .history import means
from .reading import read_batches
from .recipe import Recipe
from .systems.base import Batch, MapSystem

_LABELS = ("NSS", "CC", "KLD", "AUC-J")


def judge(
    recipe: Recipe,
    feed: Feed,
    module: nn.Module,
    device: torch.device,
    *,
    protocol: str,
    workers: int = 0,
    prior: bool = False,
) -> dict[str, float]:
    """Return the mean terms over the held-out batches as `loss/<term>`, a protocol's scores as `<protocol>/<label>`.

    Scored are the frames of the held-out clips, at the size of the loss, against the pixels that were looked at. Of
    gaze points it is `gaze/distance`, the mean distance in halves of the frame. The terms of a domain are under
    `loss/<domain>/<term>` too. The network is in eval mode meanwhile, and no random number of the training is used.

    Args:
        recipe: of the training.
        feed: of the data.
        module: the network.
        device: where it is.
        protocol: name.
        workers: processes that read.
        prior: the centre prior's scores of the same frames too, as `center_prior/...`.
    """
    works = feed.validation()
    system, found = recipe.system, list[tuple[int, dict[str, float]]]()
    module.eval()
    carried: Any = None
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for work, read in read_batches(feed, works, workers):
            batch = feed.finish(module, read, device)
            batch["state"] = carried if work.continues else None
            output = system.forward(module, batch, recipe.settings)
            carried = batch["state"]
            terms = {f"loss/{k}": float(v) for k, v in system.terms(output, batch, recipe.settings).items()}
            samples = system.samples(batch)
            found.append((samples, terms))
            if work.domain:
                found.append((samples, {k.replace("/", f"/{work.domain}/", 1): v for k, v in terms.items()}))
            found += _scores(system, output, batch, protocol, prior)
    recipe.prepare(module)
    return means(found)


def _scores(system: Any, output: Any, batch: Batch, protocol: str, prior: bool) -> list[tuple[int, dict[str, float]]]:
    if not hasattr(system, "maps"):
        return _distances(output, batch, prior)
    scored = cast(MapSystem, system).maps(output, batch)
    found = []
    for values, looked_at in zip(scored.maps.float().cpu().numpy(), scored.fixated.cpu().numpy(), strict=True):
        if not looked_at.any():
            continue
        found.append((1, _frame(values, scored.kind, looked_at, protocol, protocol)))
        if prior:
            center = center_prior_density(*looked_at.shape)
            found.append((1, _frame(center, "density", looked_at, protocol, "center_prior")))
    return found


def _frame(values: Any, kind: Kind, looked_at: Any, protocol: str, name: str) -> dict[str, float]:
    y, x = np.nonzero(looked_at)
    points = np.stack([x, y], axis=1).astype(np.float32) + 0.5
    scores = score_frame(values, points, protocol=protocol, kind=kind, shape=looked_at.shape)
    return {f"{name}/{label}": v for label, v in scores.items() if label in _LABELS and math.isfinite(v)}


def _distances(gaze: Tensor, batch: Batch, prior: bool) -> list[tuple[int, dict[str, float]]]:
    known = batch["phase"] != 0
    labels, n = batch["labels"][known], int(known.sum())
    if not n:
        return []
    found = {"gaze/distance": float((gaze[..., :2][known] - labels).norm(dim=-1).mean())}
    if prior:
        found["center_prior/distance"] = float(labels.norm(dim=-1).mean())
    return [(n, found)]


def selected(marks: Mapping[str, float], by: str) -> tuple[float, ...]:
    """Return the numbers by which the best epoch is chosen, terms joined by `|`; lower is better.

    A term that a training does not have (a teacher's, of unlabelled clips alone) is not a number.

    >>> selected({"loss/truth": 1.0, "loss/teacher": 0.5}, "truth|teacher")
    (1.0, 0.5)
    """
    return tuple(marks.get(f"loss/{name.strip()}", math.nan) for name in by.split("|"))


@dataclass
class Best:
    """The best epoch so far.

    Attributes:
        epoch: its number; -1 before there is one.
        marks: its values; lower is better.
        without: epochs since.
    """

    epoch: int = -1
    marks: tuple[float, ...] = ()
    without: int = 0

    def update(self, epoch: int, marks: Sequence[float]) -> bool:
        """Take an epoch in; return whether it is the best so far: one of its values is below its mark.

        All marks then are those of this epoch, so of two one may rise, as TinyHD's training has it.
        """
        before = self.marks or (math.inf,) * len(marks)
        if any(new < old for new, old in zip(marks, before, strict=True)):
            self.epoch, self.marks, self.without = epoch, tuple(marks), 0
            return True
        self.without += 1
        return False
