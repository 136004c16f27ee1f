"""Filled shapes on the 1-m canvas of a tile. Canvas coordinates are columns and rows in metres from its upper left.

A pixel belongs to a shape when its centre does, so shapes that share an edge neither overlap nor leave a gap.
"""

from __future__ import annotations

import math

import numpy as np

from local_ee.world.compiled import compiled


@compiled
def point(q, s, t):
    """The canvas point at shares s (along) and t (across) of a parcel."""
    a, b, c, d = (1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t
    return a * q[0] + b * q[2] + c * q[4] + d * q[6], a * q[1] + b * q[3] + c * q[5] + d * q[7]


# Scan lines: each row's first and last column, then one store after the other; masks of NumPy over the whole canvas
# would touch 1.6 million pixels for a roof of fifty.
@compiled
def _span(x0, y0, x1, y1, y, low, high):
    """The crossing of a row's centre line with an edge, taken into the row's span."""
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    if y0 <= y < y1:
        x = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
        low, high = min(low, x), max(high, x)
    return low, high


@compiled
def fill(canvas, row, start, stop, value):
    """Fills columns of a row, none where stop is not above start; start is not negative.

    Columns without a sign are stored side by side; with one, numba looks at each for a count from the row's end.
    """
    if stop > start:
        for col in range(np.uint64(start), np.uint64(stop)):
            canvas[row, col] = value


@compiled
def quad(canvas, x0, y0, x1, y1, x2, y2, x3, y3, value):
    """Fills a convex quadrilateral."""
    rows, cols = canvas.shape
    left, right = min(x0, x1, x2, x3), max(x0, x1, x2, x3)
    if right < 0.0 or left > cols:
        return
    first = max(0, math.ceil(min(y0, y1, y2, y3) - 0.5))
    last = min(rows - 1, math.floor(max(y0, y1, y2, y3) - 0.5))
    for row in range(first, last + 1):
        y = row + 0.5
        low, high = 1e18, -1e18
        low, high = _span(x0, y0, x1, y1, y, low, high)
        low, high = _span(x1, y1, x2, y2, y, low, high)
        low, high = _span(x2, y2, x3, y3, y, low, high)
        low, high = _span(x3, y3, x0, y0, y, low, high)
        if high >= low:
            start = int(max(0.0, math.ceil(low - 0.5)))
            stop = int(min(float(cols), math.ceil(high - 0.5)))
            fill(canvas, row, start, stop, value)


@compiled
def disc(canvas, x, y, radius, value):
    """Fills a circle."""
    rows, cols = canvas.shape
    if x + radius < 0 or y + radius < 0 or x - radius > cols or y - radius > rows:
        return
    first = max(0, math.ceil(y - radius - 0.5))
    last = min(rows - 1, math.floor(y + radius - 0.5))
    for row in range(first, last + 1):
        half2 = radius * radius - (row + 0.5 - y) ** 2
        if half2 > 0.0:
            half = math.sqrt(half2)
            start = int(max(0.0, math.ceil(x - half - 0.5)))
            stop = int(min(float(cols), math.ceil(x + half - 0.5)))
            fill(canvas, row, start, stop, value)


@compiled
def line(canvas, x0, y0, x1, y1, half_width, value):
    """Fills a straight strip whose ends reach half a width too far, so that strips join at corners."""
    length = math.hypot(x1 - x0, y1 - y0)
    if length < 1e-6:
        return
    ux, uy = (x1 - x0) / length * half_width, (y1 - y0) / length * half_width
    ax, ay, bx, by = x0 - ux, y0 - uy, x1 + ux, y1 + uy
    quad(canvas, ax - uy, ay + ux, bx - uy, by + ux, bx + uy, by - ux, ax + uy, ay - ux, value)


@compiled
def rectangle(canvas, x, y, ex, ey, half_long, half_deep, value):
    """Fills a rectangle around (x, y) whose long side follows the unit vector (ex, ey)."""
    lx, ly, dx, dy = ex * half_long, ey * half_long, -ey * half_deep, ex * half_deep
    quad(
        canvas,
        x - lx - dx,
        y - ly - dy,
        x + lx - dx,
        y + ly - dy,
        x + lx + dx,
        y + ly + dy,
        x - lx + dx,
        y - ly + dy,
        value,
    )


@compiled
def building(canvas, facing, x, y, ex, ey, half_long, half_deep, value):
    """Fills a building's roof and notes its walls' direction (degrees from grid north, 0 to 89) in 10-m cells."""
    reach = half_long + half_deep
    if x + reach < 0 or y + reach < 0 or x - reach > canvas.shape[1] or y - reach > canvas.shape[0]:
        return
    rectangle(canvas, x, y, ex, ey, half_long, half_deep, value)
    turn = np.uint8(int(math.degrees(math.atan2(ex, -ey)) + 720.0) % 90)
    spread_x = abs(ex) * half_long + abs(ey) * half_deep
    spread_y = abs(ey) * half_long + abs(ex) * half_deep
    first_row, last_row = max(0, int((y - spread_y) // 10)), min(facing.shape[0] - 1, int((y + spread_y) // 10))
    first_col, last_col = max(0, int((x - spread_x) // 10)), min(facing.shape[1] - 1, int((x + spread_x) // 10))
    for row in range(first_row, last_row + 1):
        for col in range(first_col, last_col + 1):
            facing[row, col] = turn
