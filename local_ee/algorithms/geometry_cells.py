"""Polygons of the cells of the S2 grid (Geometry.s2Cell, fromS2CellId, fromS2CellToken).

Assumption (not documented): a cell that crosses 180 degrees keeps its corners beyond it.
"""

from __future__ import annotations

import shapely

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.raster import s2_cell
from local_ee.raster.geometry import Geometry

_LARGEST = 2**63 - 1  # what larger numbers have become on their way here


@algorithm("Geometry.s2Cell", "Geometry.fromS2CellId")
def s2_cell_of_id(cellId: int) -> Geometry:
    """The four corners of a cell, joined by shortest paths; an id beyond 2**63 is given less 2**64."""
    if cellId == _LARGEST:
        raise EngineError("The id is no 64-bit integer: take 2**64 from it, or use Geometry.fromS2CellToken.")
    try:
        return _polygon(s2_cell.S2Cell.of(cellId))
    except ValueError as error:
        raise EngineError(str(error)) from error


@algorithm("Geometry.fromS2CellToken")
def s2_cell_of_token(cellToken: str) -> Geometry:
    """The four corners of a cell whose id is given in hexadecimal digits."""
    try:
        return _polygon(s2_cell.of_token(cellToken))
    except ValueError as error:
        raise EngineError(str(error)) from error


def _polygon(cell: s2_cell.S2Cell) -> Geometry:
    return Geometry(shapely.Polygon(cell.corners()), geodesic=True)
