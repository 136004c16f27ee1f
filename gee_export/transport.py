"""The one place that asks Earth Engine for pixels: ee.data.computePixels, one attempt, with a deadline."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox

if TYPE_CHECKING:
    import ee

DEADLINE_MS = 330_000  # the server gives up on interactive requests after 5 minutes (earth-engine.md section 3.1)

# An image whose pixels are all unmasked, and the grid; a structured array (rows, columns) with one field per band.
Transport = Callable[["ee.Image", GeoBox], np.ndarray]


def compute_pixels(image: ee.Image, geobox: GeoBox) -> np.ndarray:
    """The image's bands on the grid, nearest pixel, as a structured array; errors as the client raises them.

    NPY carries no mask (masked pixels arrive as 0), so the image must have been unmasked with values
    that cannot occur.
    """
    import ee

    params = {"expression": image, "fileFormat": "NPY", "grid": grid_json(geobox)}
    return np.load(io.BytesIO(ee.data.computePixels(params)), allow_pickle=False)


def grid_json(geobox: GeoBox) -> dict[str, Any]:
    """The REST form of a grid, made afresh for every request (a shared nested dict is a race)."""
    affine, (height, width) = geobox.affine, geobox.shape
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            "scaleX": affine.a,
            "shearX": affine.b,
            "translateX": affine.c,
            "shearY": affine.d,
            "scaleY": affine.e,
            "translateY": affine.f,
        },
        "crsCode": str(geobox.crs),
    }


@contextmanager
def single_attempts() -> Iterator[None]:
    """The client neither repeats by itself nor waits for ever; what it did before comes back afterwards.

    The client's own repetition sleeps without telling anybody, so the number of requests under way could not fall.
    """
    import ee
    from ee import _state

    state = _state.get_state()
    retries = state.max_retries
    if not state.deadline_ms:
        ee.data.setDeadline(DEADLINE_MS)
    ee.data.setMaxRetries(0)
    try:
        yield
    finally:
        ee.data.setMaxRetries(retries)
