"""The first pass of a map: the network over its pixels, whose finished rows are kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.inference.cutting.cut import Cut, WindowGrid
from isamap.inference.cutting.frame import Read, shifted
from isamap.inference.cutting.lattice import Lattice
from isamap.inference.cutting.parallel import WriteBehind
from isamap.inference.inputs.source import InputSource
from isamap.inference.map_files.cog import CHUNK_PX, RowsFile
from isamap.inference.mapping.blend import Rows
from isamap.inference.mapping.predict import Predictor, predict

# numbers of the input that are held at once, under a row of windows and in the blocks below it: 4,369 columns of ten
# bands, windows of 256 px and blocks of 512 px
HELD_VALUES = 1 << 25
LEAST_WINDOWS = 4  # side by side in a stripe: those over a seam are computed for both of its sides


@dataclass(frozen=True)
class _Part:
    """Columns that are mapped one after another with others, and where their rows go."""

    cut: Cut
    rows: RowsFile
    scale: int

    @property
    def done(self) -> int:
        """Input rows that are there."""
        return self.rows.settled // self.scale


@dataclass(frozen=True)
class FirstPass:
    """What the network maps of a source, and the rows that it leaves: of all columns at once, or in stripes of them.

    lattice: the windows, counted from the origin of the ground; scale: output pixels per input pixel. The same
    call continues an interrupted pass.
    """

    source: InputSource
    lattice: Lattice
    scale: int
    rows: RowsFile

    @property
    def done(self) -> int:
        """Rows that are there, in stripes as many as their pixels make."""
        if self.rows.settled == self._height * self.scale:
            return self._height
        return sum(stripe.done * len(stripe.cut.cols) for stripe in self._parts) // len(self._cut.cols)

    @property
    def is_done(self) -> bool:
        return self.rows.settled == self._height * self.scale

    def run(self, predictor: Predictor, read: Read, *, workers: int, progress: bool) -> None:
        """Maps the rows that are not there yet; read: the network's input of the source's windows."""
        seen = self.source.ground.seen
        read, parts = shifted(read, seen.row, seen.col), self._parts
        done = sum(stripe.done for stripe in parts)
        total = self._height * len(parts)
        with ProgressBar(total=total, initial=done, unit="row", desc="map", disable=not progress) as bar:
            for stripe in parts:
                pieces = self._pieces(stripe, predictor, read, workers)
                self._write(stripe, pieces, bar.update)
        if len(parts) > 1:
            join([stripe.rows for stripe in parts], self.rows)

    def _pieces(self, part: _Part, predictor: Predictor, read: Read, workers: int) -> Generator[Rows, None, None]:
        """The rows that a part lacks, a few at a time."""
        cut, done = part.cut, part.done
        part.rows.keep(done * self.scale)
        if done < len(cut.rows):
            yield from predict(predictor, read, cut.grid, rows=cut.rows[done:], cols=cut.cols, workers=workers)

    def _write(self, part: _Part, pieces: Generator[Rows, None, None], advance: Callable[[int], object]) -> None:
        """Keeps each of the pieces while the next is computed, and lets go what no later one looks at."""
        top = self.source.ground.seen.row - self.lattice.side

        def write(piece: Rows) -> None:
            part.rows.append(piece.values_NHW)
            # Settled before the source lets its blocks go: what was mapped from them would else be lost with the power.
            part.rows.settle()
            self.source.release(piece.row + piece.count + top)

        with closing(pieces), WriteBehind(write) as behind:
            for piece in pieces:
                behind.put(piece)
                advance(piece.count)

    @property
    def _height(self) -> int:
        return self.source.ground.mapped.height

    @cached_property
    def _cut(self) -> Cut:
        """What is mapped, counted from the first pixel that is seen."""
        mapped, seen = self.source.ground.mapped, self.source.ground.seen
        lattice = self.lattice.at(self.source.origin[0] + seen.row, self.source.origin[1] + seen.col)
        top, left = mapped.row - seen.row, mapped.col - seen.col
        grid = WindowGrid(seen.height, seen.width, lattice)
        return Cut(grid, range(top, top + mapped.height), range(left, left + mapped.width))

    @cached_property
    def _parts(self) -> list[_Part]:
        block_rows = self.source.block_rows
        if block_rows is None:
            return [_Part(self._cut, self.rows, self.scale)]
        columns = stripes(self._cut, stripe_px(self.lattice, len(self.source.bands), block_rows))
        if len(columns) == 1:
            return [_Part(self._cut, self.rows, self.scale)]
        return [_Part(replace(self._cut, cols=cols), self._rows_of(cols), self.scale) for cols in columns]

    def _rows_of(self, cols: range) -> RowsFile:
        """A stripe's rows, named by its columns, so that those of another width are never taken for them."""
        path = self.rows.path.with_name(f"{self.rows.path.stem}-{cols.start}-{cols.stop}{self.rows.path.suffix}")
        return RowsFile(path, len(cols) * self.scale, self.rows.bands)


def stripe_px(lattice: Lattice, bands: int, block_rows: int) -> int:
    """Columns that may be read at once, so that about HELD_VALUES numbers are held; block_rows: decoded together."""
    return HELD_VALUES // (bands * (lattice.side + block_rows))


def stripes(cut: Cut, most_px: int) -> list[range]:
    """The cut's columns in parts from the left, of which each is mapped by reading at most `most_px` columns.

    Parts are equally wide, up to a window, and begin where a window gives its first pixels, so that few windows belong
    to two of them. Windows wider than most_px / 6 read more columns: LEAST_WINDOWS strides and two sides.
    """
    lattice, lefts = cut.grid.lattice, cut.lefts
    # Two sides off: windows at both seams reach into the neighbouring stripes.
    most = max((most_px - 2 * lattice.side) // lattice.stride, LEAST_WINDOWS)
    parts = -(-len(lefts) // most)
    inner = (lefts[len(lefts) * k // parts] + lattice.halo for k in range(1, parts))
    edges = [cut.cols.start, *(edge for edge in inner if cut.cols.start < edge < cut.cols.stop), cut.cols.stop]
    return [range(first, last) for first, last in pairwise(edges)]


def join(parts: Sequence[RowsFile], rows: RowsFile) -> None:
    """Writes the rows of stripes side by side as whole rows, and removes the stripes; Fault where the disk is full."""
    rows.keep(0)
    # Even numbers of rows, as overviews halve them.
    count = max(CHUNK_PX // rows.width // 2 * 2, 2)
    for pieces in zip(*(stripe.read(count * stripe.width) for stripe in parts), strict=True):
        rows.append(np.concatenate(pieces, axis=2))
    rows.settle()
    for stripe in parts:
        stripe.remove()
