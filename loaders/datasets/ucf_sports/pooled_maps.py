"""What the two revisions of UCF Sports' pooled maps share: everything but the revision.

**June 2017**: `testing/Diving-Side-001/fixation/Diving-Side_001_001.png`. Holds pixels where nobody looked: the
mapping code set the whole grid of rows and columns. **April 2018**: `test/Diving-Side_001/fixation/0001.png`, without
that fault, and with one map more than there are frames. The date in the MAT files distinguishes them, else the naming.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import MissingData
from ...formats.frames import exists
from ...formats.pooled import read_maps, size_of_png
from ...io import registers
from ...io.folders import files
from ...io.names import shortlist
from ...records import DatasetInfo, Gaze, Report, StimulusRow
from . import layout


@dataclass(frozen=True)
class Revision:
    """What the module of one revision offers as a form; `info.variant` names the revision."""

    info: DatasetInfo

    def present(self, source: Path) -> bool:
        """Return whether a video with maps of this revision is here."""
        return any(
            found.revision == self.info.variant
            for line in registers.rows("ucf_sports")
            for folder in layout.folders_of(source, line["video"], line["split"])
            if (found := layout.annotation(folder, line["video"])) is not None
        )

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield the videos with maps of one revision, or with frames and no maps, in the order of the register.

        Raises:
            MissingData: there is none.
        """
        info = self.info
        absent: list[str] = []
        by_name: list[str] = []
        others = 0
        for line in registers.rows("ucf_sports"):
            video = line["video"]
            folders = list(layout.folders_of(source, video, line["split"]))
            found = [a for folder in folders if (a := layout.annotation(folder, video)) is not None]
            chosen = [a for a in found if a.revision == info.variant]
            others += len(found) - len(chosen)
            for surplus in chosen[1:]:
                where = surplus.folder.relative_to(source).as_posix()
                report.add("surplus", where, f"maps of {video} of the same revision lie elsewhere too; left out")
            framed = [folder for folder in folders if exists(folder / "images")]
            if not chosen and (found or not framed):
                absent.append(video)
                continue
            if chosen and not chosen[0].by_date:
                by_name.append(video)
            folder = chosen[0].folder if chosen else framed[0]
            yield StimulusRow(
                stimulus_id=video,
                split=line["split"],
                source_file=(folder / "images").relative_to(source).as_posix(),
                width=int(line["width"]),
                height=int(line["height"]),
                n_frames=int(line["n_frames"]),
                first_frame_number=1,
                extra=_extra(chosen[0], source) if chosen else None,
            )
        unregistered = list(_unregistered(source, info, report))
        yield from unregistered
        if len(absent) == len(registers.rows("ucf_sports")) and not unregistered:
            raise MissingData(
                f"{source}: no maps of UCF Sports, revision {info.variant}, are here; "
                f"expected {'; '.join(info.layout)}. {info.obtain}"
            )
        _report(absent, by_name, others, info, report)

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read the maps of one video; what cannot be read is reported and left out.

        Raises:
            BadData: none of the maps can be used.
        """
        if stimulus.extra is None:
            report.add("missing", stimulus.stimulus_id, "frames, but no fixation maps; kept as not annotated")
            return Gaze(annotated=False)
        folder, prefix = stimulus.extra
        size = None if stimulus.width is None or stimulus.height is None else (stimulus.height, stimulus.width)
        return read_maps(source / folder, source, report, first_number=1, prefix=prefix, size=size).gaze()


def _extra(found: layout.Annotation, source: Path) -> tuple[str, str]:
    return (found.folder / "fixation").relative_to(source).as_posix(), found.prefix


def _unregistered(source: Path, info: DatasetInfo, report: Report) -> Iterator[StimulusRow]:
    seen: set[str] = set()
    for video, split, folder in layout.unregistered(source):
        found = layout.annotation(folder, video)
        if found is None or found.revision != info.variant:
            continue
        where = folder.relative_to(source).as_posix()
        if video in seen:
            report.add("surplus", where, f"maps of {video} of the same revision lie elsewhere too; left out")
            continue
        seen.add(video)
        report.add("surplus", where, "a video that the register does not know", fatal=False)
        size = next((s for p in files(folder / "fixation", ".png") if (s := size_of_png(p))), None)
        yield StimulusRow(
            stimulus_id=video,
            split=split,
            source_file=f"{where}/images",
            width=size[1] if size else None,
            height=size[0] if size else None,
            n_frames=None,
            first_frame_number=1,
            extra=_extra(found, source),
        )


def _report(absent: list[str], by_name: list[str], others: int, info: DatasetInfo, report: Report) -> None:
    if absent:
        total = len(registers.rows("ucf_sports"))
        message = f"{len(absent)} of {total} videos have no maps of revision {info.variant} here: {shortlist(absent)}"
        report.add("missing", ".", message, count=len(absent))
    if by_name:
        message = (
            f"no MAT file tells the revision; taken as {info.variant} by the names of the files: {shortlist(by_name)}"
        )
        report.add("assumption", ".", message, count=len(by_name), fatal=False)
    if others:
        message = "videos have maps of the other revision here, not converted: name that variant to have it"
        report.add("surplus", ".", message, count=others, fatal=False)
    if info.variant == "2017":
        message = "this revision holds pixels where nobody looked (rows and columns of true ones crossed)"
        report.add("grid-artefact", ".", message, fatal=False)
