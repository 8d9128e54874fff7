"""Where a network runs, and how: device, threads, and settings under which equal input gives equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import WrongUse

if TYPE_CHECKING:
    import torch


def resolve(device: str | torch.device) -> torch.device:
    """Turn a name such as `cpu`, `cuda` or `cuda:1` into a device that is there.

    Raises:
        WrongUse: no such kind of device, or this machine has none (or not so many).
    """
    import torch

    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise WrongUse(f"device {device!r}: expected cpu, cuda or cuda:N") from error
    if found.type == "cpu":
        return torch.device("cpu")
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (found.index or 0) < count:
            return found
        raise WrongUse(f"device {device!r} is not here: torch finds {count} CUDA devices; use cpu")
    if found.type == "mps" and torch.backends.mps.is_available():
        return found
    raise WrongUse(f"device {device!r} is not here; expected cpu, cuda or cuda:N")


_NO_MEMORY = ("can't allocate memory", "not enough memory", "could not create a primitive")
"""What torch's allocator and oneDNN say on a CPU."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, on any device, or of numpy means that the memory is full."""
    import torch

    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def on_host(values: Any) -> npt.NDArray[Any]:
    """Return numbers, numpy or torch on any device, as a numpy array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


@contextmanager
def undrawn() -> Iterator[None]:
    """Make networks whose weights are whatever lies in memory, for those that are read from a file at once: drawing
    them takes longer than reading."""
    from torch.nn import init
    from torch.overrides import TorchFunctionMode

    class Undrawn(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            if getattr(func, "__module__", None) == init.__name__:
                return named["tensor"] if "tensor" in named else args[0]
            return func(*args, **named)

    with Undrawn():
        yield


@contextmanager
def inference(threads: int | None = None) -> Iterator[None]:
    """Run a forward pass without gradients, reproducibly: full float32, deterministic kernels, fixed threads.

    For one machine, number of threads and batch, equal input gives equal bytes. What was set before is
    restored; a generator should hold this only while it computes, not while it yields.

    Args:
        threads: of torch on the CPU; None = leave as it is.

    Raises:
        WrongUse: `threads` is not positive.
    """
    import torch

    if threads is not None and threads < 1:
        raise WrongUse(f"threads={threads}; at least 1 was expected")
    cudnn, before = torch.backends.cudnn, torch.get_num_threads()
    matmul = torch.backends.cuda.matmul
    kept = (cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32)
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = True, False, False, False
    if threads is not None and threads != before:
        torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = kept
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread on the CPU: of short work a second one only waits, and burns its core as it does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
