"""Where clouds cast shadows, and room around both, each reckoned on a fixed lattice of the scene.

A fixed lattice makes a pixel the same whatever window or scale is asked for: kernels and searches count pixels, and
without one they would count those of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ee

CAST_STEP_M = 100  # shadows are searched for on pixels of this size (Google's guide to s2cloudless)
# As in the same guide; pixels of 10 m would cost four times as much.
HIDE_STEP_M = 20
SPECK_PX = 2  # clouds that are nowhere wider than this radius are no clouds (same guide)


def cast(cloud: ee.Image, sun_azimuth_deg: ee.Number, grid: ee.Projection, *, reach_m: float) -> ee.Image:
    """1 where a cloud lies between the pixel and the sun, at most reach_m away; else 0.

    The azimuth counts clockwise from north, the search's angle counter-clockwise from east, so 90 - azimuth looks
    from a shadow to the sun. Rows of the grid run east (UTM).
    """
    import ee

    toward_sun_deg = ee.Number(90).subtract(sun_azimuth_deg)
    distance = cloud.directionalDistanceTransform(toward_sun_deg, round(reach_m / CAST_STEP_M))
    # The mask says whether a cloud was met at all; the distance itself is not needed.
    return distance.reproject(grid.atScale(CAST_STEP_M)).select("distance").mask().gt(0)


def buffered(hidden: ee.Image, grid: ee.Projection, *, buffer_m: float) -> ee.Image:
    """What is hidden without its specks, grown by buffer_m; 0 or 1."""
    # First less, then more: the other order would first join specks to clouds.
    grown = hidden.focalMin(SPECK_PX).focalMax(SPECK_PX + buffer_m / HIDE_STEP_M)
    return grown.reproject(grid.atScale(HIDE_STEP_M))
