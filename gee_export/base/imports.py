"""How commands load large libraries: without searching what they make for garbage."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Python's search for reference cycles rests while libraries are imported, and never looks at what they made.

    Modules live as long as the program, so the search costs a seventh of torch's import and frees nothing
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
