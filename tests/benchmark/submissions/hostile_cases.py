"""Submissions that mean harm, or whose authors did not look: made from a number, the same for the same number.

Each case changes a sound submission in a folder of its own, and names the command that meets it.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

Command = list[str]

W, H = 20, 16
"""Size of the maps."""

NASTY = (
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A0",
    "@SUM(1+1)",
    "+1+1",
    "-2+3",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{7*7}}",
    "${7*7}",
    "$(touch pwned)",
    "`touch pwned`",
    "'; DROP TABLE runs; --",
    "\u202egnp.exe",
    "\u200b",
    "\ufeffname",
    "\x1b[2J\x1b]0;x\x07",
    "\x00",
    "\ud800",
    "e\u0301" * 30,
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\x",
    "CON",
    "a" * 4001,
    "%s%s%s%n",
    "\n\n# heading\n[x](javascript:alert(1))",
    "\U0001f600",
    "https://user:pass@example.org/",
    "https://example.org/\u202e",
    "",
    " ",
    "NaN",
    "null",
    "FILL IN: x",
)
"""Texts that somebody hopes to have evaluated, shown raw, or taken for something else."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, 10**400, -(10**30), 1.5, -0.0, 1e308, 1e-320),
    *([], {}, [[]], {"": ""}, [None], {"a": {"b": {"c": []}}}, [0, 0], [5, 1], [-1, 2], [0, 10**12]),
    *NASTY,
)

NAMES = (
    *("../evil.png", "../../evil.png", "predictions/../../evil.png", "/tmp/evil.png", "//evil", "./../evil"),
    *("C:/evil", "a\\..\\..\\evil", "..", ".", "", "predictions/scene_001/000000.PNG", "Predictions/scene_001/x.png"),
    *("PREDICTIONS/scene_001/000000.png", "predictions/scene_001", "predictions", "submission.json", "Submission.json"),
    *("predictions/\x1b[2J.png", "predictions/\u202egnp.png", "predictions/" + "x" * 300, "a/" * 60 + "b", "\ud800"),
    *(".hidden", "__MACOSX/x", "predictions/scene_001/000000.png/x", "CON", "nul.png", "a\x00b", "new\nline", "~/evil"),
)


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Case:
    """One case: a copy of the base in `folder`, changed.

    Args:
        number: what decides everything.
        folder: an empty folder of its own.
        bases: sound submissions, by form.
        marker: a file that whatever is executed would make.
    """

    def __init__(self, number: int, folder: Path, bases: dict[str, Path], marker: Path) -> None:
        self.rng = random.Random(number)
        self.folder, self.marker = folder, marker
        self.form = self.rng.choice(sorted(bases))
        self.sub = folder / "sub"
        shutil.copytree(bases[self.form], self.sub)
        self.kind = sorted(KINDS)[number % len(KINDS)]
        self.path: Path = KINDS[self.kind](self) or self.sub

    def command(self, release: Path) -> Command:
        """Return the command that meets the case."""
        out = str(self.folder / "out")
        data, path = ["--data", str(release)], str(self.path)
        choice = self.rng.random()
        if choice < 0.6:
            return [
                "submit",
                "check",
                path,
                *data,
                *self.rng.choice(([], ["--json"], ["--strict"], ["--split", "val"])),
            ]
        if choice < 0.7:
            return ["submit", "show", path, *self.rng.choice(([], ["--json"]))]
        if choice < 0.8:
            return ["submit", "pack", path, "-o", f"{out}.zip"]
        if choice < 0.9:
            return ["submit", "import", path, *data, "-o", out, *self.rng.choice(([], ["--kind", "saliency"]))]
        return ["score", path, *data, "-o", out, *self.rng.choice(([], ["--missing", "exclude"], ["--strict"]))]

    def any_map(self) -> Path:
        return self.rng.choice([p for p in sorted((self.sub / "predictions").rglob("*")) if p.is_file()])

    def flip(self, data: bytes, most: int = 6) -> bytes:
        """Change some bytes, or cut, or double a piece."""
        content = bytearray(data)
        for _ in range(self.rng.randint(1, most)):
            if content:
                content[self.rng.randrange(len(content))] = self.rng.choice((0, 1, 0x7F, 0xFF, self.rng.randrange(256)))
        end = self.rng.random()
        if end < 0.2:
            return bytes(content[: self.rng.randint(0, len(content))])
        if end < 0.3:
            return bytes(content) + bytes(content[: self.rng.randint(0, len(content))])
        return bytes(content)

    def members(self) -> list[tuple[str, bytes]]:
        """The files of the submission, some with other names, some doubled, some added."""
        found = list(files(self.sub).items())
        for _ in range(self.rng.randint(0, 3)):
            name = self.rng.choice(NAMES)
            found.insert(self.rng.randint(0, len(found)), (name, self.rng.choice((b"", b"x", found[0][1]))))
        return found


def manifest_values(case: Case) -> None:
    """Other values at any place of the manifest, and other fields."""
    path = case.sub / "submission.json"
    manifest = json.loads(path.read_text())
    for _ in range(case.rng.randint(1, 4)):
        places = _places(manifest)
        holder, key = case.rng.choice(places)
        if isinstance(holder, dict) and case.rng.random() < 0.2:
            holder[case.rng.choice((*NASTY, "code", "weights", "parameters", "authors", "licence"))] = _value(case)
        elif case.rng.random() < 0.1:
            del holder[key]
        else:
            holder[key] = _value(case)
    for part in ("model", "prediction", "run", "declarations"):
        if case.rng.random() < 0.1:
            manifest[part] = {n: _value(case) for n in ("name", "kind", "code", "seed", "licence", "constant_maps")}
    path.write_text(json.dumps(manifest, ensure_ascii=case.rng.random() < 0.5), "utf-8", errors="surrogatepass")


def _value(case: Case) -> Any:
    if case.rng.random() < 0.01:
        return "x" * 10_000_000
    return case.rng.choice(VALUES)


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def manifest_bytes(case: Case) -> None:
    """A manifest that is damaged, doubled, nested without end, or of another encoding."""
    path = case.sub / "submission.json"
    text = path.read_bytes()
    path.write_bytes(
        case.rng.choice(
            (
                case.flip(text),
                case.flip(text, 40),
                b"[" * case.rng.randint(1, 100_000),
                b'{"a":' * case.rng.randint(1, 5000),
                b"\xef\xbb\xbf" + text,
                text.decode().encode("utf-16"),
                text.replace(b'"format": 1', b'"format": 1, "format": 1'),
                text.replace(b"1.0", b"NaN").replace(b"0.0", b"Infinity"),
                text.replace(b'"split"', b'"' + case.rng.choice(NASTY).encode("utf-8", "replace") + b'"'),
                b"",
                b"null",
                text[: len(text) // 2],
            )
        )
    )


def injected_text(case: Case) -> None:
    """Scripts and formulas in every field that takes any text."""
    path = case.sub / "submission.json"
    manifest = json.loads(path.read_text())
    text = case.rng.choice([t for t in NASTY if t and not t.startswith(("FILL", "\ud800")) and len(t) < 4000])
    manifest["model"].update(version=text, licence=text, paper=text, options={text: text})
    manifest.update(authors=[text, text], licence=text, declarations={text: text, "external_data": text})
    manifest["run"] = {"command": text, "hardware": text, "seed": text, "x": {text: [text]}}
    manifest["prediction"].update(tuned_for=text, post_processing=text)
    path.write_text(json.dumps(manifest))


def picture(case: Case) -> None:
    """Pictures that are damaged, huge by their header, or something else."""
    target = case.any_map()
    if target.suffix != ".png":
        target = case.sub / "predictions" / "scene_001" / "000000.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(_png(W, H, bytes(H * (W + 1))))
    data = target.read_bytes()
    target.write_bytes(
        case.rng.choice(
            (
                case.flip(data),
                data[: case.rng.randrange(len(data))],
                _png(100_000, 100_000, b""),
                _bomb(),
                _png(W, H, b"\x09" + bytes(H * (W + 1) - 1)),
                _png(0, H, b""),
                _png(2**31, 1, b""),
                b"GIF89a" + data[6:],
                b"\xff\xd8\xff" + data[3:],
                data + data,
                b"",
            )
        )
    )
    if case.rng.random() < 0.3:
        target.rename(
            target.with_suffix(case.rng.choice((".jpg", ".tif", ".bmp", ".npy", ".mkv", ".h5", ".mat", ".PNG")))
        )


@cache
def _bomb() -> bytes:
    return _png(W, H, bytes(50_000_000))


def _png(width: int, height: int, raw: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b"")


class _Executed:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self._marker),)


def arrays(case: Case) -> None:
    """Arrays that are pickled, not finite, of another shape or type, damaged, or bombs."""
    shutil.rmtree(case.sub / "predictions" / "scene_001", ignore_errors=True)
    target = case.sub / "predictions" / "scene_001.npz"
    maps = np.random.default_rng(case.rng.randrange(1000)).random((4, H, W))
    spoiled = maps.copy()
    spoiled[case.rng.randrange(4), 3, 4] = case.rng.choice((np.nan, np.inf, -np.inf, 1e308, -1.0))
    odd: tuple[Any, ...] = (
        np.array([_Executed(case.marker)], object),
        spoiled,
        spoiled.astype(np.float32) if np.abs(spoiled[np.isfinite(spoiled)]).max() < 1e30 else spoiled,
        maps[:3],
        np.concatenate([maps, maps]),
        maps.astype(complex),
        maps.astype("U5"),
        maps[0],
        np.zeros((4, 0, W)),
        np.zeros((4, H, W)),
        np.asfortranarray(maps),
        maps.astype(">f8"),
        maps.astype("M8[s]"),
        np.float64(3),
        maps[..., None],
    )
    value = case.rng.choice(odd)
    names = case.rng.choice(
        (("maps",), ("maps", "frames"), ("0",), ("000000", "000001"), ("xy",), ("../x",), ("x", "y"))
    )
    content = dict.fromkeys(names, value)
    if "frames" in names:
        content["frames"] = np.array(
            case.rng.choice(([0, 1, 2, 3], [1, 2, 3, 4], [3, 2, 1, 0], [0, 0, 1, 2], [-1, 0, 1, 2]))
        )
    np.savez_compressed(target, **content)
    if case.rng.random() < 0.3:
        target.write_bytes(case.flip(target.read_bytes()))


def frame_sets(case: Case) -> None:
    """Frame sets with gaps, surplus, off by one, sorted as texts, named twice, renamed."""
    folder = case.sub / "predictions" / "scene_001"
    if not folder.is_dir():
        folder.mkdir()
        for n in range(4):
            (folder / f"{n:06d}.png").write_bytes(_png(W, H, bytes([0, *range(W)] * H)))
        (case.sub / "predictions" / "scene_001.npz").unlink(missing_ok=True)
    names = sorted(p.name for p in folder.iterdir())
    match case.rng.randrange(7):
        case 0:
            (folder / case.rng.choice(names)).unlink()
        case 1:
            shutil.copy(folder / names[0], folder / f"{case.rng.choice((4, 99, 10**9, 10**30))}.png")
        case 2:
            for n, name in reversed(list(enumerate(names))):
                (folder / name).rename(folder / f"{n + 1:06d}.png")
        case 3:
            for n, name in enumerate(names):
                (folder / name).rename(folder / f"{sorted(map(str, range(8, 8 + len(names))))[n]}.png")
        case 4:
            shutil.copy(folder / names[0], folder / "0.png")
        case 5:
            folder.rename(
                folder.with_name(case.rng.choice(("Scene_001", "scene_1", "scene_009", "x", "\u202ex", "s" * 200)))
            )
        case _:
            (folder / names[0]).rename(
                folder / case.rng.choice(("x.png", "-1.png", "1e3.png", "\u0663.png", "0.5.png"))
            )
    if case.rng.random() < 0.7:
        manifest = json.loads((case.sub / "submission.json").read_text())
        manifest.pop("files", None)
        manifest["prediction"].pop("encoding", None)
        manifest["prediction"]["kind"] = "saliency"
        manifest["prediction"]["first_frame"] = case.rng.choice((None, 0, 1, "own", 8))
        manifest["prediction"]["missing"] = case.rng.choice(("error", "first-available", "center-bias", "exclude"))
        (case.sub / "submission.json").write_text(json.dumps(manifest))


def links(case: Case) -> None:
    """Links and other things that are no files, anywhere."""
    target = case.rng.choice((case.any_map(), case.sub / "submission.json", case.sub / "SHA256SUMS"))
    if case.rng.random() < 0.2:
        target = case.sub / "predictions"
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    match case.rng.randrange(4):
        case 0:
            target.symlink_to("/etc/passwd")
        case 1:
            target.symlink_to(
                case.rng.choice((case.sub, case.folder, Path("."), Path("/proc/self/environ"), Path("nowhere")))
            )
        case 2:
            os.mkfifo(target)
        case _:
            target.mkdir()


def sums(case: Case) -> None:
    """Lists of digests that are none, or lead elsewhere."""
    path = case.sub / "SHA256SUMS"
    text = path.read_bytes()
    path.write_bytes(
        case.rng.choice(
            (case.flip(text), b"\xff" * 50, b"0" * 64 + b"  ../../etc/passwd\n", b"\n" * 1000, b"x" * 10_000_000)
        )
    )


def zip_members(case: Case) -> Path:
    """A zip file with names, links and kinds that do not belong there."""
    path = case.folder / "sub.zip"
    how = case.rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path, "w", how) as file:
        seen = set()
        for name, data in case.members():
            if name in seen or "\ud800" in name:
                continue
            seen.add(name)
            entry = zipfile.ZipInfo("x")
            entry.filename = name  # as it is: the constructor would mend it
            kind = case.rng.random()
            entry.external_attr = (0o120777 if kind < 0.05 else 0o020666 if kind < 0.07 else 0o100644) << 16
            file.writestr(entry, data, how)
    return path


def zip_bytes(case: Case) -> Path:
    """A damaged zip file, or one whose directory lies."""
    path = zip_members(case)
    data = bytearray(path.read_bytes())
    if case.rng.random() < 0.5:
        at = data.find(b"PK\x01\x02", case.rng.randrange(len(data)))
        if at >= 0:
            field = case.rng.choice((4, 6, 8, 10, 16, 20, 24, 28, 30, 32, 34, 42))
            data[at + field : at + field + 4] = struct.pack("<I", case.rng.choice((0, 1, 2**16, 2**31, 2**32 - 1)))
    elif case.rng.random() < 0.5:
        at = data.rfind(b"PK\x05\x06")
        field = case.rng.choice((4, 8, 10, 12, 16, 20))
        data[at + field : at + field + 2] = struct.pack("<H", case.rng.choice((0, 1, 0x7FFF, 0xFFFF)))
    else:
        data = bytearray(case.flip(bytes(data)))
    path.write_bytes(data)
    return path


def tar_members(case: Case) -> Path:
    """A tar file with names, links and kinds that do not belong there."""
    path = case.folder / case.rng.choice(("sub.tar", "sub.tar.gz", "sub.tgz"))
    plain = path.suffix == ".tar"
    form = case.rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(path, "w" if plain else "w:gz", format=form) as file:  # type: ignore[call-overload]
        for name, data in case.members():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if case.rng.random() < 0.03:
                info.type = case.rng.choice(
                    (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, b"S", b"Q")
                )
                info.linkname, info.size, data = "../../../etc/passwd", 0, b""
            if form == tarfile.PAX_FORMAT and case.rng.random() < 0.05:
                key = case.rng.choice(("size", "path", "GNU.sparse.major", "GNU.sparse.size", "hdrcharset", "mtime"))
                info.pax_headers = {key: case.rng.choice(("-1", "1", "99999999999", "../x", "x", "nan"))}
            info.mode, info.uid = 0o6777, 0
            try:
                file.addfile(info, io.BytesIO(data))
            except (UnicodeEncodeError, ValueError):
                continue
    return path


def tar_bytes(case: Case) -> Path:
    """A damaged tar file; its checksums may be mended, so that what is wrong is believed."""
    path = tar_members(case)
    zipped = path.suffix != ".tar"
    data = bytearray(gzip.decompress(path.read_bytes()) if zipped else path.read_bytes())
    at = 512 * case.rng.randrange(len(data) // 512)
    if case.rng.random() < 0.6 and any(data[at : at + 512]):
        field, size = case.rng.choice(
            ((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
        )
        odd = (
            b"\xff" * size,
            b"\x80" + b"\xff" * (size - 1),
            b"7" * size,
            b"0" * size,
            b"x" * size,
            b"-1".ljust(size, b"\0"),
        )
        data[at + field : at + field + size] = case.rng.choice(odd)
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    else:
        data = bytearray(case.flip(bytes(data)))
    content = gzip.compress(bytes(data), 1) if zipped else bytes(data)
    path.write_bytes(case.flip(content, 2) if case.rng.random() < 0.2 else content)
    return path


KINDS: dict[str, Callable[[Case], Path | None]] = {
    made.__name__: made
    for made in (
        *(manifest_values, manifest_bytes, injected_text, picture, arrays, frame_sets, links, sums),
        *(zip_members, zip_bytes, tar_members, tar_bytes),
    )
}
"""What a case is made by; the number of a case chooses one after another."""
