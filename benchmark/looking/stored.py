"""Stored predictions of one stimulus, all frames of them, whether the rest of the submission is sound or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vidsal.loaders.errors import MissingData
from vidsal.loaders.release.release import Release, Stimulus

from ..submissions.manifest_file import short
from ..submissions.reader import StoredPredictions, reader_of
from ..submissions.said import Declared, Said, check_data_set, inherited, layout_of, manifest_of


def stored_predictor(
    root: Path, release: Release, said: Said, declared: Declared | None = None, threads: int = 1
) -> StoredPredictions:
    """Return the reader of a submission of which any frame may be asked for.

    Args:
        root: its folder.
        release: of whose stimuli it holds predictions, opened without a split.
        said: what the command says of it.
        declared: what shipped models declare.
        threads: that decode.

    Raises:
        MissingData: there is no such folder; WrongUse: it is of another data set, or does not say what its maps are.
    """
    if not root.is_dir():
        raise MissingData(f"{root}: no such folder, zip or tar file of predictions")
    manifest = inherited(manifest_of(root, said), declared)
    check_data_set(manifest, release, root)
    reader = reader_of(root, release, layout_of(root, release.ids, said), manifest, said, threads)
    return replace(reader, wanted={i: (0, release[i].n_frames - 1) for i in reader.entries}, digests={})


def check_holds(reader: StoredPredictions, stimulus: Stimulus) -> None:
    """Refuse a stimulus that a submission has no predictions of.

    Raises:
        MissingData: the message names some that it has.
    """
    if stimulus.id not in reader.entries:
        some = sorted(reader.entries)
        listed = ", ".join(map(short, some[:4])) + (f" and {len(some) - 4} more" if len(some) > 4 else "")
        raise MissingData(f"{reader.root}: no predictions of {stimulus.id}; it holds {listed or 'no other'}")
