"""The error of a polynomial by cell of the area, from matches that the cell's own points had no part in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isamap.gee_export.coregistration.consensus import CELLS, cells_of
from isamap.gee_export.coregistration.polynomial import Polynomial, design, solved
from isamap.gee_export.coregistration.tiepoints import TiePoints

LEAST_MATCHES = 3  # in a cell: the median of fewer is one match's noise


@dataclass(frozen=True)
class CellError:
    """One of CELLS x CELLS cells, row and column counted from the lower left corner.

    matches: all distinct ones, used: those that the polynomial rests on. error_px: length of the median vector from
    the polynomial of the other cells' points to all matches here, also those that were rejected; None: unknown.
    """

    row: int
    col: int
    matches: int
    used: int
    error_px: float | None


def cell_errors(
    points: TiePoints, used: np.ndarray, polynomial: Polynomial, *, step: tuple[float, float]
) -> tuple[CellError, ...]:
    """The error in every cell of the polynomial's frame, row by row from the lower left corner."""
    u, v = polynomial.frame.local(points.x, points.y)
    rows, cells = design(u, v, polynomial.order), cells_of(u, v)
    d_px = np.stack([points.dx / step[0], points.dy / step[1]], axis=1)
    out = []
    for cell in range(CELLS**2):
        inside = cells == cell
        others = used & ~inside
        error_px = None
        if inside.sum() >= LEAST_MATCHES and others.sum() >= rows.shape[1]:
            left = d_px[inside] - rows[inside] @ solved(rows[others], d_px[others])
            error_px = float(np.hypot(*np.median(left, axis=0)))
        out.append(CellError(*divmod(cell, CELLS), int(inside.sum()), int((inside & used).sum()), error_px))
    return tuple(out)


def area_error_px(cells: Sequence[CellError]) -> float | None:
    """Root mean square of the cells' errors; None where no cell knows its own."""
    errors = [cell.error_px for cell in cells if cell.error_px is not None]
    return math.sqrt(sum(error**2 for error in errors) / len(errors)) if errors else None


def cells_json(cells: Sequence[CellError]) -> list[dict[str, Any]]:
    """Plain JSON."""
    return [asdict(cell) for cell in cells]


def cells_text(cells: Sequence[CellError]) -> list[str]:
    """The map of errors, north above, and what it says of the area."""
    if not cells:
        return []
    by_place = {(cell.row, cell.col): cell.error_px for cell in cells}
    lines = []
    for row in reversed(range(CELLS)):
        errors = [by_place[row, col] for col in range(CELLS)]
        lines.append("    " + " ".join("unknown" if error is None else f"{error:7.2f}" for error in errors))
    error_px, count = area_error_px(cells), sum(cell.error_px is not None for cell in cells)
    head = f"  error by cell of the area, px (known in {count} of {len(cells)} cells"
    return [head + (f", together {error_px:.2f}):" if error_px is not None else "):"), *lines]
