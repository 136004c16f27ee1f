"""Where training keeps what can be made again: caches, and copies of runs and checkpoints that lie in buckets."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import platformdirs


def cache_home() -> Path:
    """The folder `cache` under ISAMAP_HOME, or under the platform's user data folder."""
    named = os.environ.get("ISAMAP_HOME")
    home = Path(named).expanduser().absolute() if named else platformdirs.user_data_path("isamap")
    with suppress(OSError):  # who writes there says why it cannot
        home.mkdir(mode=0o700, parents=True)
    return home / "cache"
