"""What a check found, as a person reads it and as a build server reads it (JUnit XML). Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as xml

from vidsal.loaders.io.names import shortlist, visible

from .examine import Examination
from .faults import MOST_NAMED, Finding
from .rules import RULES


def lines(found: Examination, root: Path) -> Iterator[str]:
    """Yield the report as lines: what was found, how to mend it, and how it ended."""
    for finding in found.findings:
        yield f"{_severity(found, finding)}  {finding.rule}  {_places(finding)}{finding.message}"
        yield f"         mend: {RULES[finding.rule].mend}"
    of = f"{root} on {found.release}, split {found.split}: {found.stimuli} stimuli predicted"
    counts = [
        (sum(len(f.places) for f in found.findings if (_severity(found, f) == "fault  ") == faults), name)
        for faults, name in ((True, "fault"), (False, "warning"))
    ]
    said = [f"{n} {name}{'s' if n > 1 else ''}" for n, name in counts if n]
    yield f"{of}; {', '.join(said) or 'no fault'}{'' if found.ok else '; not accepted'}"


def junit(found: Examination, root: Path) -> str:
    """Return JUnit XML: a test for each rule, failed where it is broken; warnings stand in its output."""
    counts = {
        "tests": str(len(RULES)),
        "failures": str(len({f.rule for f in found.findings if _severity(found, f) == "fault  "})),
        "errors": "0",
    }
    suite = xml.Element("testsuite", {"name": "vidsal submit check", **counts})
    for rule, about in RULES.items():
        case = xml.SubElement(suite, "testcase", {"classname": visible(root.name), "name": rule})
        of_rule = [f for f in found.findings if f.rule == rule]
        if not of_rule:
            continue
        text = visible("\n".join(f"{_places(f)}{f.message}" for f in of_rule))
        if _severity(found, of_rule[0]) == "fault  ":
            number = sum(len(f.places) for f in of_rule)
            fault = xml.SubElement(case, "failure", {"message": f"{number} times; mend: {about.mend}"})
            fault.text = text
        else:
            xml.SubElement(case, "system-out").text = text
    xml.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(suite, encoding="unicode") + "\n"


def _severity(found: Examination, finding: Finding) -> str:
    return "warning" if finding.severity == "warning" and not found.strict else "fault  "


def _places(finding: Finding) -> str:
    named = [place for place in finding.places if place]
    if not named:
        return ""
    count = f" ({len(finding.places)})" if len(finding.places) > 1 else ""
    return f"{shortlist(named, MOST_NAMED)}{count}: "
