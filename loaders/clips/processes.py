"""A torch DataLoader over batches that are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..io.extras import optional_packages

if TYPE_CHECKING:
    from torch.utils.data import DataLoader


def data_loader(batches: Any, workers: int) -> DataLoader[Any]:
    """Return a DataLoader over ready batches, in their order; it draws no random number of ours.

    Workers may be forked from a process that has read videos: `formats/video.py` sees to what they inherit.

    Args:
        batches: `len` and `[]`.
        workers: processes; 0 = read here.
    """
    with optional_packages():
        import torch
        from torch.utils.data import DataLoader

    return DataLoader(batches, batch_size=None, num_workers=workers, generator=torch.Generator())
