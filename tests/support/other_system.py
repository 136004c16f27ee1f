"""A process without what only POSIX has: `python -m tests.support.other_system WORDS`; `--` stands between commands.

Taken away from our own modules: fcntl and resource, os.fork, os.posix_fallocate and os.getppid, signal.SIGKILL, /proc,
and renames over files that this process holds open. Locks are those of Windows. Libraries keep what they had: they know
themselves which system they run on.
"""

from __future__ import annotations

import builtins
import fcntl
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

MODULES, CALLS = ("fcntl", "resource"), ("fork", "posix_fallocate", "getppid", "killpg")


def is_ours(depth: int = 2) -> bool:
    """Whether the caller of who asks is a module of isamap or of the engine."""
    name = str(sys._getframe(depth).f_globals.get("__name__", ""))
    return name.partition(".")[0] in ("isamap", "local_ee")


def take_away() -> None:
    """Lets our modules meet another system from now on."""
    sys.modules["msvcrt"] = windows_locks()
    imported, opened, replaced = builtins.__import__, builtins.open, os.replace

    def importing(name: str, *words: Any, **named: Any) -> Any:
        if name in MODULES and is_ours():
            raise ImportError(f"No module named {name!r}")
        return imported(name, *words, **named)

    def opening(file: Any, *words: Any, **named: Any) -> Any:
        if isinstance(file, str | os.PathLike) and os.fspath(file).startswith("/proc/") and is_ours():
            raise FileNotFoundError(2, "No such file or directory", os.fspath(file))
        return opened(file, *words, **named)

    def replacing(source: Any, target: Any, **named: Any) -> None:
        if is_ours() and str(Path(target).resolve()) in _open_files():
            raise PermissionError(13, "The process cannot access the file because it is being used", str(target))
        replaced(source, target, **named)

    builtins.__import__, builtins.open, os.replace = importing, opening, replacing
    for name in CALLS:
        setattr(os, name, _absent(f"os.{name}"))
    signal.__class__ = _Signal
    signal.__dict__.pop("SIGKILL")


class _Signal(types.ModuleType):
    """The module signal, in which libraries alone find SIGKILL."""

    @property
    def SIGKILL(self) -> int:
        if is_ours():
            raise AttributeError("module 'signal' has no attribute 'SIGKILL'")
        return 9


def windows_locks() -> types.ModuleType:
    """msvcrt's locks: of a handle, as flock's are, and refused with EACCES."""

    def locking(descriptor: int, mode: int, size: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied") from error

    module = types.ModuleType("msvcrt")
    vars(module).update(LK_NBLCK=2, locking=locking)
    return module


def _absent(name: str) -> Any:
    original = getattr(os, name.partition(".")[2])

    def called(*words: Any, **named: Any) -> Any:
        if is_ours():
            raise AttributeError(f"no {name} here")
        return original(*words, **named)

    return called


def _open_files() -> set[str]:
    targets = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            targets.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:
            continue
    return targets


def main(words: list[str]) -> int:
    """Runs the commands one after the other; the exit code of the first that fails."""
    take_away()
    import isamap

    for command in " ".join(words).split(" -- "):
        if code := isamap.main(command.split()):
            return code
    return 0


if __name__ == "__main__":
    import multiprocessing.synchronize  # noqa: F401  libraries of Python that need what is taken away
    import subprocess  # noqa: F401

    sys.exit(main(sys.argv[1:]))
