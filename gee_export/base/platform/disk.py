"""Room on a disk."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import IO, Any


def reserve(file: IO[Any], folder: Path, size: int) -> None:
    """OSError where the disk has no room for so many bytes of an open file; on macOS and Windows by its free bytes."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except AttributeError:  # macOS, Windows
        if shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
