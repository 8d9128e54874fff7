"""A torch DataLoader whose worker processes do not touch what this process left to be cleaned up."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from ..io.extras import optional_packages

if TYPE_CHECKING:
    from torch.utils.data import DataLoader


def data_loader(batches: Any, workers: int) -> DataLoader[Any]:
    """Return a DataLoader over ready batches, in their order; it draws no random number of ours.

    A forked worker inherits this process's garbage. A video decoder among it has threads that are not there any more,
    and a worker that cleaned it up would wait for them for ever; so the worker never collects what it inherited.

    Args:
        batches: `len` and `[]`.
        workers: processes; 0 = read here.
    """
    with optional_packages():
        import torch
        from torch.utils.data import DataLoader

    class Loader(DataLoader[Any]):
        def __iter__(self) -> Any:
            if not self.num_workers:
                return super().__iter__()
            gc.collect()
            gc.freeze()
            try:
                return super().__iter__()
            finally:
                gc.unfreeze()

    return Loader(batches, batch_size=None, num_workers=workers, generator=torch.Generator())
