"""The column map: what the columns of a table of gaze mean, in TOML, so that no code is needed to read it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import BadData, MissingData, UnknownName

ColumnName: TypeAlias = str | int | tuple[str | int, ...]
"""A column's name, its number, or several of which the first that is there is taken."""

_PLACE = re.compile(r"\{(\w*)\}")
_FIELDS = ("observer", "stimulus", "trial")
_THRESHOLDS = {
    "idt": {"minimum_ms", "dispersion_deg", "dispersion_px"},
    "ivt": {"minimum_ms", "velocity_deg", "velocity_px"},
}
ROW, PART = "row", "part"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileTable(_Table):
    """How the files are written.

    Attributes:
        pattern: names of the files, with `{observer}`, `{stimulus}`, `{trial}`, and `{}` for what is of no interest.
        delimiter: of text; None = by suffix, else found out.
        header: whether the first line names the columns.
        skip: lines before that.
        encoding, decimal: of text.
        variable: of a MATLAB file, `ETdata.pos`: a matrix, or a cell of matrices.
        messages: of an EyeLink ASC file: regular expressions whose named groups are columns.
    """

    pattern: str | None = None
    delimiter: str | None = None
    header: bool = True
    skip: int = Field(default=0, ge=0)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    variable: str | None = None
    messages: tuple[str, ...] = ()

    @field_validator("pattern")
    @classmethod
    def _known_places(cls, value: str | None) -> str | None:
        unknown = [name for name in _PLACE.findall(value or "") if name and name not in _FIELDS]
        if unknown:
            raise ValueError(
                f"{{{unknown[0]}}} is unknown; known are {', '.join(f'{{{f}}}' for f in _FIELDS)} and {{}}"
            )
        return value


class ColumnsTable(_Table):
    """Which column holds what; numbers count from 1, or from 0 if 0 is among them.

    `row` as `frame` or `time` is the number of the row, from 0; `part` as `observer` the number of the matrix in a
    MATLAB cell.
    """

    x: ColumnName
    y: ColumnName
    stimulus: ColumnName | None = None
    observer: ColumnName | None = None
    trial: ColumnName | None = None
    time: ColumnName | None = None
    duration: ColumnName | None = None
    frame: ColumnName | None = None
    event: ColumnName | None = None
    pupil: ColumnName | None = None
    confidence: ColumnName | None = None

    def names(self) -> dict[str, tuple[str | int, ...]]:
        """The columns that are named, each as its candidates."""
        named = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        return {name: value if isinstance(value, tuple) else (value,) for name, value in named.items()}


class UnitsTable(_Table):
    """Units and origins.

    Attributes:
        time: of `time`; `frame` counts frames of the stimulus.
        duration: of `duration`; None = as `time`.
        zero: where time begins: with the first frame of the stimulus, or the first row of each recording.
        position: `px` and `normalized` (0 to 1) are of the stimulus, `screen_px` and `screen_normalized` of the screen,
            `degrees` of visual angle from the middle of the screen.
        origin: where (0, 0) is; None = top left, for degrees the center, from which alone they count.
        y: direction in which y grows; None = up for `bottom-left`, else down.
        first_frame: number of the first frame in the column `frame`, or in `time` that counts frames.
        lost: position that stands for a lost sample.
    """

    time: Literal["ms", "us", "s", "frame"] = "ms"
    duration: Literal["ms", "us", "s", "frame"] | None = None
    zero: Literal["stimulus", "first"] = "stimulus"
    position: Literal["px", "normalized", "screen_px", "screen_normalized", "degrees"] = "px"
    origin: Literal["top-left", "bottom-left", "center"] | None = None
    y: Literal["up", "down"] | None = None
    first_frame: int = 0
    lost: tuple[float, float] | None = None


class ScreenTable(_Table):
    """The display, and how the stimulus was shown on it.

    Attributes:
        width_px, height_px, width_mm, height_mm, distance_mm: of the display.
        px_per_degree: pixels of the stimulus in a degree of visual angle; None = from the sizes above.
        show: `fit` = as large as possible, `center` = in its own size, `stretch` = filling the screen; all centred.
    """

    width_px: int | None = Field(default=None, gt=0)
    height_px: int | None = Field(default=None, gt=0)
    width_mm: float | None = Field(default=None, gt=0)
    height_mm: float | None = Field(default=None, gt=0)
    distance_mm: float | None = Field(default=None, gt=0)
    px_per_degree: float | None = Field(default=None, gt=0)
    show: Literal["fit", "center", "stretch"] = "fit"

    @property
    def tells_degrees(self) -> bool:
        """Whether it tells where a degree of visual angle lies on the stimulus."""
        known = (self.width_px, self.height_px, self.width_mm, self.distance_mm)
        return self.px_per_degree is not None or None not in known


class StimulusTable(_Table):
    """One stimulus, or all, where there is no video: size in pixels, frames a second, number of frames."""

    width: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)
    fps: str | float | int | None = None
    n_frames: int | None = Field(default=None, gt=0)
    duration_ms: float | None = Field(default=None, gt=0)
    kind: Literal["video", "image"] | None = None

    @field_validator("fps")
    @classmethod
    def _a_rate(cls, value: str | float | int | None) -> str | float | int | None:
        if value is not None and not 0 < _rate(value) <= 1000:
            raise ValueError(f"{value!r} frames a second")
        return value

    @property
    def rate(self) -> Fraction | None:
        """Frames a second."""
        return None if self.fps is None else _rate(self.fps)


class EventsTable(_Table):
    """How samples become events.

    Attributes:
        detector: `none` keeps each sample as a point; `idt` (dispersion) and `ivt` (velocity) are pymovements'.
        minimum_ms: of a fixation.
        dispersion_deg, dispersion_px: largest dispersion of a fixation, `idt`; in degrees, or pixels of the stimulus.
        velocity_deg, velocity_px: largest velocity within a fixation, `ivt`; a second.
        fixation, pursuit, saccade, noise: labels of the column `event` that mean these.
    """

    detector: Literal["none", "idt", "ivt"] = "none"
    minimum_ms: int = Field(default=100, gt=0)
    dispersion_deg: float = Field(default=1.0, gt=0)
    dispersion_px: float | None = Field(default=None, gt=0)
    velocity_deg: float = Field(default=20.0, gt=0)
    velocity_px: float | None = Field(default=None, gt=0)
    fixation: tuple[str | int, ...] = ()
    pursuit: tuple[str | int, ...] = ()
    saccade: tuple[str | int, ...] = ()
    noise: tuple[str | int, ...] = ()

    def labels(self) -> dict[str, str]:
        """Event by label, as text."""
        events = ("fixation", "pursuit", "saccade", "noise")
        return {str(label): event for event in events for label in getattr(self, event)}


class AboutTable(_Table):
    """What the release says of itself."""

    name: str = Field(default="own", pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str = "Recordings of one's own, by a column map"
    licence: str = "not stated"
    citation: str = "not stated"
    sigma_px: float | None = Field(default=None, gt=0)


class ColumnMap(_Table):
    """A whole map; see the tables."""

    kind: Literal["samples", "fixations"]
    columns: ColumnsTable
    units: UnitsTable = UnitsTable()
    screen: ScreenTable = ScreenTable()
    stimuli: dict[str, Any] = Field(default_factory=dict)
    events: EventsTable = EventsTable()
    file: FileTable = FileTable()
    about: AboutTable = AboutTable()

    @model_validator(mode="after")
    def _complete(self) -> ColumnMap:
        named = _PLACE.findall(self.file.pattern or "")
        for field in ("stimulus", "observer"):
            if getattr(self.columns, field) is not None and field in named:
                raise ValueError(f"[columns] {field} and {{{field}}} in [file] pattern: name one of them")
        if self.columns.stimulus is None and "stimulus" not in named:
            raise ValueError("the stimulus is not given: name a column in [columns], or {stimulus} in [file] pattern")
        if self.columns.time is None and self.columns.frame is None and not self.only_images:
            raise ValueError("no time is given: name a column `time` or `frame` in [columns]")
        needs_screen = self.units.position in ("screen_px", "screen_normalized")
        if needs_screen and (self.screen.width_px is None or self.screen.height_px is None):
            raise ValueError(f"position = {self.units.position!r} needs width_px and height_px in [screen]")
        if self.units.position == "degrees" and not self.screen.tells_degrees:
            raise ValueError(
                "position = 'degrees' needs px_per_degree in [screen], or the display: width_px, height_px, width_mm "
                "and distance_mm"
            )
        if self.events.detector != "none" and (self.kind != "samples" or self.columns.event or not self.columns.time):
            raise ValueError("a detector needs samples with a time and without labels: kind, [columns] time, event")
        if idle := next(self._idle(), None):
            raise ValueError(idle)
        self.stimulus("")
        return self

    def _idle(self) -> Iterator[str]:
        """What is given and cannot apply: it is never ignored."""
        columns, units, events = self.columns, self.units, self.events
        if units.position == "degrees" and units.origin not in (None, "center"):
            yield f"[units] origin = {units.origin!r} cannot apply: degrees count from the middle, y = 'up' turns them"
        if units.first_frame and columns.frame is None and units.time != "frame":
            yield "[units] first_frame cannot apply: no column `frame` is named, and time does not count frames"
        if units.duration is not None and columns.duration is None:
            yield "[units] duration cannot apply: no column `duration` is named in [columns]"
        if units.zero == "first" and columns.time is None:
            yield "[units] zero = 'first' cannot apply: no column `time` is named in [columns]"
        if columns.duration is not None and self.kind == "samples":
            yield "[columns] duration cannot apply: kind = 'samples' have none, kind = 'fixations' have"
        if events.labels() and columns.event is None:
            yield "[events] labels cannot apply: no column `event` is named in [columns]"
        thresholds = events.model_fields_set & {name for names in _THRESHOLDS.values() for name in names}
        if idle := sorted(thresholds - _THRESHOLDS.get(events.detector, set())):
            yield f"[events] {idle[0]} cannot apply with detector = {events.detector!r}"

    @property
    def only_images(self) -> bool:
        """Whether the map says that all stimuli are images."""
        return self.stimuli.get("kind") == "image"

    def stimulus(self, name: str) -> StimulusTable:
        """Return what `[stimuli]` says of one stimulus: its own table over what holds for all."""
        shared = {k: v for k, v in self.stimuli.items() if not isinstance(v, dict)}
        own = self.stimuli.get(name, {})
        return StimulusTable(**{**shared, **own})

    def fields_of(self, path: Path) -> dict[str, str] | None:
        """Return what the pattern reads from a file's name; None where the name does not fit it."""
        if self.file.pattern is None:
            return {}
        parts = [
            re.escape(part) if i % 2 == 0 else (f"(?P<{part}>[^/]+?)" if part else "[^/]*?")
            for i, part in enumerate(_PLACE.split(self.file.pattern))
        ]
        text = path.as_posix() if "/" in self.file.pattern else path.name
        match = re.fullmatch("".join(parts), text)
        return None if match is None else match.groupdict()


READY = ("tobii", "pupil", "eyelink")
TEMPLATE = "template"


def ready_map(name: str) -> str:
    """Return the text of a map that comes with the package: `template`, or one of `READY`.

    Raises:
        UnknownName: there is none of this name.
    """
    if name not in (TEMPLATE, *READY):
        raise UnknownName("column map", name, (TEMPLATE, *READY))
    return files("vidsal.loaders").joinpath("own", "maps", f"{name}.toml").read_text(encoding="utf-8")


def read_map(path: Path) -> ColumnMap:
    """Read a map: a file, or one of `READY` by its name.

    Raises:
        MissingData: no such file.
        BadData: not TOML, an unknown key, or a value that cannot be.
    """
    try:
        ready = str(path) in READY and not path.exists()
        content = tomllib.loads(ready_map(str(path)) if ready else path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingData(
            f"{path}: no such column map; `vidsal data template` writes one to fill in, {' and '.join(READY)} are ready"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadData(f"{path}: not a TOML file ({error})") from error
    try:
        return ColumnMap(**content)
    except ValidationError as error:
        raise BadData(f"{path}: {in_words(error.errors())}; `vidsal data template` explains every key") from error


def in_words(errors: Sequence[Any]) -> str:
    """Say the first fault that pydantic found: the key and what is wrong with it."""
    first = errors[0]
    at = [str(part) for part in first["loc"] if not str(part).startswith(("tuple", "constrained", "function"))]
    known = {"extra_forbidden": "is no key of this table", "missing": "is missing"}
    message = known.get(first["type"], str(first["msg"]).removeprefix("Value error, "))
    where = f"[{at[0]}] {' '.join(at[1:2])}".strip() if len(at) > 1 else "".join(at)
    return f"{where}: {message}" if where else message


def _rate(value: str | float | int) -> Fraction:
    """A rate as written: 25, 29.97 (30000/1001), or "24000/1001"."""
    exact = Fraction(value) if isinstance(value, str | int) else Fraction(str(value))
    for base in (24, 30, 60):
        drop = Fraction(1000 * base, 1001)
        if exact.denominator != drop.denominator and abs(exact - drop) < Fraction(1, 200):
            return drop
    return exact
