"""Where the pixels of an export's cells come from: the one seam between the runner and the ways to get pixels."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

import numpy as np

from isamap.gee_export.requests.client import Cell
from isamap.gee_export.requests.meter import Meter


class PixelSource(Protocol):
    """Gives the pixels of cells in any order, each as soon as it is there, a bounded number in memory.

    A structured array (rows, columns) with one field a channel, masked pixels holding the channel's fill. The
    generator may be closed early. Fault where the server or the way to it fails; nothing given before is lost.
    """

    def __call__(self, cells: Sequence[Cell]) -> Generator[tuple[Cell, np.ndarray], None, None]: ...

    @property
    def counts(self) -> Mapping[str, int]:
        """What was sent so far, for the report: `requests`, and whatever else is worth a number."""

    @property
    def meter(self) -> Meter:
        """What it has cost the server."""
