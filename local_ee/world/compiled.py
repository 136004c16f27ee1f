"""The decorator of the world's kernels: compiled once, kept on disk, free of Python's lock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit, types

_IMPORT = re.compile(r"^from local_ee\.world(?:\.(\w+))? import (.+)$", re.MULTILINE)


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A numba function whose kept machine code is dropped when its file, or a file of the world it imports, changes.

    Numba looks only at the file that holds the function, so a change in a kernel it calls would go unseen. It would
    also compile a kernel anew for every number written out in a call; here draw(key, 1) and draw(key, 2) share one.
    """
    dispatcher = njit(nogil=True, cache=True)(kernel)
    typed = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: typed([types.unliteral(arg) for arg in args], kws)
    index = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = _stamp(Path(kernel.__code__.co_filename).stem)
    return dispatcher


@cache
def _stamp(name: str) -> tuple[str, int]:
    """Digest of a module of the world and of all that it imports of the world, and how many files these are."""
    names, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module not in names:
            names.add(module)
            waiting += _imports(module)
    digest = hashlib.sha256()
    for module in sorted(names):
        digest.update(_source(module))
    return digest.hexdigest(), len(names)


@cache
def _source(module: str) -> bytes:
    return _file(module).read_bytes()


@cache
def _imports(module: str) -> list[str]:
    """Modules of the world that a module imports, named in `from local_ee.world.x import` or after `import`."""
    pairs = _IMPORT.findall(_source(module).decode())
    words = [source or word.split(" as ")[0].strip() for source, imported in pairs for word in imported.split(",")]
    return [word for word in words if _file(word).is_file()]


@cache
def _file(module: str) -> Path:
    return Path(__file__).with_name(f"{module}.py")
