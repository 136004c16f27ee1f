"""Blocks of a grid, counted from its origin: what is computed in them depends on no window.

For computations whose reach has no end, such as paths and floods: each block is computed with a margin.
"""

from __future__ import annotations

from collections.abc import Iterator

from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.raster.lattice import place_of
from local_ee.raster.window import Window

SIDE = 256
Slices = tuple[slice, slice]


def blocks(geobox: GeoBox, margin: int, *, side: int = SIDE) -> Iterator[tuple[Slices, GeoBox, Slices]]:
    """The blocks that a window touches: where each is in the window, its grid with margins, and its part of that."""
    lattice_window = place_of(geobox)
    mine = Window(lattice_window.row, lattice_window.col, *geobox.shape)
    for row in range(mine.row // side * side, mine.row_end, side):
        for col in range(mine.col // side * side, mine.col_end, side):
            budget.check()
            outer = Window(row - margin, col - margin, side + 2 * margin, side + 2 * margin)
            shared = mine.overlap(Window(row, col, side, side))
            if shared is not None:
                affine = geobox.affine * Affine.translation(outer.col - mine.col, outer.row - mine.row)
                yield shared.within(mine), GeoBox((outer.height, outer.width), affine, geobox.crs), shared.within(outer)
