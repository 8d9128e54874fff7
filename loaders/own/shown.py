"""Which file in a folder of videos and images is which stimulus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import MissingData
from ..formats.frames import IMAGE_SUFFIXES, VIDEO_SUFFIXES, numbered_images
from ..io.folders import entries, files
from ..io.matching import Ids
from ..io.names import shortlist
from ..records import Report


def shown(videos: Path | None, ids: Sequence[str], report: Report) -> dict[str, str]:
    """Return the video, the image or the folder of images of each stimulus, by name, relative to the folder.

    Args:
        videos: the folder; None = there is none.
        ids: the stimuli.
        report: takes the files without a stimulus, and the stimuli without a file.

    Raises:
        MissingData: not one file is named as a stimulus.
    """
    if videos is None:
        return {}
    suffixes = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
    here = files(videos, *suffixes)
    here += [p for p in entries(videos) if p.is_dir() and numbered_images(p)]
    by_name = {p.name if p.name in ids or p.is_dir() else p.stem: p.name for p in here}
    stems = {name: name for name in ids} | {Path(name).stem: name for name in ids if Path(name).suffix in suffixes}
    matched = Ids(stems).match(list(by_name))
    found = {stems[stem]: by_name[name] for name, stem in matched.found.items()}
    if not found:
        raise MissingData(
            f"{videos}: no video or image is named as a stimulus; the stimuli are {shortlist(ids)}, the files are "
            f"{shortlist(by_name.values())}"
        )
    unknown = [by_name[name] for name in by_name if name not in matched.found]
    if unknown:
        message = f"no gaze on {shortlist(unknown)}; left out"
        report.add("surplus", "videos", message, count=len(unknown), fatal=False)
    absent = [name for name in ids if name not in found]
    if absent:
        report.add("missing", "videos", f"no video or image of {shortlist(absent)}", count=len(absent))
    return found
