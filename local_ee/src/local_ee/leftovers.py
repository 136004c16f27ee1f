"""What killed processes leave in a home: drafts, bytes that nothing describes, locks of the dead; and their removal.

Every engine holds a lock of its own while it uses a home. The one that finds no other held removes what is left over
before it begins, so nothing that a living process is writing is ever taken for a leftover.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from local_ee.home import DESCRIPTION, MARK, PARTS, UPLOAD, Home, held, hold, locked, read_json

RESIDENTS, RESIDENT = "residents", "resident-"
DRAFT = re.compile(rf"\.\d+-[0-9a-f]{{12}}\.[^{MARK}]*")  # home.temporary_beside, and the suffixes that writers add

log = logging.getLogger(__name__)


@contextmanager
def resident(home: Home) -> Iterator[None]:
    """Counts the caller among those that use the home; who is alone there removes what killed ones left."""
    with ExitStack() as own:
        with locked(home, RESIDENTS):  # who comes next sees this one, or waits until it has swept
            if not any(held(path) for path in home.locks.glob(f"{RESIDENT}*")):
                sweep(home)
            own.enter_context(hold(home.locks / f"{RESIDENT}{os.getpid()}-{secrets.token_hex(6)}"))
        yield


def sweep(home: Home) -> list[Path]:
    """Removes what is left over, and says what it was; only for a caller that is alone in the home."""
    leftovers = list(_leftovers(home))
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if leftovers:
        log.info("removed %d files that killed processes left, such as %s", len(leftovers), leftovers[0])
    return leftovers


def _leftovers(home: Home) -> Iterator[Path]:
    for prefix in ("process-", RESIDENT):
        yield from (path for path in home.locks.glob(f"{prefix}*") if not held(path))
    yield from home.operations.glob("*.cancel")
    yield from (path for path in home.uploads.glob("*.part") if not path.with_suffix(".json").exists())
    yield from (path for path in home.uploads.glob(f"*{PARTS}") if not (path / UPLOAD).exists())
    yield from _drafts(home.engine, os.listdir(home.engine))
    for folder in (home.operations, home.uploads, home.assets, home.buckets):
        for path, _, names in os.walk(folder):
            yield from _drafts(Path(path), names)
            yield from _undescribed(Path(path), names)


def _drafts(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    return (folder / name for name in names if DRAFT.fullmatch(name))


def _undescribed(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Files with an entry's bytes that its description does not name; of a description that is damaged none."""
    entries: dict[str, list[str]] = {}
    for name in names:
        stem, mark, detail = name.rpartition(MARK)
        if mark and stem:
            entries.setdefault(stem, []).append(detail)
    for stem, details in entries.items():
        if len(details) == 2 and DESCRIPTION.removeprefix(MARK) in details:  # one description and its bytes
            continue
        description = folder / f"{stem}{DESCRIPTION}"
        document = read_json(description)
        if document is None and description.exists():
            continue
        described = {description.name, *_files(stem, document or {})}
        yield from (folder / f"{stem}{MARK}{detail}" for detail in details if f"{stem}{MARK}{detail}" not in described)


def _files(stem: str, document: dict[str, Any]) -> set[str]:
    """The files that the description of an object or of an asset names."""
    table = document.get("table") or {}
    bands = (band["file"] for band in document.get("bands", ()))
    return {f"{stem}{MARK}{document.get('generation')}", *bands, table.get("file", "")}
