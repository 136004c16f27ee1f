"""A run's folder: claimed by what is trained in it, locked while a process trains there, reported when it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import write_json
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.platform.lock import take
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.fitting.ranks import is_follower

VERSION = 1
NOTE, DONE, LOCK, RESUME = "run.json", "report.json", ".lock", "resume.ckpt"


def claim(folder: Path, identity: Mapping[str, Any], *, shown: str = "") -> None:
    """Make the folder this run's, or refuse with the first setting in which the run it holds differs.

    identity: what is trained, on what and from what, as JSON holds it. shown: the folder's name for the user.
    """
    identity, shown, note = {"version": VERSION, **identity}, shown or str(folder), folder / NOTE
    if note.exists() and (existing := _readable(note)) is not None:
        if difference := _difference(identity, existing):
            raise ValueError(f"{shown} holds another run: {difference}; choose another --out or remove that folder")
        return
    # A damaged note beside weights: written again it would call them a run of today's settings.
    if note.exists() and any((folder / name).exists() for name in (ck.BEST, ck.LAST, RESUME)):
        raise Fault(f"{note} is damaged, so what was trained there is unknown; remove {shown} and train again")
    if not note.exists() and folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{shown} is not empty and holds no run: choose another --out")
    try:
        write_json(note, identity)
    except OSError as error:
        raise Fault(f"{shown} cannot be written ({error.strerror}); choose another --out") from error


def release(folder: Path) -> None:
    """Undo `claim` where nothing was trained, so that the same place takes better settings; other files stay."""
    for name in (NOTE, LOCK):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def alone_in(lock: Path, shown: str) -> Iterator[None]:
    """Refuse to train where another process is training; the lock goes with its process.

    Mounted drives (Colab's, many network disks) know no locks: there nothing is refused. Nor is a process refused that
    trains its share for the one that holds the lock.
    """
    if is_follower():
        yield
        return
    with lock.open("w") as file:
        if not take(file):
            raise ValueError(f"another process is training in {shown}: wait for it or choose another --out")
        yield


def finished(folder: Path) -> dict[str, Any] | None:
    """What the report of a run that is over says, if it can be read and the best checkpoint is still there."""
    done = folder / DONE
    if not done.exists() or not (folder / ck.BEST / ck.DESCRIPTION).exists():
        return None
    return _readable(done)


def _readable(file: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None of a damaged one, which is then written again."""
    try:
        values = json.loads(file.read_bytes())
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _difference(identity: Mapping[str, Any], existing: Mapping[str, Any]) -> str:
    """The first setting that differs, in words, or an empty text."""
    # Through JSON, in which tuples are lists: the note that was read back has no tuples.
    left, right = (json.loads(json.dumps(dict(run) | run.get("recipe", {}))) for run in (identity, existing))
    for key in left:
        if key != "recipe" and left[key] != right.get(key):
            return f"{key} is {right.get(key)} there, {left[key]} asked"
    return ""
