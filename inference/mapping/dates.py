"""The input of a network of several dates: a window's dates stacked, without those that show little of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.band_globs import DAY
from isamap.gee_export.base.grid import Window
from isamap.gee_export.datasets.manifest import LEAST_SHOWN
from isamap.inference.cutting.frame import Read
from isamap.inference.mapping.predict import normalised
from isamap.training.checkpoints.checkpoint import normalise

if TYPE_CHECKING:
    from isamap.inference.inputs.source import InputSource
    from isamap.training.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True)
class View:
    """How a source's windows become a network's input: `read` gives so many channels, `arrange` makes its shape."""

    read: Read
    channels: int
    arrange: Callable[[np.ndarray], np.ndarray]


def view(source: InputSource, trained: Checkpoint) -> View:
    """What the network reads: a composite's bands, or as many dates of a source of dates as it looks at."""
    if not trained.frames:
        read = normalised(source, lambda raster: normalise(raster.values_BHW, raster.valid_BHW, trained.bands))
        return View(read, len(trained.bands), _as_it_is)
    dates = len(source.bands) // len(trained.bands)
    return View(
        _read_dates(source, trained, dates),
        len(source.bands) + dates,
        lambda tile_BHW: arranged(tile_BHW, dates, trained.frames, repeat=DAY not in trained.band_names),
    )


def arranged(tile_BHW: np.ndarray, dates: int, count: int, *, repeat: bool = True) -> np.ndarray:
    """`count` dates of a window, float32 (dates, bands, rows, columns), in order of time.

    tile: the bands of every date, then for each date which pixels it shows (1 or 0). Dates that show half of what any
    of them shows are taken, all of them where none does; fewer than wanted are repeated in their order, or followed by
    missing ones (0).
    """
    bands_TBHW, shown_THW = np.split(tile_BHW, [len(tile_BHW) - dates])
    most = (shown_THW.max(axis=0) > 0).sum()
    able = np.flatnonzero(shown_THW.sum(axis=(1, 2)) >= LEAST_SHOWN * most)
    able = able if len(able) else np.arange(dates)
    x_TBHW = bands_TBHW.reshape(dates, -1, *tile_BHW.shape[1:])
    # Repeated in turn: to networks without `DAY` zeros would look like clouds.
    if repeat or len(able) >= count:
        return x_TBHW[np.resize(able, count)]
    return np.concatenate([x_TBHW[able], np.zeros((count - len(able), *x_TBHW.shape[1:]), x_TBHW.dtype)])


def _as_it_is(tile_BHW: np.ndarray) -> np.ndarray:
    return tile_BHW


def _read_dates(source: InputSource, trained: Checkpoint, dates: int) -> Read:
    """Standardised bands of every date and what each shows, by its first band as in an export.

    A pixel is known where it is wanted and each band is seen on some date.
    """

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        raster = source.read(window)
        shape = (dates, len(trained.bands), window.height, window.width)
        valid_TBHW = raster.valid_BHW.reshape(shape)
        x_TBHW = normalise(raster.values_BHW.reshape(shape), valid_TBHW, trained.bands)
        shown_THW = valid_TBHW[:, 0].astype(np.float32)
        x_BHW = np.concatenate([x_TBHW.reshape(-1, *shape[2:]), shown_THW])
        # Known where each band is seen on some date, be it another date for each band.
        return x_BHW, valid_TBHW.any(axis=0).all(axis=0) & source.wanted(window)

    return read
