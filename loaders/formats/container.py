"""Opening a video file: that file, and nothing that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import BadData
from ..io.files import rule_out_machine

_LISTS = frozenset({"concat", "dash", "hls", "imf", "webm_dash_manifest"})
"""FFmpeg's formats that are lists of other files: it plays a text that is called `.avi` as what the text names."""


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
