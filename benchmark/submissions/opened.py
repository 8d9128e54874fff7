"""A submission that is ready to be scored: read, settled, checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.release.release import Release

from ..model_card import ModelClaims
from ..prefetch import prefetch_calls
from . import manifest as manifests, manifest_file
from .check import Checked, Expectation, check
from .faults import Fault, Refused, report
from .formats.stored import Limits
from .layout import Entry, Layout, stored
from .manifest import NAME, Manifest
from .manifest_file import short
from .parts import ModelPart
from .reader import StoredPredictions, reader_of
from .said import NOTHING, Declared, Said, check_data_set, inherited, layout_of, manifest_of
from .sandbox import Sandbox

_HASHING = 4


@dataclass(frozen=True)
class Opened:
    """A submission that passed all checks before scoring.

    Attributes:
        reader: its predictions.
        manifest: its own, or one made from the options.
        digest: of its content.
        checked: what is unusual of it but not a fault.
    """

    reader: StoredPredictions
    manifest: Manifest
    digest: str
    checked: Checked

    @property
    def predicted(self) -> frozenset[str]:
        """Ids of the stimuli that it holds."""
        return frozenset(self.reader.entries)

    def record(self) -> dict[str, Any]:
        """Return what run.json says of it."""
        manifest = self.manifest
        return {
            "digest": self.digest,
            "prediction": manifest.prediction.model_dump(mode="json", exclude_none=True),
            "model_kind": manifest.model.kind if manifest.model else None,
            "release": manifest.release.model_dump(mode="json") if manifest.release else None,
            "tool": manifest.tool,
            **self._statements(),
            **({"lossy": list(self.checked.lossy)} if self.checked.lossy else {}),
            **({"unverified": True} if self.checked.unverified else {}),
        }

    def _statements(self) -> dict[str, Any]:
        """What its authors say beyond what a run must know; nothing where they say nothing."""
        said = manifests.content(self.manifest)
        known = ModelClaims.model_fields
        model = {name: value for name, value in (said.get("model") or {}).items() if name not in known}
        rest = {name: said[name] for name in ("authors", "licence", "declarations", "run") if said.get(name)}
        return {**({"model": model} if model else {}), **rest}


def open_submission(
    root: str | Path,
    data: Release,
    *,
    said: Said = NOTHING,
    model: ModelPart | None = None,
    declared: Declared | None = None,
    with_frames_only: bool = False,
    threads: int = 1,
    as_pictures: bool = False,
    sandbox: Sandbox | None = None,
) -> Opened:
    """Check a submission against a release and prepare to read it.

    Args:
        root: its folder.
        data: release and split on which it is to be scored.
        said: what the command says of it.
        model: what else is known of the model, see `read_model`.
        declared: what shipped models declare, so that a submission that names one need not say its `fit`.
        with_frames_only: expect only stimuli whose frames are present.
        threads: number of decoding threads.
        as_pictures: read videos picture by picture, see `scoring.stimulus_truth.reads_pictures`.
        sandbox: where files are looked into; None = here.

    Raises:
        Refused: with every fault; WrongUse: it is of another data set or split, or an option contradicts it.
        MissingData: there is no such folder.
    """
    root = Path(root)
    everything = data if data.split in (None, "all") else Release(data.root)
    layout = layout_of(root, everything.ids, said)
    manifest = inherited(manifest_file.with_model(manifest_of(root, said), model, root), declared)
    check_data_set(manifest, data, root)
    if manifest.split not in (None, "all", data.split or "all"):
        raise WrongUse(
            f"{root}: predictions of split {manifest.split}, the data was opened with split {data.split or 'all'}"
        )
    reader = reader_of(root, data, layout, manifest, said, threads, as_pictures=as_pictures)
    expected = expectation(data, manifest, reader, with_frames_only=with_frames_only)
    checked = check(root, layout, data, expected, sandbox)
    refused = [fault for fault in checked.faults if fault.severity == "fault"]
    if refused:
        raise Refused(report(root, refused), refused)
    digests = reader.digests if manifest.files is not None else _digests(root, layout, everything)
    return Opened(reader, manifest, manifests.digest(manifest.prediction, digests), checked)


@dataclass(frozen=True)
class Reopen:
    """Makes the reader of a submission that was checked before; small, so that it travels to worker processes.

    Attributes:
        root: folder of the submission.
        data_root, split: the release.
        said: as for `open_submission`; with the `fit` that was settled there.
        threads: number of decoding threads.
        model, as_pictures: as for `open_submission`.
    """

    root: Path
    data_root: Path
    split: str | None
    said: Said
    threads: int
    model: ModelPart | None = None
    as_pictures: bool = False

    def __call__(self) -> StoredPredictions:
        """List the folder again, without looking into its files."""
        data = Release(self.data_root, self.split)
        layout = layout_of(self.root, Release(self.data_root).ids, self.said)
        manifest = manifest_file.with_model(manifest_of(self.root, self.said), self.model, self.root)
        return reader_of(self.root, data, layout, manifest, self.said, self.threads, as_pictures=self.as_pictures)


def expectation(
    data: Release, manifest: Manifest, reader: StoredPredictions, *, with_frames_only: bool = False
) -> Expectation:
    """Return what a submission must hold: the annotated stimuli that it does not leave out.

    Raises:
        Refused: it leaves out what the split does not have.
    """
    left_out = set(manifest.coverage.left_out) if manifest.coverage else set()
    unknown = sorted(left_out - set(data.ids)) if manifest.split not in (None, "all") or data.split is None else []
    if unknown:
        what = f"leaves out {short(unknown[0])!r}, which the split does not have"
        where = f"{NAME}, coverage.left_out"
        raise Refused(f"{NAME} {what}", [Fault(where, what, " ", rule="stimulus-surplus")])
    stimuli = tuple(
        s
        for s in data
        if s.annotated and s.id not in left_out and (not with_frames_only or s.frames_path() is not None)
    )
    return Expectation(stimuli, manifest, reader.asked)


def _digests(root: Path, layout: Layout, data: Release) -> dict[str, str]:
    """Digest of each stimulus's files, where the manifest does not list them."""

    def one(stimulus_id: str, entry: Entry) -> tuple[str, str]:
        stimulus = data[stimulus_id]
        return stimulus_id, stored(root, entry, Limits(stimulus.width, stimulus.height)).digest()

    calls = (partial(one, i, e) for i, e in layout.entries.items())
    return dict(prefetch_calls(calls, _HASHING, 2 * _HASHING))
