"""What people have, in any layout and form that is scored, into a submission of format 1 with the digests of its files.

Files are copied as they are, under the names of format 1: a map is the same map, and what was lossy stays so. Only
arrays whose numbers count from elsewhere than 0 are written anew, as npz, with the same values.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from vidsal._version import __version__
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.io.progress import Note, Progress, tick
from vidsal.loaders.release.release import Release

from ..evaluation.children import ChildFault
from . import manifest_file
from .archive import opened_folder
from .faults import findings
from .formats.folder import MapFiles
from .formats.npz import NpzWriter
from .formats.stored import Inspection, Limits, Stored
from .frame_numbers import Asked, FrameFacts, settle
from .layout import Entry, stored
from .manifest import FOLDER, NAME, SUMS, Manifest, ranges
from .opened import Opened, open_submission
from .parts import CoveragePart, FilePart, ModelPart, ReleaseRef
from .safe_files import copy_regular, folder_digest
from .said import NOTHING, Declared, Said
from .sandbox import Sandbox
from .workspace import temporary_folder


def import_submission(
    source: Path,
    data: Release,
    out: Path,
    *,
    said: Said = NOTHING,
    model: ModelPart | None = None,
    declared: Declared | None = None,
    sandbox: Sandbox | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
) -> Manifest:
    """Bring stored predictions into format 1.

    Args:
        source: a folder, zip or tar file in any layout that `vidsal score` reads.
        data: the release and split that were predicted.
        out: folder to write; it must not be there.
        said, model, declared: see `open_submission`.
        sandbox: where files are looked into, copied and written anew; None = here.
        progress: called with (done, total, stimulus id) after each stimulus.
        note: called with what is unusual but not a fault.

    Returns:
        The manifest, as written.

    Raises:
        Refused: the predictions would not be scored. BadData: files are not those that their manifest lists.
        WrongUse: `out` is there.
    """
    with ExitStack() as stack:
        work = stack.enter_context(temporary_folder(out.parent / f".{out.name}.importing"))
        if os.path.lexists(out):
            raise WrongUse(f"{out}: is there already; name a new folder")
        root = stack.enter_context(opened_folder(source, work))
        opened = open_submission(root, data, said=said, model=model, declared=declared, sandbox=sandbox)
        for finding in findings(opened.checked.faults):
            if note:
                note(finding.line)
        made = work / "made"
        (made / FOLDER).mkdir(parents=True)
        brought = []
        reader = opened.reader
        calls = []
        for stimulus_id, entry in reader.entries.items():
            limits = Limits(data[stimulus_id].width, data[stimulus_id].height)
            digest, facts = reader.digests.get(stimulus_id), reader.facts[stimulus_id]
            calls.append(partial(_bring, root, entry, stimulus_id, limits, digest, facts, reader.asked, made))
        answers = (call() for call in calls) if sandbox is None else sandbox.calls(calls)
        for stimulus_id, answer in zip(reader.entries, answers, strict=True):
            if isinstance(answer, ChildFault):
                raise BadData(f"{source}, {stimulus_id}: {answer}")
            brought.append(answer)
            if progress:
                progress(len(brought), len(calls), stimulus_id)
        sums = {name: digest for one in brought for name, digest in one.sums.items()}
        (made / SUMS).write_text("".join(f"{sums[n]}  {n}\n" for n in sorted(sums)), encoding="utf-8")
        manifest = _manifest(opened, data, [one.part for one in brought])
        manifest_file.write(made, manifest)
        os.replace(made, out)
    return manifest


@dataclass(frozen=True)
class _Brought:
    """What was written of a stimulus: its entry in the manifest, the digest of each file."""

    part: FilePart
    sums: Mapping[str, str]


def _bring(
    root: Path,
    entry: Entry,
    stimulus_id: str,
    limits: Limits,
    expected: str | None,
    facts: FrameFacts,
    asked: Asked,
    made: Path,
) -> _Brought:
    source = stored(root, entry, limits)
    if expected is not None and source.digest() != expected:
        raise BadData(f"{root / entry.name}: not the files that {NAME} lists (their SHA-256 differs); fetch them again")
    found = source.inspect()
    first = settle(found.frames, facts, asked, found.numbered).first
    if isinstance(source, MapFiles) and entry.form == "folder":
        (made / FOLDER / stimulus_id).mkdir()
        digests = {}
        for number, path in source.files.items():
            name = f"{number - first:06d}{os.path.splitext(path)[1].lower()}"
            digests[name] = copy_regular(path, made / FOLDER / stimulus_id / name)
            tick()
        sums = {f"{FOLDER}/{stimulus_id}/{name}": digest for name, digest in digests.items()}
        digest = folder_digest(digests)
    else:
        suffix = os.path.splitext(entry.name)[1].lower()
        renumbered = entry.form == "arrays" and found.numbered != "order" and first != 0
        target = made / FOLDER / f"{stimulus_id}{'.npz' if renumbered else suffix}"
        if renumbered:
            _renumber(source, found, first, made / "renumbered.npz")
            digest = copy_regular(made / "renumbered.npz", target)
            (made / "renumbered.npz").unlink()
        else:
            digest = copy_regular(root / entry.name, target)
        sums = {f"{FOLDER}/{target.name}": digest}
    sizes = list(found.sizes)
    part = FilePart(
        stimulus=stimulus_id,
        frames=ranges([number - first for number in found.frames]),
        shape=(sizes[0][1], sizes[0][0]) if len(sizes) == 1 else None,
        sha256=digest,
    )
    return _Brought(part, sums)


def _renumber(source: Stored, found: Inspection, first: int, path: Path) -> None:
    """Write arrays with their frames, counted from 0."""
    points = []
    with NpzWriter(path) as file:
        for number, values in source.read(found.frames, 1):
            tick()
            assert values is not None  # all are wanted
            if "points" in found.numbers:
                points.append(values)
            else:
                file.add(f"{number - first:06d}", values)
        if points:
            file.add("frames", np.array(found.frames, np.int32) - np.int32(first))
            file.add("xy", np.stack(points))


def _manifest(opened: Opened, data: Release, parts: list[FilePart]) -> Manifest:
    """The manifest of the source, with what is known now."""
    said = opened.manifest
    shapes = {part.shape for part in parts}
    shape = next(iter(shapes)) if len(shapes) == 1 else None
    held = {part.stimulus for part in parts}
    prediction = said.prediction.model_copy(
        update={"first_frame": 0, "size": said.prediction.size or (shape and (shape[1], shape[0]))}
    )
    update = {
        "release": ReleaseRef(id=data.id, digest=data.digest, dataset=str(data.record["dataset"])),
        "split": data.split or "all",
        "model": said.model or ModelPart(name=opened.reader.info.name),
        "prediction": prediction,
        "coverage": CoveragePart(predicted=len(parts), left_out=tuple(s.id for s in data if s.id not in held)),
        "files": tuple(parts),
        "tool": said.tool or {"vidsal": __version__},
        "input_digest": None,
    }
    return said.model_copy(update=update)
