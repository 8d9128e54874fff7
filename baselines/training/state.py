"""The state of a training on disk: all that is needed to go on as if nothing had happened, written as a whole."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import atomic_write, file_to_fill

from ..weight_files import read_object

FOLDER, FILE = "state", "state.pt"
FORMAT = 2
"""Of the state: another one is refused, not guessed at."""


def save_torch(path: Path, value: Any) -> None:
    """Write what torch.save writes, atomically and onto the disk; equal values give equal bytes."""
    with atomic_write(path) as temporary, file_to_fill(temporary) as file:
        torch.save(value, file)  # to a path it would put the path's name into the file


def write_state(run: Path, state: dict[str, Any]) -> None:
    """Replace the state of a run."""
    save_torch(run / FOLDER / FILE, {"format": FORMAT, **state})


def read_state(run: Path) -> dict[str, Any] | None:
    """Return the state of a run, None if it has none.

    Raises:
        BadData: it cannot be read, or another version of vidsal wrote it.
    """
    path = run / FOLDER / FILE
    if not path.is_file():
        return None
    found = read_object(path)
    if not isinstance(found, dict):
        raise BadData(f"{path} is no state of a training; take it away and start again")
    if found.get("format") != FORMAT:
        raise BadData(
            f"{path}: written by another version of vidsal, which alone can go on with it; train with that one, or "
            "into another folder (`--init weights.pt` begins from what was learned)"
        )
    return found


def moved(value: Any, device: torch.device) -> Any:
    """Return a tensor, or a tuple of them, on a device; None as it is."""
    if isinstance(value, (tuple, list)):
        return tuple(moved(part, device) for part in value)
    return value if value is None else value.to(device)


def random_states() -> dict[str, Any]:
    """Return the states of all random generators that a step may use, as tensors and plain values."""
    version, words, gauss = random.getstate()
    name, keys, place, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    assert isinstance(keys, np.ndarray)
    return {
        "python": [version, list(words), gauss],
        "numpy": [str(name), [int(key) for key in keys], int(place), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Put all random generators into the states that `random_states` returned."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, place, has_gauss, cached = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), place, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])


def seed_everything(seed: int) -> None:
    """Set all random generators from one seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
