"""The first pass of a map: the network over its pixels, whose finished rows are kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

from gee_export.base.progress_bar import ProgressBar
from inference.blend import Rows
from inference.cog import RowsFile
from inference.cut import Cut, Grid
from inference.frame import Read, shifted
from inference.lattice import Lattice
from inference.parallel import WriteBehind
from inference.predict import Predictor, predict
from inference.source import InputSource
from inference.stripes import join, stripe_px, stripes


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
        return sum(part.done * len(part.cut.cols) for part in self._parts) // len(self._cut.cols)

    @property
    def is_done(self) -> bool:
        return self.rows.settled == self._height * self.scale

    def run(self, predictor: Predictor, read: Read, *, workers: int, progress: bool) -> None:
        """Maps the rows that are not there yet; read: the network's input of the source's windows."""
        seen = self.source.ground.seen
        read, parts = shifted(read, seen.row, seen.col), self._parts
        done = sum(part.done for part in parts)
        total = self._height * len(parts)
        with ProgressBar(total=total, initial=done, unit="row", desc="map", disable=not progress) as bar:
            for part in parts:
                pieces = self._pieces(part, predictor, read, workers)
                self._write(part, pieces, bar.update)
        if len(parts) > 1:
            join([part.rows for part in parts], self.rows)

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
        grid = Grid(seen.height, seen.width, lattice)
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
