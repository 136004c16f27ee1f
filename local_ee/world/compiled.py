"""The decorator of the world's kernels: compiled once, kept on disk, free of Python's lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit, types


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A numba function whose kept machine code is dropped when any file of the world changes.

    Numba looks only at the file that holds the function, so a change in a kernel it calls would go unseen. It would
    also compile a kernel anew for every number written out in a call; here draw(key, 1) and draw(key, 2) share one.
    """
    dispatcher = njit(nogil=True, cache=True)(kernel)
    typed = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: typed([types.unliteral(arg) for arg in args], kws)
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
