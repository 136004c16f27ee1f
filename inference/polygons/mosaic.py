"""A map of one system as equal pieces on one lattice, whatever tiles it is cut into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Window, crs_of
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.assessment.class_map import ClassMap, Sheet
from isamap.inference.map_files.legend import PROB_STEPS
from isamap.inference.postprocessing.sieve import SievePiece

# Equal for files and tiles: the pieces decide how polygons are cut and joined, so the bytes depend on it.
PIECE_PX = 1024
_ROUNDING = 1e-4  # of a pixel, within which grids are one


@dataclass(frozen=True)
class PolygonMosaic:
    """The sheets of a map that lie on one grid. Pieces begin at whole multiples of piece_px from the system's origin.

    So equal ground becomes equal pieces, whether it is one file or many tiles. ValueError: sheets of several systems or
    of grids that do not fit.
    """

    class_map: ClassMap
    piece_px: int = PIECE_PX

    def __post_init__(self) -> None:
        systems = {crs_of(sheet.geobox).to_wkt() for sheet in self.class_map.sheets}
        if len(systems) > 1:
            raise ValueError(
                f"{self.class_map.name} lies in {len(systems)} coordinate systems (UTM zones): give the tiles, or the "
                "joined GeoTIFF, of one of them at a time"
            )
        _ = self.windows

    @property
    def affine(self) -> Affine:
        """The lattice's transform: its first pixel lies at the system's origin, give or take half a pixel."""
        own = self.class_map.sheets[0].geobox.affine
        # From the system's origin, so that tiles of one map, read alone, lie on the same lattice.
        x, y = (start - step * round(start / step) for start, step in ((own.c, own.a), (own.f, own.e)))
        return Affine(own.a, 0, x, 0, own.e, y)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Where each sheet lies on the lattice."""
        return tuple(self._window(sheet) for sheet in self.class_map.sheets)

    def _window(self, sheet: Sheet) -> Window:
        own, lattice = sheet.geobox.affine, self.affine
        same = max(abs(own.a - lattice.a), abs(own.e - lattice.e)) < 1e-9 * abs(own.a) and not (own.b or own.d)
        col, row = ~lattice * (own.c, own.f)
        if not same or max(abs(col - round(col)), abs(row - round(row))) > _ROUNDING:
            raise ValueError(
                f"{sheet.path} does not lie on the grid of {self.class_map.sheets[0].path}: give tiles of one map"
            )
        return Window(round(row), round(col), *sheet.geobox.shape)

    def geobox(self, window: Window) -> GeoBox:
        """The grid of a window of the lattice."""
        corner = self.affine * Affine.translation(window.col, window.row)
        return GeoBox((window.height, window.width), corner, self.class_map.sheets[0].geobox.crs)

    def pieces(self) -> Iterator[SievePiece]:
        """Classes of every piece that a sheet lies on, row by row, UNKNOWN where no sheet knows one."""
        for row, col in self._places:
            yield SievePiece(row, col, self.read(self.window(row, col)))

    def window(self, row: int, col: int) -> Window:
        """A piece's window."""
        return Window(row * self.piece_px, col * self.piece_px, self.piece_px, self.piece_px)

    def read(self, window: Window) -> np.ndarray:
        """Classes of a window, uint8; where sheets overlap, the first that knows the pixel counts."""
        return self._filled(self.class_map.sheets, window, greatest=len(self.class_map.classes) - 1)

    def shares(self, window: Window) -> np.ndarray | None:
        """Steps of the shares or probabilities beside the classes, uint8; None where the map has none."""
        sheets = self.class_map.share_sheets
        return None if sheets is None else self._filled(sheets, window, greatest=PROB_STEPS)

    def _filled(self, sheets: tuple[Sheet, ...], window: Window, *, greatest: int) -> np.ndarray:
        values_HW = np.full((window.height, window.width), UNKNOWN, np.uint8)
        for sheet, sheet_window in zip(sheets, self.windows, strict=True):
            shared = window.overlap(sheet_window)
            if shared is None:
                continue
            own = Window(shared.row - sheet_window.row, shared.col - sheet_window.col, shared.height, shared.width)
            part_HW = values_HW[shared.within(window)]
            # The first that knows: tiles of one map agree where they overlap, so the order decides nothing else.
            part_HW[...] = np.where(part_HW == UNKNOWN, sheet.read(own, greatest=greatest), part_HW)
        return values_HW

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """Rows and columns of the pieces, in order."""
        side, places = self.piece_px, set()
        for window in self.windows:
            rows = range(window.row // side, (window.row_end - 1) // side + 1)
            cols = range(window.col // side, (window.col_end - 1) // side + 1)
            places |= {(row, col) for row in rows for col in cols}
        return sorted(places)
