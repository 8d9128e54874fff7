"""Small releases written row by row, so that a test knows every number in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from vidsal.loaders.io import parquet
from vidsal.loaders.io.files import write_json
from vidsal.loaders.records import Screen, Truth
from vidsal.loaders.schema import FIXATIONS, GAZE, SCHEMA_VERSION, STIMULI, fixations_table, gaze_table


def stimulus(stimulus_id: str, **changes: Any) -> dict[str, Any]:
    """A line of stimuli.parquet: a video of 10 frames of 40 x 30 at 10 frames a second, unless told otherwise."""
    return {
        "dataset": "synthetic",
        "stimulus_id": stimulus_id,
        "split": "all",
        "group_id": stimulus_id,
        "kind": "video",
        "source_file": f"{stimulus_id}.avi",
        "source_sha256": None,
        "width": 40,
        "height": 30,
        "n_frames": 10,
        "fps_num": 10,
        "fps_den": 1,
        "duration_ms": 1000.0,
        "n_observers": 2,
        "annotated": True,
        "annotated_frames": None,
        "attributes": [],
        "parent_id": None,
        "parent_start_frame": None,
        **changes,
    }


def image(stimulus_id: str, **changes: Any) -> dict[str, Any]:
    """A line of stimuli.parquet of an image."""
    still = {"kind": "image", "n_frames": 1, "fps_num": None, "fps_den": None, "source_file": f"{stimulus_id}.png"}
    return stimulus(stimulus_id, **{**still, **changes})


def write_release(
    root: Path,
    stimuli: Sequence[Mapping[str, Any]],
    fixations: Mapping[str, Mapping[str, Any]] | None = None,
    gaze: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    screen: Screen | None = None,
    name: str = "synthetic",
    frames_root: Path | None = None,
) -> Path:
    """Write a release; the columns of fixations and gaze are those that a loader returns."""
    root.mkdir(parents=True, exist_ok=True)
    by_id = {s["stimulus_id"]: s for s in stimuli}
    tables = [
        fixations_table(
            columns,
            dataset=by_id[i]["dataset"],
            stimulus_id=i,
            split=by_id[i]["split"],
            width=by_id[i]["width"],
            height=by_id[i]["height"],
        )
        for i, columns in (fixations or {}).items()
    ]
    parquet.write(root / "stimuli.parquet", STIMULI, [pa.Table.from_pylist([dict(s) for s in stimuli], STIMULI)])
    parquet.write(root / "fixations.parquet", FIXATIONS, tables)
    if gaze is not None:
        samples = [gaze_table(c, dataset=by_id[i]["dataset"], stimulus_id=i) for i, c in gaze.items()]
        parquet.write(root / "gaze.parquet", GAZE, samples)
    write_json(
        root / "release.json",
        {
            "release": name,
            "dataset": by_id[next(iter(by_id))]["dataset"],
            "variant": None,
            "version": "1",
            "schema_version": SCHEMA_VERSION,
            "title": "A small release",
            "licence": "CC0-1.0",
            "citation": "nobody",
            "digest": "0" * 64,
            "screen": asdict(screen or Screen()),
            "counts": {"stimuli": len(stimuli)},
            "files": {path.name: "0" * 64 for path in sorted(root.glob("*.parquet"))},
            "truth": {"default": "plain", "recipes": {"plain": asdict(Truth(sigma_px=3.0))}},
        },
    )
    if frames_root is not None:
        write_json(root / "local.json", {"frames_root": str(frames_root)})
    return root
