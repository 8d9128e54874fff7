"""Pictures of a site, to be looked at: the largest page of every type, as a phone and as a screen, light and dark.

python tests/leaderboard/browser/screenshots.py SITE OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from browser import PHONE, SCHEMES, SCREEN, Scenario, close, drive, missing, page_types


def main(site: Path, out: Path) -> int:
    if reason := missing():
        sys.stderr.write(f"{reason}\n")
        return 3
    out.mkdir(parents=True, exist_ok=True)
    scenarios, files = [], []
    for kind, pages in page_types(site).items():
        for size in (PHONE, SCREEN):
            for scheme in SCHEMES:
                file = out.resolve() / f"{kind}-{size[0]}-{scheme}.png"
                scenarios.append(Scenario([("go", pages[0]), ("overflow", None), ("shot", str(file))], size, scheme))
                files.append(file)
    code = 0
    for visit, file in zip(drive(site, scenarios), files, strict=True):
        wide = visit.answers[1] if len(visit.answers) > 1 else None
        for fault in [*visit.messages, *filter(None, [visit.error, wide and f"wider than the screen, {wide}"])]:
            sys.stderr.write(f"{file.name}: {fault}\n")
            code = 1
    close()
    sys.stdout.write(f"{len(files)} pictures in {out}\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
