"""Networks of the published layers with a sixteenth of the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from torch import nn

from vidsal.baselines.nn import compiled_layers


@pytest.fixture(scope="module")
def narrow() -> Iterator[Callable[[nn.Module], nn.Module]]:
    """Return `narrow(module)`: every convolution a sixteenth as wide; the least width of Winograd's follows.

    For what 30 million weights do not change: they cost more than all else.
    """

    def width(channels: int) -> int:
        return channels if channels < 16 else channels // 16

    def narrowed(module: nn.Module) -> nn.Module:
        for parent in [*module.modules()]:
            for name, conv in parent.named_children():
                if isinstance(conv, nn.Conv2d):
                    thin = nn.Conv2d(
                        width(conv.in_channels), width(conv.out_channels), conv.kernel_size, 1, conv.padding
                    )
                    setattr(parent, name, thin)
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_layers, "WINOGRAD_FROM", compiled_layers.WINOGRAD_FROM // 256)
        yield narrowed
