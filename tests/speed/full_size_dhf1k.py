"""Convert a tree with DHF1K's real counts: 700 annotated videos, 406,413 maps. Run by hand; prints figures.

    python tests/speed/full_size_dhf1k.py FOLDER [--workers N]

The maps are thin: a few distinct binary images of 640 x 360 with about 100 pixels each, linked many times.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np

from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.io import registers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    source = arguments.folder / "source"
    begun = time.perf_counter()
    maps = _tree(source)
    made = time.perf_counter()
    result = convert("dhf1k", source, arguments.folder / "release", variant="released", workers=arguments.workers)
    seconds = time.perf_counter() - made
    peak = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    counts = result.release["counts"]
    size = sum(p.stat().st_size for p in (arguments.folder / "release").glob("*.parquet")) / 2**20
    sys.stdout.write(
        f"{maps:,} maps of {counts['annotated']} videos made in {made - begun:.0f} s, converted in {seconds:.0f} s "
        f"({maps / seconds:,.0f} maps/s, {arguments.workers} workers); {counts['fixations']:,} rows, {size:.0f} MiB; "
        f"peak memory {peak[0]:.0f} MiB in the parent, {peak[1]:.0f} MiB in the largest worker\n"
    )


def _tree(source: Path) -> int:
    """Write the maps of all annotated videos; return their number."""
    variants = [_map(seed) for seed in range(16)]
    first: dict[int, Path] = {}
    total = 0
    for line in registers.rows("dhf1k"):
        if line["split"] == "test":
            continue
        folder = source / "annotation" / f"{int(line['video']):04d}" / "fixation"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, int(line["n_frames"]) + 1):
            path = folder / f"{number:04d}.png"
            which = total % len(variants)
            total += 1
            if path.exists():
                continue
            if which in first and total % 10_000 >= len(variants):
                os.link(first[which], path)
            else:
                path.write_bytes(variants[which])
                first[which] = path
    return total


def _map(seed: int) -> bytes:
    from PIL import Image

    random = np.random.default_rng(seed)
    values = np.zeros((360, 640), np.uint8)
    values[random.integers(0, 360, 100), random.integers(0, 640, 100)] = 255
    sink = BytesIO()
    Image.fromarray(values).save(sink, "PNG")
    return sink.getvalue()


if __name__ == "__main__":
    main()
