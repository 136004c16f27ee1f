"""Renames that a power cut cannot undo or empty: the file is synced before, its folder afterwards.

Source: https://man7.org/linux/man-pages/man2/fsync.2.html.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # of mounted drives that cannot sync


def put_in_place(temporary: Path, path: Path) -> None:
    """Renames a written file; a power cut leaves the old file or the new one, and afterwards the new one."""
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Removes a file, which a power cut does not bring back; FileNotFoundError where there is none."""
    path.unlink()
    sync(path.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, and they outlive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Brings a file's bytes, or the names in a folder, to the disk, whoever wrote them."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written and not be read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
    finally:
        os.close(descriptor)
