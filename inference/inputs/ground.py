"""The ground that a map's pixels depend on, which is more than the map: cuts are exact where it can be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from isamap.gee_export.base.grid import Window, grid_of
from isamap.gee_export.base.regions import STEP_M, Region
from isamap.inference.cutting.lattice import Lattice, offset_from_crs_origin
from isamap.inference.cutting.windows import lattice_of

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True)
class Ground:
    """Input pixels counted from a map's first one: what the network maps, and all that its windows look at.

    The network maps more than the map where post-processing looks beyond its edges (CLAHE's blocks). reach_px: pixels
    beyond one that it may depend on, where there is ground beyond the map.
    """

    mapped: Window
    seen: Window
    reach_px: int = 0

    @classmethod
    def of_file(cls, height: int, width: int) -> Ground:
        """A file's: there is nothing beyond its edges."""
        pixels = Window(0, 0, height, width)
        return cls(pixels, pixels)

    @classmethod
    def around(cls, height: int, width: int, lattice: Lattice, *, block_px: int = 1, scale: int = 1) -> Ground:
        """What makes a map's every pixel that of any larger map, whose ground can be read: blocks, then windows.

        block_px: side in output pixels of blocks, counted from the lattice's origin, of which a pixel needs its own
        and those beside it (1: none); scale: output pixels per input pixel.
        """
        rows, cols = (
            _blocks(origin, length, block_px, scale) for origin, length in ((lattice.row, height), (lattice.col, width))
        )
        mapped = _window(rows, cols)
        seen = _window(lattice.reached(rows, lattice.row), lattice.reached(cols, lattice.col))
        return cls(mapped, seen, lattice.reach)


def ground_of(region: Region, trained: Checkpoint, block_px: int = 1) -> Ground:
    """The ground that the map of a region depends on, so that it is that part of any larger map."""
    geobox = grid_of(region)
    lattice = lattice_of(trained).at(*offset_from_crs_origin(geobox.affine))
    height, width = geobox.shape
    return Ground.around(height, width, lattice, block_px=block_px, scale=trained.scale)


def grown(region: Region, seen: Window) -> Region:
    """The region of a window that is counted from another region's first pixel, on the same lattice."""
    left, _, _, top = region.bounds_m
    west, north = left + seen.col * STEP_M, top - seen.row * STEP_M
    return replace(region, bounds_m=(west, north - seen.height * STEP_M, west + seen.width * STEP_M, north))


def _blocks(origin: int, length: int, block_px: int, scale: int) -> range:
    """The pixels of one axis, with their blocks and one more on each side."""
    if block_px == 1:
        return range(length)
    first = (origin * scale // block_px - 1) * block_px
    last = (-(-(origin + length) * scale // block_px) + 1) * block_px
    return range(first // scale - origin, -(-last // scale) - origin)


def _window(rows: range, cols: range) -> Window:
    return Window(rows.start, cols.start, len(rows), len(cols))
