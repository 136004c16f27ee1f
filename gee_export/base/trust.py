"""The packages whose code isamap may import because a name or a file asks for it: those that the user has named.

`--trust PACKAGE` of every command and the environment variable ISAMAP_TRUST (packages joined by commas) name them;
the variable reaches processes that a command starts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

VARIABLE = "ISAMAP_TRUST"
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def trusted() -> tuple[str, ...]:
    """The packages named, in their order."""
    return tuple(name for word in os.environ.get(VARIABLE, "").split(",") if (name := word.strip()))


def is_trusted(module: str) -> bool:
    """Whether a module is one of the packages named, or lies in one."""
    return any(module == package or module.startswith(f"{package}.") for package in trusted())


def trust(*packages: str) -> None:
    """From now on the packages may be imported, in this process and in those that it starts.

    ValueError: something that is no package's name.
    """
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise ValueError(f"--trust {package}: expected the name of a Python package, such as my_networks")
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*trusted(), *packages]))


@contextmanager
def trusting(packages: Sequence[str]) -> Iterator[None]:
    """`trust` inside the block only."""
    before = os.environ.get(VARIABLE)
    try:
        if packages:
            trust(*packages)
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
