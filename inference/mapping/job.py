"""What an unfinished map leaves beside its file, so that the same command goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from isamap.gee_export.base.atomic import make_folder
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.platform.lock import take
from isamap.gee_export.base.storage import disk_fault, write_whole

ROWS, PROCESSED, SETTINGS, LOCK, BLOCKS = "rows.u8", "processed.u8", "settings.json", "lock", "blocks"


def folder_of(out: Path) -> Path:
    """The folder of a map's unfinished work; it goes away with the finished map."""
    return out.with_name(f"{out.name}.run")


def fingerprint(settings: Mapping[str, Any]) -> str:
    """32 hexadecimal digits that are equal for equal settings."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextlib.contextmanager
def started(out: Path, settings: Mapping[str, Any]) -> Iterator[Path]:
    """The map's work folder, locked; what other settings left there is thrown away, equal settings' work is kept.

    The folder is removed at a good end and kept at any other. Fault: another process is making the same map, or the
    folder cannot be written.
    """
    folder = folder_of(out)
    try:
        make_folder(folder)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise disk_fault(folder, error) from error
    with lock:
        _claim(lock, out)
        _keep_only(folder, settings)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def forget(out: Path) -> None:
    """Removes work left beside a finished map by a command that ended before it could, unless one is at it now."""
    folder = folder_of(out)
    if not folder.exists():
        return
    with contextlib.suppress(Fault, OSError), (folder / LOCK).open("w") as lock:
        _claim(lock, out)
        shutil.rmtree(folder, ignore_errors=True)


def _claim(lock: IO, out: Path) -> None:
    if not take(lock):
        raise Fault(f"another process is making {out} at this moment: wait for it, or choose another --out")


def _keep_only(folder: Path, settings: Mapping[str, Any]) -> None:
    text = json.dumps(settings, sort_keys=True, indent=1).encode()
    file = folder / SETTINGS
    if file.exists() and file.read_bytes() == text:
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()
    # Last: a kill before it leaves work without settings, which the next call throws away.
    write_whole(file, text)
