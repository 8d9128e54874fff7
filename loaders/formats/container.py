"""Opening a video file: that file, and nothing that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import BadData
from ..io.files import rule_out_machine

_LISTS = frozenset({"concat", "dash", "hls", "imf", "webm_dash_manifest"})
"""FFmpeg's formats that are lists of other files: it plays a text that is called `.avi` as what the text names."""

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def open_container(path: Path) -> Any:
    """Open a video or sound file with FFmpeg.

    Returns:
        The PyAV container, to be closed by the caller.

    Raises:
        BadData: it cannot be read, or is a list of other files.
    """
    import av

    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except av.error.FFmpegError as error:
        rule_out_machine(path)
        raise BadData(f"{path}: not a readable video ({error.strerror}); fetch the file again") from error
    if _LISTS & set(container.format.name.split(",")):
        name = container.format.name
        container.close()
        raise BadData(f"{path}: a play list ({name}), which names other files; give the videos themselves")
    return container


def is_cut_off(path: Path) -> bool:
    """Whether a Matroska or WebM file ends before its segment does; of other containers it is not known, and False."""
    with path.open("rb") as file:
        start = file.read(4096)
    at = 0
    for element in (_EBML, _SEGMENT):
        if start[at : at + 4] != element or len(start) < at + 12:
            return False
        length = 9 - start[at + 4].bit_length()  # of the size: as many bytes as zero bits before the first one
        size = int.from_bytes(start[at + 4 : at + 4 + length]) & (1 << 7 * length) - 1
        at += 4 + length + (size if element == _EBML else 0)
    unknown = (1 << 7 * length) - 1  # as of a live stream
    return size != unknown and at + size > path.stat().st_size
