"""Progress bars on the standard error output: in a terminal or a notebook; elsewhere a plain line every minute."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ClassVar

from tqdm import tqdm

from isamap.gee_export.base import quiet

# A log of hours stays readable, and silence of more than a minute looks like a hang.
LINE_EVERY_S = 60.0


class ProgressBar(tqdm):
    """tqdm's bar; where nobody sees a bar (a log, a pipe) its line is printed once a minute.

    disable: True prints nothing, as --quiet does; tqdm's None means the same as False here.
    """

    disable: bool
    beside: ClassVar[Callable[[], str] | None] = None  # what a bar says at its end, such as the bytes fetched

    def __init__(self, *arguments: Any, disable: bool | None = False, **options: Any) -> None:
        self.prints_lines = not (sys.stderr.isatty() or "ipykernel" in sys.modules)
        if self.prints_lines:
            options |= {"mininterval": LINE_EVERY_S, "maxinterval": LINE_EVERY_S, "miniters": 1, "delay": LINE_EVERY_S}
            options |= {"ascii": True, "ncols": 100, "leave": False}
        super().__init__(*arguments, disable=bool(disable) or quiet.is_quiet(), **options)

    def update(self, n: float | None = 1) -> bool | None:
        """As tqdm's, with what stands beside."""
        if ProgressBar.beside is not None:
            self.set_postfix_str(ProgressBar.beside(), refresh=False)
        shown: bool | None = super().update(n)
        return shown

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if not self.prints_lines:
            super().display(msg, pos)
        elif msg is None:
            print(str(self), file=sys.stderr, flush=True)

    @classmethod
    def write(cls, s: str, file: Any = None, end: str = "\n", nolock: bool = False) -> None:
        """A line above the bars; nothing under --quiet."""
        if not quiet.is_quiet():
            super().write(s, file, end, nolock)

    def close(self) -> None:
        if self.prints_lines and not self.disable:
            self.disable = True  # tqdm's own end of a bar is a carriage return
            self._decr_instances(self)
        super().close()
