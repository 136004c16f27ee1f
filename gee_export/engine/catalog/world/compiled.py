"""The decorator of the world's kernels: compiled once, kept on disk, free of Python's lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A numba function whose kept machine code is dropped when any file of the world changes.

    Numba looks only at the file that holds the function, so a change in a kernel it calls would go unseen.
    """
    dispatcher = njit(nogil=True, cache=True)(kernel)
    index = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = _stamp()
    return dispatcher


@cache
def _stamp() -> tuple[str, int]:
    digest = hashlib.sha256()
    files = sorted(Path(__file__).parent.glob("*.py"))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest(), len(files)
