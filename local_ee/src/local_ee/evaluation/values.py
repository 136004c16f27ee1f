"""Images of the engine: bands, properties, and a way to read any window of pixels; nothing is read until asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Never

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array
from local_ee.lazy import once
from local_ee.raster.array_pixels import boxed
from local_ee.raster.geometry import Geometry
from local_ee.raster.memo import Inputs, Reading, remembered
from local_ee.raster.pixel_type import PixelType, of_number, ranged
from local_ee.raster.pixels import Pixels, valid
from local_ee.raster.projection import WGS84, Projection

__all__ = ["Band", "Image", "Pixels", "constant", "derived", "missing_band"]


Needs = Callable[[tuple[int, ...]], Sequence[Iterable[int]]]


@dataclass(frozen=True)
class Band:
    """A band: its name, pixel type and default projection; dimensions (rows, columns) where the grid has an end."""

    name: str
    type: PixelType
    projection: Projection = WGS84
    dimensions: tuple[int, int] | None = None

    @property
    def grid(self) -> GeoBox | None:
        """The whole grid of the band's pixels, or None where it has no end."""
        return self.projection.geobox(*self.dimensions) if self.dimensions else None

    def renamed(self, name: str) -> Band:
        return replace(self, name=name)

    def typed(self, target_type: PixelType) -> Band:
        return replace(self, type=target_type)

    def on(self, projection: Projection, dimensions: tuple[int, int] | None = None) -> Band:
        return replace(self, projection=projection, dimensions=dimensions)


class RefusedBands(tuple[Band, ...]):
    """The bands of an image that was made of one without any, where some are needed: whoever looks is refused."""

    def __new__(cls, refusal: EngineError) -> RefusedBands:
        return super().__new__(cls)

    def __init__(self, refusal: EngineError) -> None:
        self.refusal = refusal

    def _refuse(self, *_: object) -> Never:
        raise self.refusal

    __iter__ = __len__ = __getitem__ = __bool__ = _refuse


@dataclass(frozen=True, eq=False)
class Image:
    """An image: bands and properties now, pixels on demand. `footprint` is None where it has no end.

    inputs: the images, their bands and their windows, that reading some bands of a window reads.
    """

    bands: tuple[Band, ...]
    reading: Reading = field(repr=False)
    properties: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    footprint_of: Callable[[], Geometry | None] = field(default=lambda: None, repr=False)
    inputs: Inputs = field(default=lambda positions, geobox: (), repr=False)

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    @property
    def footprint(self) -> Geometry | None:
        return self.footprint_of()

    @property
    def projection(self) -> Projection:
        """Of the first band."""
        return self.bands[0].projection if self.bands else WGS84

    @property
    def everything(self) -> tuple[int, ...]:
        """The positions of all bands."""
        return tuple(range(len(self.bands)))

    def read(self, geobox: GeoBox, band_names: Sequence[str] | None = None) -> Pixels:
        """The pixels of a window of any grid, of all bands or the named ones, in that order."""
        return self.read_at(geobox, self.positions(band_names))

    def read_at(self, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        """The pixels of bands by position; shared inputs are read once within one outermost read."""
        return remembered(self, geobox, positions)

    def positions(self, names: Sequence[str] | None) -> tuple[int, ...]:
        """Where the named bands are."""
        if names is None:
            return self.everything
        have = self.band_names
        for name in names:
            if name not in have:
                raise EngineError(missing_band(name, have))
        return tuple(have.index(name) for name in names)

    def with_properties(self, properties: Mapping[str, Any]) -> Image:
        """The same pixels under other properties."""
        return replace(self, properties=properties)


def derived(
    parents: Sequence[Image],
    bands: Sequence[Band],
    reading: Reading,
    *,
    properties: Mapping[str, Any] | None = None,
    image_id: str | None = None,
    footprint_of: Callable[[], Geometry | None] | None = None,
    needs: Needs | None = None,
    around: Callable[[GeoBox], GeoBox | None] = lambda geobox: geobox,
) -> Image:
    """An image computed from others; its footprint is the first parent's unless one is given.

    needs: for bands of the result, the bands of each parent that they need (all of them, if not given). around: the
    parents' window for a window (the same, if not given; None where it is on another grid).
    """

    def inputs(positions: tuple[int, ...], geobox: GeoBox | None) -> list[tuple[Image, Iterable[int], GeoBox | None]]:
        positions_by_parent = [parent.everything for parent in parents] if needs is None else needs(positions)
        window = None if geobox is None else around(geobox)
        return [(parent, bands, window) for parent, bands in zip(parents, positions_by_parent, strict=True)]

    if footprint_of is None:
        footprint_of = parents[0].footprint_of if parents else (lambda: None)
    else:
        footprint_of = once(footprint_of)
    return Image(tuple(bands), reading, dict(properties or {}), image_id, footprint_of, inputs)


def refused(image: Image, refusal: EngineError) -> Image:
    """An image with the properties of another, whose bands and pixels nobody can ask for."""

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        raise refusal

    return Image(RefusedBands(refusal), reading, image.properties, image.id)


def is_bandless(image: Image) -> bool:
    """Whether an image has no bands, or none that can be asked for."""
    return isinstance(image.bands, RefusedBands) or not image.bands


def recomputed(
    image: Image,
    bands: Sequence[Band],
    reading: Reading,
    *,
    footprint_of: Callable[[], Geometry | None] | None = None,
    needs: Needs | None = None,
    around: Callable[[GeoBox], GeoBox | None] = lambda geobox: geobox,
) -> Image:
    """An image with other bands that keeps its properties and its id; the rest as `derived`."""
    return derived(
        [image],
        bands,
        reading,
        properties=image.properties,
        image_id=image.id,
        footprint_of=footprint_of,
        needs=needs,
        around=around,
    )


def alike(positions: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What a result needs whose bands are those of its one parent."""
    return [positions]


def missing_band(pattern: object, have: Sequence[str]) -> str:
    """Earth Engine's sentence for a band that is not there."""
    return f"Band pattern '{pattern}' did not match any bands. Available bands: [{', '.join(have)}]"


def constant(numbers: Sequence[float | np.number | Array], names: Sequence[str] | None = None) -> Image:
    """An image with a number or an array everywhere; bands are named constant, or constant_0, constant_1 ..."""
    if names is None:
        names = ("constant",) if len(numbers) == 1 else tuple(f"constant_{i}" for i in range(len(numbers)))
    bands = tuple(Band(name, _type_of(value)) for name, value in zip(names, numbers, strict=True))

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        shape = tuple(geobox.shape)
        values = tuple(_everywhere(numbers[i], bands[i].type, shape) for i in positions)
        return Pixels(values, (valid(shape),) * len(positions))

    return Image(bands, reading)


def _type_of(value: float | np.number | Array) -> PixelType:
    if not isinstance(value, Array):
        return of_number(value)
    if value.precision == "int" and value.values.size:
        return ranged(int(value.values.min()), int(value.values.max())).of_dimensions(value.values.ndim)
    return PixelType(value.precision, dimensions=value.values.ndim)


def _everywhere(value: float | np.number | Array, pixel_type: PixelType, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(value, Array):
        numbers = value.values.astype(pixel_type.element.dtype)
        return boxed(numbers, shape) if pixel_type.dimensions else np.broadcast_to(numbers, shape)
    return np.broadcast_to(pixel_type.dtype.type(value), shape)
