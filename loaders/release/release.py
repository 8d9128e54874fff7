"""A converted release, read lazily: stimuli, their frames, points and densities.

>>> import vidsal
>>> ds = vidsal.load("releases/dhf1k", split="val")  # doctest: +SKIP
>>> for stimulus in ds:  # doctest: +SKIP
...     print(stimulus.id, stimulus.n_frames, len(stimulus.points(0)))
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import BadData, MissingData, UnknownName
from ..formats import frames as frame_files
from ..io.extras import optional_packages
from ..io.files import parse_json, sha256
from ..records import OTHER_SPLIT, RELEASED, Truth
from ..registry import official_splits
from ..schema import GAZE
from . import truth as truths
from .digests import check_record, check_table
from .record import read_record
from .stimulus import Stimulus as Stimulus
from .tables import RowsByStimulus, read_groups, reading

if TYPE_CHECKING:
    from .torch_data import Clips


_RECENT_GROUPS = 2
"""Row groups that stay in memory: rows of a stimulus may lie in two."""


class Release:
    """A converted folder; iterating gives its stimuli.

    Attributes:
        root: the folder.
        record: the content of release.json.
        split: the split that was asked for; None = every stimulus.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        frames_root: str | Path | None = None,
        *,
        checked: bool = True,
    ) -> None:
        self.root = Path(root)
        self.record = read_record(self.root)
        if checked:
            check_table(self.root, self.record, "stimuli.parquet")
        self.split = split
        self._frames_root = None if frames_root is None else Path(frames_root)
        with reading(self.root / "stimuli.parquet"):
            rows = pq.read_table(self.root / "stimuli.parquet", use_threads=False).to_pylist()
            known = {split for r in rows for split in splits_of(r)} | {"all"}
        if split is not None and split not in known:
            known |= set(official_splits(self.record["dataset"]))
            if split not in known:
                raise UnknownName(f"split of {self.id}", split, known)
        self._stimuli = {
            r["stimulus_id"]: Stimulus(self, r) for r in rows if split in (None, "all") or split in splits_of(r)
        }

    @property
    def id(self) -> str:
        """Release id, as `dhf1k-raw`."""
        return str(self.record["release"])

    @property
    def digest(self) -> str:
        """Content digest."""
        return str(self.record["digest"])

    def check(self, *tables: str) -> None:
        """Compare release.json and tables with their digests, before a number follows from them.

        Args:
            tables: `fixations`, `gaze`; `stimuli` was compared when the release was opened.

        Raises:
            BadData: one is not what was converted; the message names the file.
        """
        check_record(self.root, self.record)
        for name in tables:
            check_table(self.root, self.record, f"{name}.parquet")

    @property
    def default_truth(self) -> str:
        """Name of the default truth recipe."""
        return str(self.record["truth"]["default"])

    def __repr__(self) -> str:
        return f"<Release {self.id}, split {self.split or 'all'}: {len(self)} stimuli>"

    def __len__(self) -> int:
        return len(self._stimuli)

    def __iter__(self) -> Iterator[Stimulus]:
        return iter(self._stimuli.values())

    def __getitem__(self, stimulus_id: str) -> Stimulus:
        if stimulus_id not in self._stimuli:
            raise UnknownName("stimulus", stimulus_id, self._stimuli)
        return self._stimuli[stimulus_id]

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the stimuli, in order."""
        return tuple(self._stimuli)

    @cached_property
    def stimuli(self) -> pd.DataFrame:
        """stimuli.parquet of the split as pandas."""
        frame: pd.DataFrame = self.table("stimuli").to_pandas()
        return frame

    @cached_property
    def fixations(self) -> pd.DataFrame:
        """fixations.parquet of the split as pandas."""
        frame: pd.DataFrame = self.table("fixations").to_pandas()
        return frame

    def table(self, name: str, stimulus_id: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table of the split as pyarrow.

        Args:
            name: `stimuli`, `fixations` or `gaze`.
            stimulus_id: read the rows of this stimulus only.
            columns: read these only; None = all.

        Raises:
            UnknownName: no such table.
        """
        if name not in ("stimuli", "fixations", "gaze"):
            raise UnknownName("table", name, ["stimuli", "fixations", "gaze"])
        path = self.root / f"{name}.parquet"
        if name == "gaze" and path.name not in self.record["files"]:
            return GAZE.empty_table()
        wanted = self.ids if stimulus_id is None else (stimulus_id,)
        with reading(path), pq.ParquetFile(path) as file:
            if stimulus_id is None and self.split in (None, "all"):
                return read_groups(file, range(file.num_row_groups), columns)
            needed = None if columns is None else list(dict.fromkeys(["stimulus_id", *columns]))
            if stimulus_id is not None:
                groups = [g for g, low, high in self._groups(name) if low <= stimulus_id <= high]
                parts = [self._rows(name, file, group, needed).of(stimulus_id) for group in groups]
                kept = pa.concat_tables(parts) if parts else read_groups(file, (), needed)
            else:
                groups = [g for g, low, high in self._groups(name) if any(low <= w <= high for w in wanted)]
                table = read_groups(file, groups, needed)
                kept = table.filter(pc.is_in(table["stimulus_id"].cast(pa.string()), pa.array(wanted, pa.string())))
        return kept if columns is None else kept.select(list(columns))

    def _rows(self, name: str, file: pq.ParquetFile, group: int, columns: list[str] | None) -> RowsByStimulus:
        """A row group by stimulus. The last ones stay: the next stimulus is mostly in the same."""
        recent: dict[tuple[Any, ...], RowsByStimulus] = self.__dict__.setdefault("_recent_groups", {})
        key = (name, group, *(columns or ()))
        found = recent.get(key)
        if found is None:
            found = RowsByStimulus(read_groups(file, [group], columns))
            kept = list(recent.items())[1 - _RECENT_GROUPS :]
            self.__dict__["_recent_groups"] = {**dict(kept), key: found}  # a new one: other threads may be looking
        return found

    def _groups(self, name: str) -> list[tuple[int, str, str]]:
        """Row groups with their lowest and highest stimulus id."""
        cache = self.__dict__.setdefault("_group_cache", {})
        if name not in cache:
            data = pq.read_metadata(self.root / f"{name}.parquet")
            column = data.schema.names.index("stimulus_id")
            found = []
            for group in range(data.num_row_groups):
                statistics = data.row_group(group).column(column).statistics
                found.append((group, statistics.min, statistics.max))
            cache[name] = found
        return list(cache[name])

    def truth(self, recipe: str | Truth | None = None) -> Truth:
        """Return a truth recipe of the release, or a Gaussian that its name states; None = the default one.

        Args:
            recipe: a name, a recipe, or `sigma=PX`: one untruncated Gaussian of that sigma a point, repeated points
                adding, for data whose own sigma is not stated.

        Raises:
            UnknownName: the release has no such recipe.
            WrongUse: the sigma is no number of pixels above 0.
        """
        if isinstance(recipe, Truth):
            return recipe
        recipes = self.record["truth"]["recipes"]
        name = recipe or self.default_truth
        if name not in recipes and name.startswith(truths.SIGMA):
            return truths.of_sigma(name)
        if name not in recipes:
            raise UnknownName(f"truth recipe of {self.id}", name, recipes)
        return truths.from_json(recipes[name])

    def truth_parameters(self, recipe: str) -> dict[str, Any]:
        """Return the settings of a recipe as plain data: as release.json holds them, or of one that its name states."""
        found: dict[str, Any] = self.record["truth"]["recipes"].get(recipe) or asdict(self.truth(recipe))
        return found

    def released_truth(self, stimulus_id: str) -> Path:
        """Return the video of the released densities of a stimulus, after its digest was compared.

        Raises:
            MissingData: there is none, or it is not on this machine. BadData: it is not what was converted.
        """
        known = self.record.get("truth_files", {}).get(stimulus_id)
        others = [name for name in self.record["truth"]["recipes"] if name != RELEASED]
        if known is None:
            raise MissingData(
                f"{stimulus_id}: the data set has no released density of it here; convert again with it, or make "
                f"densities from points by --recipe {others[0] if others else 'sigma=PX'}"
            )
        roots = [root for root in (self._converted_root(), self.frames_root()) if root is not None]
        file = Path(known["file"])
        path = next((root / file for root in roots if (root / file).is_file()), None)
        if path is None:
            raise MissingData(
                f"{file}: the released density of {stimulus_id} is not in {' or '.join(map(str, roots))}; "
                f"name the folder with --frames DIR or {self.frames_variable}"
            )
        if sha256(path) != known["sha256"]:
            raise BadData(f"{path}: not what was converted (its SHA-256 differs); fetch it again, or convert again")
        return path

    def frames_root(self) -> Path | None:
        """Folder of the frames: `frames_root` as given, else VIDSAL_FRAMES_<NAME>, else local.json."""
        if self._frames_root is not None:
            return self._frames_root
        variable = self.frames_variable
        if os.environ.get(variable):
            return Path(os.environ[variable])
        return self._converted_root()

    def _converted_root(self) -> Path | None:
        """The folder that was converted, as local.json says."""
        try:
            return Path(parse_json((self.root / "local.json").read_bytes())["frames_root"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise BadData(f'{self.root / "local.json"}: damaged; write {{"frames_root": "FOLDER"}} anew') from error

    @property
    def named_frames_root(self) -> Path | None:
        """Folder of the frames that was given when the release was opened."""
        return self._frames_root

    @property
    def names_frames(self) -> bool:
        """Whether somebody named the folder of the frames: else it is the one that was converted."""
        return self._frames_root is not None or bool(os.environ.get(self.frames_variable))

    @property
    def frames_variable(self) -> str:
        """Environment variable with the folder of the frames."""
        return "VIDSAL_FRAMES_" + str(self.record["dataset"]).upper().replace("-", "_")

    def find_frames(self, stimulus: Stimulus) -> Path | None:
        """Find a stimulus's frames: at its source_file, or under its name or id anywhere right below the root."""
        root = self.frames_root()
        if root is None:
            return None
        source = Path(stimulus.row["source_file"])
        candidates = [root / source, root / source.name, root / stimulus.id]
        suffixes = {source.suffix, *frame_files.VIDEO_SUFFIXES, *frame_files.IMAGE_SUFFIXES} - {""}
        for stem in (root / stimulus.id, root / source.with_suffix("")):
            for suffix in sorted(suffixes):
                candidates += [stem.with_name(stem.name + suffix), stem.with_name(stem.name + suffix.upper())]
        return next((c for c in candidates if frame_files.exists(c)), None)

    def frames_hint(self, missing: list[str]) -> str:
        """Say which frames are missing and how to provide them."""
        some = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        expected = self.frames_root() or "nowhere: local.json is missing"
        return (
            f"no frames for {len(missing)} of {len(self)} stimuli of {self.id}: {some}. Looked in {expected}; "
            f"name the folder with --frames DIR or {self.frames_variable}"
        )

    @optional_packages()
    def torch(
        self, *, clip: int = 1, stride: int | None = None, recipe: str | None = None, tail: bool = False
    ) -> Clips:
        """Return a torch Dataset of clips, see `vidsal.loaders.release.torch_data.Clips`.

        Args:
            clip: frames in a clip.
            stride: frames from the start of one clip to that of the next; None = `clip`.
            recipe: truth recipe; None = the release's default.
            tail: whether the frames after the last whole clip make a clip too, filled up with the last frame.
        """
        from .torch_data import Clips

        return Clips(self, clip=clip, stride=clip if stride is None else stride, recipe=recipe, tail=tail)


def splits_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the splits of a stimulus, a line of stimuli.parquet: its own, and those of folds that its attributes name.

    >>> splits_of({"split": "all", "attributes": ["split:train_1", "split:test_2", "indoors"]})
    ('all', 'train_1', 'test_2')
    """
    others = (word.removeprefix(OTHER_SPLIT) for word in row["attributes"] or () if word.startswith(OTHER_SPLIT))
    return (str(row["split"]), *others)


def load(root: str | Path, split: str | None = None, *, frames: str | Path | None = None) -> Release:
    """Open a converted folder.

    Args:
        root: folder that `vidsal data convert` wrote.
        split: official split; None or `all` = every stimulus.
        frames: folder of the frames, where it is not the one that was converted.

    Raises:
        MissingData: there is no release, or no folder of frames where one is named.
        UnknownName: it has no such split.
        BadData: it is damaged, or of a later schema.
    """
    if frames is not None and not Path(frames).is_dir():
        raise MissingData(f"{frames}: no such folder; --frames DIR (frames= of load) names the folder of the frames")
    return Release(root, split, frames)
