"""Runs under gs:// addresses: trained in a folder of ISAMAP_HOME, kept whole in the bucket after every epoch.

The bucket is the truth: a fresh machine takes up what lies there. resume.ckpt goes up last, so that what it belongs to
is there before it; best/ and last/ are whole at any moment (checkpoints/checkpoint.py, `upload`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from isamap.gee_export.base.atomic import crc32c_base64_of, put_in_place
from isamap.gee_export.base.storage import BucketStorage, bucket_of, is_remote, open_storage, provide
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.atomic_folder import new_of
from isamap.training.fitting.loggers import FILES
from isamap.training.fitting.ranks import is_follower
from isamap.training.home import cache_home
from isamap.training.runs.run_lock import LOCK, NOTE, RESUME, alone_in

OWN = (NOTE, *FILES, "history.json", "pictures")  # what a run may have written before its first epoch is over


@dataclass(frozen=True)
class RunHome:
    """Where a run is trained (`folder`), how the user calls it (`shown`), and the bucket it is kept in, if any."""

    folder: Path
    shown: str
    storage: BucketStorage | None = None
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def keep(self) -> None:
        """Bring the bucket up to date: checkpoints whole, resume.ckpt last; nothing to do for a plain folder."""
        if self.storage is None or is_follower():
            return
        fresh = [name for name in self.files() if self.sent.get(name) != _mark(self.folder / name)]
        checkpoints = [name for name in (ck.BEST, ck.LAST) if f"{name}/{ck.DESCRIPTION}" in fresh]
        for name in checkpoints:
            ck.upload(self.folder / name, self.storage, name)
        plain = [name for name in fresh if name.partition("/")[0] not in (ck.BEST, ck.LAST)]
        for name in sorted(plain, key=lambda name: name == RESUME):
            self.storage.write(name, (self.folder / name).read_bytes())
        # Only after all went up: a failed upload is tried again after the next epoch.
        self.sent.update({name: _mark(self.folder / name) for name in fresh})

    def give_up(self) -> None:
        """Leave nothing of a run that could not finish one epoch, so that the same place takes better settings."""
        if (self.folder / ck.LAST).exists() or is_follower():
            return
        for name in self.files():
            if name.partition("/")[0] in OWN:
                if self.storage is not None:
                    self.storage.delete(name)
                (self.folder / name).unlink()
        (self.folder / LOCK).unlink(missing_ok=True)
        for folder in sorted((path for path in self.folder.rglob("*") if path.is_dir()), reverse=True):
            _remove_if_empty(folder)
        _remove_if_empty(self.folder)

    def files(self) -> list[str]:
        """Relative names of all that is kept: no locks and nothing half-written."""
        paths = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return sorted(
            path.as_posix() for path in paths if not any(component.startswith(".") for component in path.parts)
        )


@contextmanager
def run_home(out: str | Path, session: Any = None) -> Iterator[RunHome]:
    """A folder as it is; for gs:// a folder of ISAMAP_HOME that holds what the bucket holds.

    ValueError: another process of this machine trains there, or the prefix holds something else.
    """
    if not is_remote(out):
        yield RunHome(Path(out), str(out))
        return
    shown = str(out).rstrip("/")
    if session is not None and (bucket := bucket_of(shown)) is not None:
        provide(bucket, session)
    folder = cache_home() / "runs" / hashlib.sha256(shown.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    storage = cast(BucketStorage, open_storage(shown, session))  # is_remote: the address is a bucket's
    home = RunHome(folder, shown, storage)
    with alone_in(folder.with_name(f"{folder.name}.lock"), shown):
        if not is_follower():
            _fetch(home)
        yield home


def _fetch(home: RunHome) -> None:
    """Make the folder what the bucket holds; only what differs is brought over."""
    if home.storage is None:
        return
    listed = {stored.name: stored.crc32c for stored in home.storage.listed()}
    source_of = {name: name for name in listed if not name.startswith(".")}
    if source_of and NOTE not in source_of:
        raise ValueError(f"{home.shown} is not empty and holds no run: choose another --out")
    source_of |= _waiting(listed)
    # The bucket is the truth: what it does not hold is of a run that was removed there.
    for name in home.files():
        if name not in source_of:
            (home.folder / name).unlink()
    for name, stored in source_of.items():
        file = home.folder / name
        if not file.is_file() or crc32c_base64_of(file) != listed[stored]:
            fresh = file.with_name(f".{file.name}.tmp")
            home.storage.download(stored, fresh)
            put_in_place(fresh, file)
        if stored == name:
            home.sent[name] = _mark(file)


def _waiting(listed: Collection[str]) -> dict[str, str]:
    """Where the files of best/ and last/ lie whole, if somebody was stopped while they were replaced.

    They count as not sent, so that the next upload replaces the folder itself (checkpoints/atomic_folder.py).
    """
    source_of: dict[str, str] = {}
    for name in (ck.BEST, ck.LAST):
        folder = f"{new_of(name)}/"
        if folder + ck.DESCRIPTION in listed:
            source_of |= {
                name + "/" + stored.removeprefix(folder): stored for stored in listed if stored.startswith(folder)
            }
    return source_of


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _mark(file: Path) -> tuple[int, int]:
    """What changes when a file is rewritten."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns
