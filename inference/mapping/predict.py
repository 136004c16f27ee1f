"""The map of a raster, row by row: windows through the network, blended, the same however the work is cut.

On a processor each window goes through the network alone (a batch of one) on one thread, on a GPU in batches that
are always of one size, because the last bit of a convolution depends on the size of the batch; windows are spread over
workers, and their results are added in the lattice's order.
So a pixel depends on the data around it and on its place, never on strips, jobs, workers or threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Raster, Window
from isamap.inference.cutting.cut import Cut, WindowGrid
from isamap.inference.cutting.frame import CutFrame, Read, strips, strips_under
from isamap.inference.cutting.parallel import in_order, read_ahead
from isamap.inference.map_files.legend import PROB_STEPS, Legend
from isamap.inference.mapping.blend import Blend, RowEnd, Rows
from isamap.training.cpu import cores, one_thread, steady_arithmetic


def quantise(probabilities_KHW: np.ndarray, legend: Legend) -> np.ndarray:
    """Class (threshold for two classes, else the most probable) and round(254 p) of impervious; uint8 (2, H, W)."""
    impervious_HW = probabilities_KHW[legend.blended.index(legend.impervious)]
    if legend.binary:
        # As float32, like the probabilities: beside a double, one that equals the threshold may fall below it.
        class_HW = impervious_HW >= np.float32(legend.threshold)
        class_HW = np.where(class_HW, np.uint8(legend.impervious), np.uint8(1 - legend.impervious))
    else:
        class_HW = probabilities_KHW.argmax(axis=0)
    share_HW = np.rint(np.clip(impervious_HW, 0, 1) * PROB_STEPS)
    return np.stack([class_HW.astype(np.uint8), share_HW.astype(np.uint8)])


@dataclass(frozen=True)
class Predictor:
    """A network that maps windows: `network(images, classes)` gives those classes' probabilities, float32
    (images, classes, rows, columns) of `scale` output pixels per input pixel (training/runtimes/probabilities.py).

    It is called from several threads, with float32 images (images, ...).
    `bands` counts the channels that are read, `legend` says what its classes mean. arrange: makes the network's input
    of a window's channels (dates.py: several dates). values: what is kept of the blended probabilities. batch: windows
    in a call. It is the same for every call, and windows of zeros fill the last one up, because the last bit of a
    convolution depends on the size of the batch.
    """

    network: Callable[[np.ndarray, Sequence[int]], np.ndarray]
    bands: int
    scale: int
    legend: Legend
    arrange: Callable[[np.ndarray], np.ndarray] = np.asarray
    values: Callable[[np.ndarray, Legend], np.ndarray] = quantise
    batch: int = 1

    def keep(self, probabilities_KHW: np.ndarray) -> np.ndarray:
        """What is kept of blended probabilities."""
        return self.values(probabilities_KHW, self.legend)

    def probabilities(self, tile_BHW: np.ndarray) -> np.ndarray:
        """Probability of each blended class (legend.blended), float32 (K, H x scale, W x scale)."""
        return self.of_windows([tile_BHW])[0]

    def of_windows(self, tiles: Sequence[np.ndarray]) -> np.ndarray:
        """`probabilities` of at most `batch` windows of one shape, (windows, K, H x scale, W x scale)."""
        images = [self.arrange(tile_BHW) for tile_BHW in tiles]
        # Always a whole batch: the last bit of a convolution depends on how many images it gets.
        images += [np.zeros_like(images[0])] * (self.batch - len(images))
        # one window needs no copy, and channels lie in memory as they always did
        x = images[0][None] if self.batch == 1 else np.stack(images)
        probabilities_NKHW = self.network(x, self.legend.blended)[: len(tiles)]
        expected = (len(self.legend.blended), *(side * self.scale for side in tiles[0].shape[1:]))
        if probabilities_NKHW.shape[1:] != expected:
            raise Fault(
                f"the network gave {probabilities_NKHW.shape[1:]}, expected {expected}: the checkpoint's scale is wrong"
            )
        return probabilities_NKHW


@dataclass(frozen=True)
class _Job:
    """One window (tile_BHW; None where nothing is known), or the end of a row of windows (known_HW of its rows)."""

    left: int
    tile_BHW: np.ndarray | None
    end: RowEnd | None = None


def predict(
    predictor: Predictor,
    read: Read,
    grid: WindowGrid,
    *,
    rows: range | None = None,
    cols: range | None = None,
    workers: int = 0,
) -> Generator[Rows, None, None]:
    """The map of `rows` and `cols` (all of them if None) from top to bottom, in pieces of about one stride.

    Whatever part of the grid is mapped, a pixel is the same. read(window) gives the network's input, 0 where a pixel is
    not known, and which pixels are known; it is called in one thread, from top to bottom, each row once, for all
    columns that windows look at. workers: windows at the same time (0: as many as there are cores).
    Memory: a few rows of windows. Fault: the network gives numbers that are not finite.
    """
    cut = Cut.of(grid, rows, cols)
    workers = workers or cores()
    blend = Blend(cut, predictor.keep, classes=len(predictor.legend.blended), scale=predictor.scale)
    windows = _jobs(predictor, read, cut)
    # closed here, where an error leaves it: a thread of its own that reads ahead could not end itself
    with steady_arithmetic(), contextlib.closing(windows), ThreadPoolExecutor(workers, initializer=one_thread) as pool:
        groups = _groups(windows, predictor.batch)
        # Twice the workers: while one row is blended, the next windows are computed already.
        for jobs, probabilities_NKHW in in_order(pool, _run(predictor), groups, 2 * workers + 1):
            results = iter(probabilities_NKHW)
            for job in jobs:
                if job.tile_BHW is not None:
                    blend.add(job.left, next(results))
                if job.end is not None:
                    yield from blend.finish(job.end)


def normalised(source, norm: Callable[[Raster], np.ndarray]) -> Read:
    """A reader of windows as network input; a pixel is known where it is wanted and all its bands are valid."""

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        raster = source.read(window)
        return norm(raster), raster.valid_BHW.all(axis=0) & source.wanted(window)

    return read


def _run(predictor: Predictor) -> Callable[[list[_Job]], Sequence[np.ndarray]]:
    def run(jobs: list[_Job]) -> Sequence[np.ndarray]:
        tiles = [job.tile_BHW for job in jobs if job.tile_BHW is not None]
        return list(predictor.of_windows(tiles)) if tiles else []

    return run


def _groups(jobs: Iterable[_Job], windows: int) -> Iterator[list[_Job]]:
    """The jobs in their order, so many of them together that the network gets `windows` windows at once."""
    group: list[_Job] = []
    for job in jobs:
        group.append(job)
        if sum(member.tile_BHW is not None for member in group) == windows or windows == 1:
            yield group
            group = []
    if group:
        yield group


def _jobs(predictor: Predictor, read: Read, cut: Cut) -> Generator[_Job, None, None]:
    """The windows that touch the part, row by row from the left, each row of them closed by its end."""
    tops, lefts, rows = cut.tops, cut.lefts, cut.rows
    frame = CutFrame(predictor.bands, cut)
    coming = read_ahead(strips(read, cut), strips_under(cut))
    with contextlib.closing(coming):
        for top_index, top in enumerate(tops):
            frame.move(top, coming)
            for left in lefts:
                yield _Job(left, frame.tile(left))
            # The last row of windows ends at the raster's edge, the others where the next one begins to give.
            last_of_all = top_index + 1 == len(tops)
            below = cut.grid.height if last_of_all else tops[top_index + 1]
            first, last = max(top, rows.start, 0), max(min(below, rows.stop), max(top, rows.start, 0))
            known_HW = frame.known(first, last, cut.cols)
            yield _Job(0, None, RowEnd(first, last, first - top, below - top, known_HW))
