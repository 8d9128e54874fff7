"""The rules of a submission: each has an id that stays, and says how to mend what breaks it.

`vidsal submit check` and `vidsal score` judge by them alike. A fault is refused; a warning is scored and marked, unless
`--strict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["fault", "warning"]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        says: what holds of a submission that keeps it.
        mend: what to do where it does not.
        severity: `fault` or `warning`.
        scoring: whether `vidsal score` says the warning too, and refuses it with `--strict`; the others stand in its
            result.
    """

    says: str
    mend: str
    severity: Severity = "fault"
    scoring: bool = True


RULES: dict[str, Rule] = {
    # The archive
    "archive-damaged": Rule(
        "a zip or tar file can be read to its end", "pack it again, `vidsal submit pack DIR -o FILE.zip`"
    ),
    "archive-path": Rule(
        "names in an archive are plain relative paths",
        "pack the folder from inside it",
    ),
    "archive-kind": Rule(
        "an archive holds regular files only, not encrypted", "pack the files themselves, in plain zip or tar"
    ),
    "archive-double": Rule(
        "no two names in an archive are equal, or differ only in case", "rename or remove one of the two"
    ),
    "archive-size": Rule(
        "an archive expands within its limits", "pack fewer or smaller files; store lower resolutions or 8 bits"
    ),
    # The manifest
    "manifest-missing": Rule(
        "submission.json is there",
        "write one with `vidsal submit init`, or use `vidsal submit import`",
    ),
    "manifest": Rule(
        "submission.json is a manifest of format 1", "correct the field; `vidsal submit schema` says what each may hold"
    ),
    "placeholder": Rule(
        "no placeholder of the template is left", "write what is asked for, or null where it is unknown"
    ),
    "data-set": Rule("the predictions are of the data set of the release", "name the release that was predicted"),
    "split": Rule("the predictions are of the split", "check with the split that submission.json names"),
    "other-conversion": Rule(
        "the release is the conversion that was predicted",
        "nothing, where stimuli and frames fit; else predict this release",
        "warning",
    ),
    "training-overlap": Rule(
        "the model was not trained on the data set that it is scored on",
        "nothing, if the data was held out; the result says what the model has seen",
        "warning",
        scoring=False,
    ),
    # Files and stimuli
    "empty": Rule("there are predictions", "see docs/submissions.md for the layout, or `vidsal submit import`"),
    "link": Rule("a submission holds regular files only", "replace links by the files that they name"),
    "unknown-file": Rule("no file is there that is no prediction", "remove it"),
    "unknown-stimulus": Rule("every name is that of a stimulus of the release", "rename or remove it"),
    "double": Rule("a stimulus, and a frame of it, is predicted once", "remove one of the two"),
    "stimulus-missing": Rule(
        "every annotated stimulus of the split is predicted",
        "predict it, or list it in `coverage.left_out` of submission.json",
    ),
    "stimulus-surplus": Rule(
        "no stimulus is there that submission.json excludes", "remove it, or mend submission.json"
    ),
    "other-split": Rule("only stimuli of the split are predicted", "nothing: the others are ignored", "warning"),
    "not-scored": Rule("every predicted stimulus has gaze here", "nothing: the others are not scored", "warning"),
    "found-elsewhere": Rule(
        "the predictions lie where format 1 has them", "import them, `vidsal submit import`", "warning"
    ),
    # Frames
    "frame-missing": Rule(
        "every annotated frame has a prediction",
        "predict it, or say what a missing one means: `missing` in submission.json, `--missing` of a command",
    ),
    "frame-surplus": Rule("every predicted frame is one of the stimulus", "remove it, or say the first number"),
    "frame-number": Rule(
        "names tell the frame",
        "say that of frame 0: `first_frame` in submission.json, `--first-frame` of a command",
    ),
    # Maps
    "file": Rule("every file can be read, and is what its name says", "write the file again"),
    "map-size": Rule("maps have the size that submission.json says", "mend `size` in submission.json, or the maps"),
    "aspect": Rule(
        "maps have the aspect of the frame, or submission.json says how they lie on it",
        "declare `fit` (stretch, letterbox or crop), or write maps of the frame's aspect",
    ),
    "encoding": Rule("the numbers are those that submission.json says", "mend `kind` or `encoding`, or the maps"),
    "not-finite": Rule("every value is finite", "find the NaN or infinity in the model and predict again"),
    "density": Rule("what claims to be a density sums to 1", "normalize the maps, or set kind saliency or log_density"),
    "constant": Rule(
        "no map is constant",
        "predict again, or, where it is meant, set `declarations.constant_maps` to true in submission.json",
    ),
    "listing": Rule("`files` of submission.json lists what is there", "make the list anew: `vidsal submit import`"),
    "digest": Rule(
        "files have the SHA-256 that submission.json and SHA256SUMS list",
        "fetch the files again; where they were meant to change, leave out `files` and SHA256SUMS, and pack anew",
    ),
    "lossy": Rule("the maps lost nothing in storing", "store PNG, npz or lossless video", "warning"),
    "unverified": Rule(
        "videos are listed with their digests", "`vidsal submit import` lists them in submission.json", "warning"
    ),
    "linear-8-bit": Rule(
        "maps have more than 256 linear levels, or are logarithms",
        "store png16, npz, or log densities: sharp maps lose in AUC-J, and KLD suffers most",
        "warning",
        scoring=False,
    ),
}
"""The rules by their ids, in the order in which a submission is read."""
