"""Bands of a request as they travel: pixel types, what stands for masked pixels, and the image that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN

if TYPE_CHECKING:
    import ee

FILL = -(2.0**100)  # no reflectance, power, decibel or elevation; exact in float32 and float64
# NPY brings the server's types as they are, so each is asked for by name.
CASTS = {"float32": "toFloat", "float64": "toDouble", "uint8": "toUint8", "int16": "toInt16", "uint16": "toUint16"}


@dataclass(frozen=True)
class Channel:
    """A band of a request: its pixel type and the value that stands for masked pixels, outside the band's range."""

    name: str
    dtype: str = "float32"
    fill: float = FILL

    @property
    def bytes(self) -> int:
        """Bytes of one pixel as the server counts them: one mask byte on top (google/Xee issue 209)."""
        return np.dtype(self.dtype).itemsize + 1


def channels(bands: Sequence[str]) -> tuple[Channel, ...]:
    """Float bands, except `label`, whose classes are bytes with 255 for unknown."""
    return tuple(Channel(name, "uint8", UNKNOWN) if name == "label" else Channel(name) for name in bands)


def record(bands: Sequence[Channel]) -> np.dtype:
    """The type of one pixel as NPY brings it: a field for every band, in order, little-endian."""
    return np.dtype([(band.name, np.dtype(band.dtype).newbyteorder("<")) for band in bands])


def unmasked(image: ee.Image | None, bands: Sequence[Channel]) -> ee.Image:
    """The bands in order, with their pixel types, masked pixels replaced by their fills.

    NPY has no mask and masked pixels would arrive as 0, which is a class and a possible value
    (docs/reference/wishes.md, "Wish 13"). The second argument of unmask is False because by default pixels beyond the
    image's footprint stay masked (apidocs ee-image-unmask).
    """
    import ee

    if image is None:
        raise ValueError("pixels without an image on the server are not asked for: read them from their file")
    parts = [_typed(image.select(band.name).unmask(band.fill, False), band.dtype) for band in bands]
    return parts[0].addBands(ee.Image(parts[1:])) if len(parts) > 1 else parts[0]


def _typed(image: ee.Image, dtype: str) -> ee.Image:
    if dtype not in CASTS:
        raise ValueError(f"pixel type {dtype!r}: expected one of {', '.join(CASTS)}")
    cast: ee.Image = getattr(image, CASTS[dtype])()
    return cast
