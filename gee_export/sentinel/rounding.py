"""Rounding on the server as datasets round: halves to even, which ee.Image.round does not promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ee


def half_even(image: ee.Image) -> ee.Image:
    """The nearest whole numbers, a half to the even one, as np.rint."""
    floor = image.floor()
    fraction = image.subtract(floor)
    up = fraction.gt(0.5).Or(fraction.eq(0.5).And(floor.mod(2).neq(0)))
    rounded: ee.Image = floor.add(up)
    return rounded
