"""Image.medialAxis against its definition: every ball and every pixel compared, one by one."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(18, 22)
CATALOG = Scenes((Scene("C/a", utm(60, 60, left=299_800, top=3_400_200), {"x": ("uint16", 10)}, seed=3, hidden=1),))
REACH = 4


def walls() -> ee.Image:
    """1 on about a tenth of the pixels, 0 elsewhere; a sixteenth is masked."""
    return ee.Image("C/a").mod(10).eq(0)


def axis(image: ee.Image | None = None, **options) -> ee.Image:
    return (walls() if image is None else image).medialAxis(**({"neighborhood": REACH} | options))


def around(margin: int) -> np.ma.MaskedArray:
    """The walls of the window and of a margin around it."""
    height, width = GRID.shape
    return pixels(
        walls(),
        CATALOG,
        utm(height + 2 * margin, width + 2 * margin, left=300_000 - 10 * margin, top=3_400_000 + 10 * margin),
    )


def balls(margin: int) -> dict[tuple[int, int], int]:
    """The squared radius of the ball of each zero pixel of the window with a margin, from all pairs of pixels."""
    image = around(margin + REACH)
    hits = np.argwhere(image.filled(0) != 0) - margin - REACH
    zeros = np.argwhere(image.filled(1) == 0) - margin - REACH
    squares = {tuple(zero): int(((hits - zero) ** 2).sum(axis=1).min()) for zero in zeros.tolist()}
    return {zero: square for zero, square in squares.items() if square <= REACH**2}


def planes() -> list[np.ma.MaskedArray]:
    return [pixels(axis(), CATALOG, GRID, band=band) for band in range(4)]


def test_a_pixels_power_point_is_that_of_the_ball_which_covers_it_most():
    medial, _, across, down = planes()
    every = balls(REACH)
    inside = {spot: every[spot] for spot in every if 0 <= spot[0] < 18 and 0 <= spot[1] < 22}
    assert {tuple(spot) for spot in np.argwhere(~np.ma.getmaskarray(across)).tolist()} == set(inside)
    for row, col in inside:
        power = {spot: square - (spot[0] - row) ** 2 - (spot[1] - col) ** 2 for spot, square in every.items()}
        own = power[row + int(down[row, col]), col + int(across[row, col])]
        assert own == max(power.values())
    assert medial.count() < len(inside)


def test_balls_of_the_axis_cover_the_zero_pixels_and_no_others():
    """Coeurjolly and Montanvert 2007: the axis is reversible; here for pixels whose balls lie in the window."""
    medial, spots = planes()[0], set(balls(0))
    centres = [((row, col), medial[row, col] ** 2) for row, col in np.argwhere(~np.ma.getmaskarray(medial)).tolist()]
    hidden = np.ma.getmaskarray(around(0))
    for row, col in np.ndindex(18 - 2 * REACH, 22 - 2 * REACH):
        row, col = row + REACH, col + REACH
        covered = any((r - row) ** 2 + (c - col) ** 2 < square - 1e-3 for (r, c), square in centres)
        assert hidden[row, col] or covered == ((row, col) in spots)


def test_coverage_counts_the_pixels_of_each_power_point():
    medial, coverage, *_ = planes()
    wide = utm(18 + 2 * REACH, 22 + 2 * REACH, left=300_000 - 10 * REACH, top=3_400_000 + 10 * REACH)
    across, down = (pixels(axis(), CATALOG, wide, band=band) for band in (2, 3))
    counts = np.zeros(wide.shape, int)
    for row, col in np.argwhere(~np.ma.getmaskarray(across)).tolist():
        target = row + int(down[row, col]), col + int(across[row, col])
        if 0 <= target[0] < wide.shape[0] and 0 <= target[1] < wide.shape[1]:
            counts[target] += 1
    own = counts[REACH:-REACH, REACH:-REACH]
    np.testing.assert_array_equal(coverage.filled(0), np.where(np.ma.getmaskarray(coverage), 0, own))
    np.testing.assert_array_equal(~np.ma.getmaskarray(medial), coverage.filled(0) > 0)


def test_a_corridor_has_its_middle_as_the_axis():
    rows = ee.Image.pixelCoordinates("EPSG:32650").select("y").subtract(3_399_900).divide(10).floor()
    corridor = rows.gt(8).Or(rows.lt(2)).unmask()
    medial = pixels(axis(corridor), grid=GRID, band=0)
    spots = np.argwhere(~np.ma.getmaskarray(medial))
    assert set(spots[:, 0]) == {4} and set(medial.compressed()) == {4}


def test_the_bands_are_the_documented_ones():
    """A medialAxis: "Outputs 4 bands"."""
    bands = value(axis(), CATALOG).bands
    assert [(band.name, band.type.dtype.name) for band in bands] == [
        ("medial", "float32"), ("coverage", "int32"), ("xlabel", "int32"), ("ylabel", "int32"),
    ]  # fmt: skip


def test_a_part_of_a_window_is_the_same():
    for band, whole in enumerate(planes()):
        part = pixels(axis(), CATALOG, utm(6, 7, left=300_030, top=3_399_950), band=band)
        np.testing.assert_array_equal(whole[5:11, 3:10].filled(-99), part.filled(-99))


def test_without_a_non_zero_pixel_all_is_masked():
    assert np.ma.getmaskarray(pixels(axis(ee.Image(0)), band=1)).all()


@pytest.mark.parametrize(
    ("options", "words"), [({"units": "meters"}, "Only 'pixels'"), ({"neighborhood": 0}, "neighborhood must be 1 to")]
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(EngineError, match=words):
        info(axis(**options), CATALOG)
