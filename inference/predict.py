"""The map of a raster, row by row: windows through the network, blended, the same however the work is cut.

Each window goes through the network alone (a batch of one) on one thread, because the last bit of a convolution
depends on the size of the batch; windows are spread over workers, and their results are added in the lattice's order.
So a pixel depends on the data around it and on its place, never on strips, jobs, workers or threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from gee_export.base.errors import Fault
from gee_export.base.grid import Raster, Window
from gee_export.base.scheme import UNKNOWN
from inference.lattice import Lattice, hann, weight_sums
from inference.legend import PROB_STEPS, Legend
from inference.parallel import in_order, read_ahead
from training.cpu import cores

SLAB_PX = 1 << 22  # output pixels finished at once: what is made of them takes several times their bytes

Read = Callable[[Window], tuple[np.ndarray, np.ndarray]]  # -> network input (B, H, W) float32, known pixels (H, W)


@dataclass(frozen=True)
class Rows:
    """Finished rows of a map, beginning at input row `row`: what `values` of the predictor makes of probabilities.

    By default class and probability, uint8 (2, rows x scale, cols x scale).
    """

    row: int
    count: int
    values_NHW: np.ndarray


def quantise(probabilities_KHW: np.ndarray, legend: Legend) -> np.ndarray:
    """Class (threshold for two classes, else the most probable) and round(254 p) of impervious; uint8 (2, H, W)."""
    impervious_HW = probabilities_KHW[legend.blended.index(legend.impervious)]
    if legend.binary:
        class_HW = impervious_HW >= np.float32(legend.threshold)
        class_HW = np.where(class_HW, np.uint8(legend.impervious), np.uint8(1 - legend.impervious))
    else:
        class_HW = probabilities_KHW.argmax(axis=0)
    share_HW = np.rint(np.clip(impervious_HW, 0, 1) * PROB_STEPS)
    return np.stack([class_HW.astype(np.uint8), share_HW.astype(np.uint8)])


@dataclass(frozen=True)
class Predictor:
    """A network that maps windows: `network(x_BCHW)` gives Output of `scale` output pixels per input pixel.

    It is called from several threads, with input on the CPU (training.runtimes.open_forward gives such a one).
    `bands` counts the channels that are read, `legend` says what its classes mean. arrange: makes the network's input
    of a window's channels (dates.py: several dates). values: what is kept of the blended probabilities.
    """

    network: Callable
    bands: int
    scale: int
    legend: Legend
    arrange: Callable[[np.ndarray], np.ndarray] = np.asarray
    values: Callable[[np.ndarray, Legend], np.ndarray] = quantise

    def probabilities(self, tile_BHW: np.ndarray) -> np.ndarray:
        """Probability of each blended class (legend.blended), float32 (K, H x scale, W x scale)."""
        with torch.inference_mode():
            x_BCHW = torch.from_numpy(self.arrange(tile_BHW))[None]
            logits_KHW = self.network(x_BCHW).logits_BKHW[0].float()
            probabilities_KHW = torch.softmax(logits_KHW, 0)[list(self.legend.blended)].cpu().numpy()
        expected = (len(self.legend.blended), *(side * self.scale for side in tile_BHW.shape[1:]))
        if probabilities_KHW.shape != expected:
            raise Fault(
                f"the network gave {probabilities_KHW.shape}, expected {expected}: the checkpoint's scale is wrong"
            )
        return probabilities_KHW


@dataclass(frozen=True)
class Grid:
    """The raster's size in pixels and the windows that cover it."""

    height: int
    width: int
    lattice: Lattice


@dataclass(frozen=True)
class _Job:
    """One window (tile_BHW; None where nothing is known), or the end of a row of windows (known_HW of its rows)."""

    left: int
    tile_BHW: np.ndarray | None
    end: _RowEnd | None = None


@dataclass(frozen=True)
class _RowEnd:
    """Rows [first, last) are finished; the next row of windows begins `step` rows lower; `skip` rows come before."""

    first: int
    last: int
    skip: int
    step: int
    known_HW: np.ndarray


def predict(
    predictor: Predictor, read: Read, grid: Grid, *, rows: range | None = None, workers: int = 0
) -> Generator[Rows, None, None]:
    """The map of `rows` (all of them if None) from top to bottom, in pieces of about one stride.

    read(window) gives the network's input, 0 where a pixel is not known, and which pixels are known; it is called in
    one thread, from top to bottom, each row once. workers: windows at the same time (0: as many as there are cores).
    Memory: a few rows of windows. Fault: the network gives numbers that are not finite.
    """
    rows = range(grid.height) if rows is None else rows
    workers = workers or cores()
    blend = _Blend(predictor, grid)
    with _steady_arithmetic(), ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for job, probabilities_KHW in in_order(
            pool, _run(predictor), _jobs(predictor, read, grid, rows), 2 * workers + 1
        ):
            if probabilities_KHW is not None:
                blend.add(job.left, probabilities_KHW)
            if job.end is not None:
                yield from blend.finish(job.end)


def normalised(source, norm: Callable[[Raster], np.ndarray]) -> Read:
    """A reader of the source's windows as network input; a pixel is known where all its bands are valid."""

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        raster = source.read(window)
        return norm(raster), raster.valid_BHW.all(axis=0)

    return read


def _run(predictor: Predictor) -> Callable[[_Job], np.ndarray | None]:
    def run(job: _Job) -> np.ndarray | None:
        return None if job.tile_BHW is None else predictor.probabilities(job.tile_BHW)

    return run


def _jobs(predictor: Predictor, read: Read, grid: Grid, rows: range) -> Iterator[_Job]:
    """The windows that touch `rows`, row by row from the left, each row of them closed by its end."""
    side = grid.lattice.side
    all_tops = grid.lattice.tops(grid.height)
    tops = [top for top in all_tops if top < rows.stop and top + side > rows.start]
    lefts = grid.lattice.lefts(grid.width)
    frame = _Frame(predictor.bands, side, lefts[0], lefts[-1] + side)
    strips = read_ahead(_strips(_but_nothing(read, predictor.bands), grid, tops))
    with contextlib.closing(strips):
        for top_index, (top, strip) in enumerate(zip(tops, strips, strict=True)):
            frame.move(top, *strip)
            for left in lefts:
                yield _Job(left, frame.tile(left))
            last_of_all = top_index + 1 == len(tops)
            below = grid.height if last_of_all else tops[top_index + 1]
            first, last = max(top, rows.start, 0), max(min(below, rows.stop), max(top, rows.start, 0))
            known_HW = frame.known(first, last, grid.width)
            yield _Job(0, None, _RowEnd(first, last, first - top, below - top, known_HW))


def _strips(read: Read, grid: Grid, tops: list[int]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each row of windows the rows that no earlier one read: first row, network input, known pixels."""
    done = max(tops[0], 0)
    for top in tops:
        last = min(top + grid.lattice.side, grid.height)
        yield done, *read(Window(done, 0, last - done, grid.width))
        done = last


def _but_nothing(read: Read, bands: int) -> Read:
    """The reader, which is not asked for no rows: with a margin the last windows end on the same row."""

    def read_rows(window: Window) -> tuple[np.ndarray, np.ndarray]:
        if window.height:
            return read(window)
        return np.zeros((bands, 0, window.width), np.float32), np.zeros((0, window.width), bool)

    return read_rows


class _Frame:
    """The rows under one row of windows, rolling downwards; 0 and unknown outside the raster."""

    def __init__(self, bands: int, side: int, left: int, right: int) -> None:
        self._x_BHW = np.zeros((bands, side, right - left), np.float32)
        self._known_HW = np.zeros((side, right - left), bool)
        self._side, self._left = side, left
        self._top: int | None = None

    def move(self, top: int, row: int, x_BHW: np.ndarray, known_HW: np.ndarray) -> None:
        """Let the frame begin at row `top`; x_BHW are the raster's rows from `row` on that were not in it yet."""
        step = self._side if self._top is None else min(top - self._top, self._side)
        self._top = top
        for array in (self._x_BHW, self._known_HW):
            array[..., : self._side - step, :] = array[..., step:, :]
            array[..., self._side - step :, :] = 0
        rows = slice(row - top, row - top + x_BHW.shape[1])
        cols = slice(-self._left, -self._left + x_BHW.shape[2])
        self._x_BHW[:, rows, cols] = x_BHW
        self._known_HW[rows, cols] = known_HW

    def tile(self, left: int) -> np.ndarray | None:
        """A copy of the window that begins at column `left`, or None where nothing in it is known."""
        cols = slice(left - self._left, left - self._left + self._side)
        return self._x_BHW[:, :, cols].copy() if self._known_HW[:, cols].any() else None

    def known(self, first: int, last: int, width: int) -> np.ndarray:
        """Which pixels of the raster's rows [first, last) are known."""
        top = self._top or 0
        rows, cols = slice(first - top, last - top), slice(-self._left, -self._left + width)
        return self._known_HW[rows, cols].copy()


class _Blend:
    """Weighted probabilities of the output rows that are still growing, and the weights they end up with."""

    def __init__(self, predictor: Predictor, grid: Grid) -> None:
        side, scale = grid.lattice.side, predictor.scale
        lefts = grid.lattice.lefts(grid.width)
        line = grid.lattice.weights if scale == 1 else hann(side * scale)
        self._scale, self._width, self._left, self._predictor = scale, grid.width, lefts[0], predictor
        self._slab = max(1, SLAB_PX // (grid.width * scale**2))
        self._weight_HW = line[:, None] * line
        self._row_sums = weight_sums(grid.lattice.tops(grid.height), grid.height, line, scale)
        self._col_sums = weight_sums(lefts, grid.width, line, scale)
        classes = len(predictor.legend.blended)
        self._sum_KHW = np.zeros((classes, side * scale, (lefts[-1] + side - lefts[0]) * scale), np.float32)

    def add(self, left: int, probabilities_KHW: np.ndarray) -> None:
        if not np.isfinite(probabilities_KHW).all():
            raise Fault("the network gave numbers that are not finite: the checkpoint is damaged or training diverged")
        first = (left - self._left) * self._scale
        self._sum_KHW[:, :, first : first + probabilities_KHW.shape[2]] += probabilities_KHW * self._weight_HW

    def finish(self, end: _RowEnd) -> Iterator[Rows]:
        """The finished rows, if any, a slab at a time; the sums roll on to the next row of windows."""
        for first in range(end.first, end.last, self._slab):
            last = min(first + self._slab, end.last)
            yield Rows(first, last - first, self._mapped(end, first, last))
        side, step = self._sum_KHW.shape[1], min(end.step * self._scale, self._sum_KHW.shape[1])
        self._sum_KHW[:, : side - step] = self._sum_KHW[:, step:]
        self._sum_KHW[:, side - step :] = 0

    def _mapped(self, end: _RowEnd, first: int, last: int) -> np.ndarray:
        """Rows [first, last) of those that are finished."""
        scale, begin = self._scale, end.skip - end.first
        rows = slice((first + begin) * scale, (last + begin) * scale)
        cols = slice(-self._left * scale, (-self._left + self._width) * scale)
        weight_HW = self._row_sums[first * scale : last * scale, None] * self._col_sums
        values_NHW = self._predictor.values(self._sum_KHW[:, rows, cols] / weight_HW, self._predictor.legend)
        known_HW = end.known_HW[first - end.first : last - end.first]
        values_NHW[:, ~known_HW.repeat(scale, 0).repeat(scale, 1)] = UNKNOWN
        return values_NHW


@contextlib.contextmanager
def _steady_arithmetic() -> Iterator[None]:
    """One thread inside each operation and no search for algorithms, so that equal windows give equal bits."""
    threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
    with cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
