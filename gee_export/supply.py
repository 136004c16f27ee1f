"""Where the pixels of an export's cells come from: the one seam between the runner and the ways to get pixels."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from odc.geo.geobox import GeoBox

from gee_export import throttle, transport
from gee_export.pixels import Channel, Fetcher
from gee_export.retry import Patience
from gee_export.throttle import DEFAULT_WORKERS, Throttle

if TYPE_CHECKING:
    import ee

    from gee_export.session import Session


@dataclass(frozen=True, eq=False)
class Cell:
    """One request's worth of one layer of one part (region x period).

    number: of the export; name: says in words what it is (region, period, layer, place); image: lazy, has every
    channel by name, in stored numbers.
    """

    number: int
    name: str
    image: ee.Image
    geobox: GeoBox
    channels: tuple[Channel, ...]


class Supply(Protocol):
    """Gives the pixels of cells in any order, each as soon as it is there, a bounded number in memory.

    A structured array (rows, columns) with one field a channel, masked pixels holding the channel's fill. The
    generator may be closed early. Fault where the server or the way to it fails; nothing given before is lost.
    """

    def __call__(self, cells: Sequence[Cell]) -> Generator[tuple[Cell, np.ndarray], None, None]: ...

    @property
    def counts(self) -> Mapping[str, int]:
        """What was sent so far, for the report: `requests`, and whatever else is worth a number."""


def streaming(session: Session, workers: int | None) -> Supply:
    """Pixels by interactive requests, `workers` at a time: by default half of a project's quota, or cores + 1."""
    # Long patience with Google's servers; the engine in this process either answers soon or is gone.
    patience = Patience(attempts=3) if session.is_local else Patience()
    most = (os.cpu_count() or 1) + 1 if session.is_local else DEFAULT_WORKERS
    return Stream(Fetcher(Throttle(workers or most), patience))


class Stream:
    """Cells by computePixels, as many at a time as the fetcher's throttle lets through."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def __call__(self, cells: Sequence[Cell]) -> Generator[tuple[Cell, np.ndarray], None, None]:
        with transport.single_attempts():
            yield from throttle.stream(cells, self._read, self._fetcher.throttle.most)

    @property
    def counts(self) -> Mapping[str, int]:
        return {"requests": self._fetcher.requests}

    def _read(self, cell: Cell) -> np.ndarray:
        return self._fetcher.read(cell.image, cell.geobox, cell.channels)
