"""The previews of a run's folder, as pages may show them: a damaged one is named and left out, the others stay."""

from __future__ import annotations

from pathlib import Path

from vidsal.benchmark.evaluation.previews.record import StimulusPreview, check_pictures, read_record
from vidsal.benchmark.evaluation.results.schema import RunRecord
from vidsal.loaders.errors import BadData, MissingData


def read_previews(folder: Path, record: RunRecord, faults: list[str] | None = None) -> dict[str, StimulusPreview]:
    """Read what a run kept to look at.

    Args:
        folder: of the run.
        record: its run.json.
        faults: takes a sentence for each damaged stimulus, or one for all; None = they are errors.

    Returns:
        The previews of each stimulus, by its id; empty where the run kept none.

    Raises:
        BadData, MissingData: something is damaged or missing, and there is no list for it.
    """
    if record.previews_digest is None:
        return {}
    found = {}
    try:
        everything = read_record(folder, record.previews_digest).stimuli
    except (BadData, MissingData) as error:
        if faults is None:
            raise
        faults.append(f"previews: {error}")
        return {}
    for stimulus_id, preview in everything.items():
        try:
            check_pictures(folder, stimulus_id, preview)
        except (BadData, MissingData) as error:
            if faults is None:
                raise
            faults.append(f"previews of {stimulus_id}: {error}")
        else:
            found[stimulus_id] = preview
    return found
