"""Google's public rasters under their ids: bands, types, dates and pixel sizes as the catalog says, pixels by rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world.passes import milliseconds
from local_ee.world.public_facts import AssetFacts, assets, begins, index_form, step_end
from local_ee.world.public_pixels import degrees, values_of

_METRES = 111_319.49079327358  # of a degree at the equator
_MOST_IMAGES = 30_000  # of one listing


class PublicImages:
    """Collections with a regular interval, and single images; their grids are in degrees here (MODIS's too)."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The collections."""
        return tuple(name for name, asset in assets().items() if not (asset.is_image or asset.revisits))

    @property
    def singles(self) -> tuple[str, ...]:
        """The single images."""
        return tuple(name for name, asset in assets().items() if asset.is_image)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """The images that begin on days from first to last; ValueError where there are too many to list."""
        asset = assets()[collection_id]
        west, south, east, north = asset.bounds
        if not box(west, south, east, north).intersects(box(*bounds_wsen)):
            return []
        moments = begins(asset, _at_midnight(first), _at_midnight(last) + timedelta(days=1))
        if len(moments) > _MOST_IMAGES:
            raise ValueError(f"collection {collection_id!r} has {len(moments)} images in that time: filter it by date")
        return [_image(asset, moment, f"{asset.id}/{moment.strftime(index_form(asset))}") for moment in moments]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """The image of an index, or None."""
        asset = assets()[collection_id]
        try:
            moment = datetime.strptime(index, index_form(asset)).replace(tzinfo=UTC)
        except ValueError:
            return None
        on_step = begins(asset, moment, moment + timedelta(seconds=1))
        return _image(asset, moment, f"{collection_id}/{index}") if on_step else None

    def single(self, image_id: str) -> SourceImage:
        """A single image."""
        asset = assets()[image_id]
        return _image(asset, asset.start, image_id)


def _at_midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def grid_of(asset: AssetFacts) -> GeoBox:
    """All of an asset's bounds in pixels of its size in degrees."""
    step = asset.pixel_m / _METRES
    west, south, east, north = asset.bounds
    shape = (max(round((north - south) / step), 1), max(round((east - west) / step), 1))
    return GeoBox(shape, Affine(step, 0, west, 0, -step, north), "EPSG:4326")


def _image(asset: AssetFacts, moment: datetime, image_id: str) -> SourceImage:
    grid = grid_of(asset)
    bands = {band.name: band for band in asset.bands}

    def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        lon, lat = degrees(window)
        west, south, east, north = asset.bounds
        inside = (lon > west) & (lon < east) & (lat > south) & (lat < north)
        values = np.stack([values_of(asset.id, bands[name], moment, lon, lat) for name in names])
        return values, np.broadcast_to(inside, values.shape)

    end = asset.end if asset.is_image else step_end(asset, moment)
    properties = {
        "system:index": image_id.rpartition("/")[2],
        "system:time_start": milliseconds(moment),
        "system:time_end": milliseconds(end),
        "simulated": 1,
    }
    sources = tuple(SourceBand(band.name, band.dtype, grid) for band in asset.bands)
    return SourceImage(image_id, sources, properties, box(*asset.bounds), read)
