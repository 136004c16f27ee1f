"""How commands load large libraries: without searching what they make for garbage, and without what nobody uses."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import cast

# What libraries load if they find it, and go without if not: odc-geo asks of arrays whether they are Dask's, which ours
# never are; OpenVINO offers its converter of models, which are converted long before.
UNUSED = ("dask", "openvino.tools.ovc")


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Python's search for reference cycles rests while libraries are imported, and never looks at what they made.

    Modules live as long as the program, so the search costs a seventh of torch's import and frees nothing
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    enabled, hidden = gc.isenabled(), [name for name in UNUSED if name not in sys.modules]
    gc.disable()
    for name in hidden:
        sys.modules[name] = cast(ModuleType, None)  # so an import of it fails (docs.python.org, reference/import)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        if enabled:
            gc.enable()
