"""A capsule's files, in a folder or a ZIP: whole when written, of known names and bounded sizes when read."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gee_export.base.atomic import write_whole
from gee_export.base.errors import Fault

DOCUMENT, OPTIONS, GRAPH = "capsule.json", "options.toml", "graph.json"
CHECKPOINT = ("checkpoint/checkpoint.json", "checkpoint/weights.safetensors", "checkpoint/card.md")
GEOMETRY = re.compile(r"geometry/[A-Za-z0-9][A-Za-z0-9 _.-]{0,100}")
SMALL_BYTES, WEIGHTS_BYTES = 32 << 20, 4 << 30  # of a text or an outline; of the weights
MOST_FILES = 16
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of ZIP: equal contents give equal bytes


def is_zip(path: Path) -> bool:
    """Whether a capsule of this name is one file."""
    return path.suffix.lower() == ".zip"


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """The files as a folder or, where the name ends in .zip, as one file; the document last."""
    if is_zip(path):
        write_whole(path, _zipped(files))
        return
    for name in sorted(files, key=lambda name: name == DOCUMENT):
        write_whole(path / name, files[name])


def read(path: Path) -> dict[str, bytes]:
    """The capsule's files by name. ValueError: no capsule there, or names and sizes that no capsule has."""
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise ValueError(f"capsule {path}: no such file or folder; make one with isamap capsule MAP.tif --out FILE.zip")
    try:
        with zipfile.ZipFile(path) as archive:
            return _of_zip(path, archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Fault(f"capsule {path} is damaged ({error}): copy it again") from error


def check_name(path: Path, name: str) -> None:
    """ValueError for a name that no capsule holds: paths cannot lead out of it."""
    if name not in (DOCUMENT, OPTIONS, GRAPH, *CHECKPOINT) and not GEOMETRY.fullmatch(name):
        raise ValueError(f"capsule {path} holds {name[:100]!r}, which no capsule has: do not use it")


def limit_of(name: str) -> int:
    """The most bytes that a file of this name may have."""
    return WEIGHTS_BYTES if name.endswith(".safetensors") else SMALL_BYTES


def _of_zip(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MOST_FILES or len({entry.filename for entry in entries}) != len(entries):
        raise ValueError(f"capsule {path} holds {len(entries)} files or two of one name: do not use it")
    return {entry.filename: _bounded(path, archive, entry) for entry in entries}


def _bounded(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """A member's bytes: no more than its kind may have, whatever its header says."""
    check_name(path, entry.filename)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise ValueError(f"capsule {path}: {entry.filename} is a link, which no capsule has: do not use it")
    most = limit_of(entry.filename)
    with archive.open(entry) as file:
        data = file.read(most + 1)
    return _checked_size(path, entry.filename, data)


def _of_folder(path: Path) -> dict[str, bytes]:
    entries = sorted(entry for entry in path.rglob("*") if entry.is_symlink() or not entry.is_dir())[: MOST_FILES + 1]
    if len(entries) > MOST_FILES:
        raise ValueError(f"capsule {path} holds more than {MOST_FILES} files: it is no capsule")
    files = {}
    for entry in entries:
        name = entry.relative_to(path).as_posix()
        check_name(path, name)
        if entry.is_symlink() or entry.parent.is_symlink() or not entry.is_file():
            raise ValueError(f"capsule {path}: {name} is a link or no file, which no capsule has: do not use it")
        with entry.open("rb") as file:
            files[name] = _checked_size(path, name, file.read(limit_of(name) + 1))
    return files


def _checked_size(path: Path, name: str, data: bytes) -> bytes:
    if len(data) > limit_of(name):
        raise ValueError(f"capsule {path}: {name} has more than {limit_of(name):,} bytes: do not use it")
    return data


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()
