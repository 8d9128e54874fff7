"""The loop of a published repository, in our words and with our module: python published_loop.py WEIGHTS VIDEO OUT"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

from vidsal.baselines import build_module

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def frames_of(path: str) -> list[Any]:
    with av.open(path) as container:
        return [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]


def unisal(module: Any, frames: list[Any]) -> Iterator[tuple[int, Any]]:
    """Every fifth frame from each of five starts, in chunks of six, the state carried on."""
    height, width = frames[0].shape[:2]
    for start in range(5):
        numbers, state = range(start, len(frames), 5), None
        for begin in range(0, len(numbers), 6):
            chunk = numbers[begin : begin + 6]
            pictures = [Image.fromarray(frames[n]).resize((384, 224), Image.Resampling.LANCZOS) for n in chunk]
            x = torch.stack([(torch.from_numpy(np.array(p)).float() / 255 - MEAN) / STD for p in pictures])
            out, state = module(
                x.permute(0, 3, 1, 2)[None], target_size=(height, width), h0=state, return_hidden=True, source="DHF1K"
            )
            for number, logs in zip(chunk, out[0, :, 0], strict=True):
                density = logs.exp()
                yield number, (density / density.max() * 255).numpy().astype(np.uint8)


def main(weights: str, video: str, out: str) -> None:
    torch.set_num_threads(1)
    module = build_module("unisal").eval()
    module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    Path(out).mkdir(parents=True)
    with torch.inference_mode():
        for number, values in unisal(module, frames_of(video)):
            Image.fromarray(values).save(Path(out) / f"{number:06d}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
