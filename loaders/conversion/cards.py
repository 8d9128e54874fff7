"""What others read beside a release: Croissant 1.0 JSON-LD, a Hugging Face data-set card, citation files.

They follow from release.json and the Parquet files, say nothing new, and are no part of the release's digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..io.files import canonical
from ..schema import CONVENTIONS, FIXATIONS, GAZE, STIMULI

_TABLES = {"stimuli": STIMULI, "fixations": FIXATIONS, "gaze": GAZE}
_ABOUT = {
    "stimuli": "A row for each video or image.",
    "fixations": "A row for each fixation, gaze sample or fixated pixel, in pixels of the stimulus.",
    "gaze": "A row for each raw gaze sample.",
}
_CROISSANT = "http://mlcommons.org/croissant/1.0"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def cards(release: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the texts by their file names.

    Args:
        release: the content of release.json.
        folder: where its Parquet files lie.
    """
    return {
        "croissant.json": canonical(croissant(release, folder)),
        "README.md": card(release),
        "CITATION.cff": _citation_cff(release),
        "CITATION.bib": _citation_bib(release),
    }


def croissant(release: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return Croissant 1.0 metadata: the files with their digests, and every column.

    Source: Croissant Format Specification 1.0 (MLCommons).
    """
    present = [name for name in _TABLES if f"{name}.parquet" in release["files"]]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "citeAs": release["citation"],
        "conformsTo": _CROISSANT,
        "creator": {"@type": "Organization", "name": f"The authors of {release['dataset']}"},
        "description": _description(release),
        "distribution": [_file(f"{name}.parquet", release, folder) for name in present],
        "license": release["licence"],
        "name": release["release"],
        "recordSet": [_record_set(name) for name in present],
        "version": f"{release['version']}.0.0",
    }


def _description(release: Mapping[str, Any]) -> str:
    counts = release["counts"]
    return (
        f"{release['title']}. Gaze in one schema: {counts['stimuli']} stimuli, {counts['fixations']} rows of "
        f"fixations. {CONVENTIONS['coordinates'].capitalize()}; {CONVENTIONS['time']}. The videos and images are not "
        "part of it."
    )


def _file(name: str, release: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        "@id": name,
        "@type": "cr:FileObject",
        "contentSize": f"{(folder / name).stat().st_size} B",
        "contentUrl": name,
        "encodingFormat": "application/x-parquet",
        "name": name,
        "sha256": release["files"][name],
    }


def _record_set(name: str) -> dict[str, Any]:
    return {
        "@id": name,
        "@type": "cr:RecordSet",
        "description": _ABOUT[name],
        "field": [_field(name, column) for column in _TABLES[name]],
        "name": name,
    }


def _field(table: str, column: pa.Field) -> dict[str, Any]:
    listed = pa.types.is_list(column.type)
    return {
        "@id": f"{table}/{column.name}",
        "@type": "cr:Field",
        "dataType": _data_type(column.type.value_type if listed else column.type),
        "name": column.name,
        "source": {"extract": {"column": column.name}, "fileObject": {"@id": f"{table}.parquet"}},
    } | ({"repeated": True} if listed else {})


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"


def card(release: Mapping[str, Any]) -> str:
    """Return a data-set card as the Hugging Face Hub reads it: YAML, then Markdown."""
    tables = [name for name in _TABLES if f"{name}.parquet" in release["files"]]
    configs = "".join(f"- config_name: {name}\n  data_files: {name}.parquet\n" for name in tables)
    counts = release["counts"]
    rows = "".join(f"| {key.replace('_', ' ')} | {value} |\n" for key, value in counts.items() if value is not None)
    return (
        f"---\npretty_name: {json.dumps(release['title'], ensure_ascii=False)}\nlicense: other\n"
        f"license_name: {json.dumps(release['licence'], ensure_ascii=False)}\n"
        f"tags:\n- saliency\n- eye-tracking\n- gaze\nconfigs:\n{configs}---\n\n"
        f"# {release['release']}\n\n{_description(release)}\n\n"
        f"| what | count |\n| :-- | --: |\n{rows}\n"
        f"- Release `{release['release']}`, version {release['version']}, digest `{release['digest']}`.\n"
        f"- Licence of the data: {release['licence']}\n"
        f"- Cite: {release['citation']}\n\n"
        '```python\nimport vidsal\n\nds = vidsal.load("this folder")\nprint(ds.ids)\n```\n'
    )


def _citation_cff(release: Mapping[str, Any]) -> str:
    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    return (
        "cff-version: 1.2.0\ntype: dataset\n"
        f"message: {quoted('Please cite the data set: ' + release['citation'])}\n"
        f"title: {quoted(release['title'])}\n"
        f"authors:\n- name: {quoted('The authors of ' + release['dataset'])}\n"
        f"version: {quoted(str(release['version']))}\n"
        f"identifiers:\n- type: other\n  value: {release['digest']}\n  description: digest of this release\n"
    )


def _citation_bib(release: Mapping[str, Any]) -> str:
    def plain(text: str) -> str:
        return re.sub(r"([#$%&_{}])", r"\\\1", text)

    return (
        f"@misc{{{release['release']},\n  title = {{{plain(release['title'])}}},\n"
        f"  note = {{{plain(release['citation'])}}}\n}}\n"
    )
