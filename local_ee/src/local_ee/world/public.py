"""Google's public rasters under their ids: bands, types, dates and pixel sizes as the catalog says, pixels by rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import mgrs, public_grids
from local_ee.world.listing import Listing
from local_ee.world.passes import SCENE_INDEX, milliseconds
from local_ee.world.public_dates import Moments, date_in, index_form, moment_of, step_end
from local_ee.world.public_facts import COLLECTION, IMAGE, AssetFacts, assets, ids_of
from local_ee.world.public_pixels import values_of
from local_ee.world.public_properties import properties_of, variants
from local_ee.world.public_scenes import Scene, Squares, is_scenes
from local_ee.world.waves import blocks_of

# Properties of what does not show the simulated ground: nothing may be learned from it, nor judged by it.
PLACEHOLDER: Mapping[str, int] = {"simulated": 1, "placeholder": 1}
_METRES = 111_319.49079327358  # of a degree at the equator
_COMPOSITES = "LANDSAT/COMPOSITES/"  # computed by Google when they are read: one degree, no footprint (geedim's tests)
_TIMELESS = {"USGS/3DEP/10m"}  # openet-core tests that it has no system:time_start
_VARIANT = re.compile(r"(.+)_v(\d+)")
_MIDNIGHT = (0, 0, 0, 0)
_TILE = re.compile(r"(?:^|_)T(\d{2}[A-Z]{3})(?:_|$)")  # of Sentinel-2, in an index
_MONTH_TILE = re.compile(
    r"(?P<year>[12]\d{3})(?P<month>\d{2})_(?P<lon>\d{3})(?P<side>[EW])_(?P<lat>\d{3})(?P<half>[NS])"
)


class PublicImages:
    """Collections and single images of the catalog; grids are in degrees but for MODIS (public_grids.py)."""

    @property
    def ids(self) -> Mapping[str, None]:
        """The collections."""
        return ids_of(COLLECTION)

    @property
    def singles(self) -> Mapping[str, None]:
        """The single images."""
        return ids_of(IMAGE)

    def images(
        self, collection_id: str, first: datetime, last: datetime, bounds_wsen: BoundsWSEN
    ) -> Sequence[SourceImage]:
        """The images that begin from first to before last and touch the box: counted and made when asked for."""
        asset = assets()[collection_id]
        if not box(*asset.bounds).intersects(box(*bounds_wsen)):
            return []
        if is_scenes(asset):
            return _scenes(asset, first, last, bounds_wsen)
        if _only_named(asset):
            named = (_of_script(asset, index) for index in asset.indices)
            return [image for image in named if image is not None and _within(image, first, last)]
        moments, form = Moments(asset, first, last), index_form(asset)
        most = max(len(variants(asset)), 1)
        return Listing(
            lambda: len(moments) * most,
            lambda: (
                _image(asset, moment, f"{asset.id}/{moment.strftime(form)}{_mark(index)}", variant=index)
                for moment in moments
                for index in range(most)
            ),
        )

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """The image of an index, or None."""
        asset = assets()[collection_id]
        if is_scenes(asset):
            scene = Squares(asset).of_index(index)
            return _scene(asset, scene) if scene else _of_script(asset, index)
        day, number = _unmarked(index, len(variants(asset)))
        moment = None if _only_named(asset) else moment_of(asset, day)
        if moment is None:
            return _of_script(asset, index)
        return _image(asset, moment, f"{collection_id}/{index}", variant=number)

    def named(self, collection_id: str, index: str) -> SourceImage | None:
        """An image that Google's scripts name, or None."""
        return _of_script(assets()[collection_id], index) if collection_id in self.ids else None

    def single(self, image_id: str) -> SourceImage:
        """A single image."""
        asset = assets()[image_id]
        return _image(asset, asset.start, image_id)


def _mark(variant: int) -> str:
    """What the index of an image says of the variant that it is, after its moment."""
    return f"_v{variant}" if variant else ""


def _unmarked(index: str, most: int) -> tuple[str, int]:
    """An index without its mark, and the variant; the index itself where it has none."""
    parts = _VARIANT.fullmatch(index)
    return (parts[1], int(parts[2])) if parts and 0 < int(parts[2]) < most else (index, 0)


def _only_named(asset: AssetFacts) -> bool:
    """Whether a collection without steps has images whose ids are no dates, such as SoilGrids' wv0010."""
    return not asset.unit and bool(asset.indices) and all(moment_of(asset, index) is None for index in asset.indices)


def _within(image: SourceImage | None, first: datetime, last: datetime) -> bool:
    return image is not None and milliseconds(first) <= image.properties["system:time_start"] < milliseconds(last)


def _of_script(asset: AssetFacts, index: str) -> SourceImage | None:
    """An image that Google's scripts name, on the day in its name; of scenes, on their tile or where the page looks."""
    if index not in asset.indices and not _is_datatake(asset, index):
        return _of_month(asset, index)
    day = date_in(index)
    moment = asset.start if day is None else min(max(day, asset.start), asset.end)
    if is_scenes(asset):
        west, south, east, north = asset.bounds
        scene = Squares(asset).around(*(asset.focus or ((west + east) / 2, (south + north) / 2)), moment)
        tile = mgrs.named(parts[1]) if (parts := _TILE.search(index)) else None
        return _image(asset, moment, f"{asset.id}/{index}", tile.footprint.bounds if tile else scene.bounds)
    return _image(asset, moment, f"{asset.id}/{index}")


def _of_month(asset: AssetFacts, index: str) -> SourceImage | None:
    """A month of GEDI's rasters on a tile, such as 202112_018E_036S (assumption: the degrees lie on the tile)."""
    parts = _MONTH_TILE.fullmatch(index)
    if not asset.id.startswith("LARSE/GEDI/") or parts is None or not 1 <= int(parts["month"]) <= 12:
        return None
    moment = datetime(int(parts["year"]), int(parts["month"]), 1, tzinfo=UTC)
    lon = int(parts["lon"]) * (1 if parts["side"] == "E" else -1)
    lat = int(parts["lat"]) * (1 if parts["half"] == "N" else -1)
    if not asset.start <= moment <= asset.end or abs(lon) > 180 or abs(lat) > 90:
        return None
    return _image(asset, moment, f"{asset.id}/{index}", Squares(asset).around(lon, lat, moment).bounds)


def _is_datatake(asset: AssetFacts, index: str) -> bool:
    """Whether an index is a scene of Sentinel-2 as people's programs name them: a time of the asset and a tile."""
    parts, day = SCENE_INDEX.fullmatch(index), date_in(index)
    if not asset.id.startswith("COPERNICUS/S2") or parts is None or day is None:
        return False
    return asset.start <= day <= asset.end and mgrs.named(parts["tile"]) is not None


def _scenes(asset: AssetFacts, first: datetime, last: datetime, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
    squares = Squares(asset)
    whole_days = all((each.hour, each.minute, each.second, each.microsecond) == _MIDNIGHT for each in (first, last))

    def each() -> Iterator[SourceImage]:
        for scene in squares.scenes(first, last, bounds_wsen):
            if first <= scene.moment < last:
                yield _scene(asset, scene)

    return Listing(lambda: squares.count(first, last, bounds_wsen) if whole_days else sum(1 for _ in each()), each)


def _scene(asset: AssetFacts, scene: Scene) -> SourceImage:
    return _image(asset, scene.moment, f"{asset.id}/{scene.index}", scene.bounds)


def grid_of(asset: AssetFacts, bounds: BoundsWSEN | None = None, pixel_m: float | None = None) -> GeoBox:
    """All of an asset's bounds, or some, in pixels of its size in degrees."""
    own = public_grids.grid_of(asset, pixel_m or asset.pixel_m) if bounds is None else None
    if own is not None:
        return own
    step = (pixel_m or asset.pixel_m) / _METRES
    west, south, east, north = bounds or asset.bounds
    shape = (max(round((north - south) / step), 1), max(round((east - west) / step), 1))
    return GeoBox(shape, Affine(step, 0, west, 0, -step, north), "EPSG:4326")


def _box(window: GeoBox, west: float, south: float, east: float, north: float) -> np.ndarray:
    """Which pixels of a window in degrees have their centres in a box."""
    return _inside(window, west, east)[None, :] & _inside(window, south, north, axis=0)[:, None]


def _inside(window: GeoBox, least: float, most: float, axis: int = 1) -> np.ndarray:
    """Which columns (axis 1) or rows (axis 0) of a window in degrees have their centres between two sides."""
    centres = np.arange(window.shape[axis]) + 0.5
    degrees = window.affine.c + centres * window.affine.a if axis else window.affine.f + centres * window.affine.e
    return np.asarray((degrees > least) & (degrees < most))


def _image(
    asset: AssetFacts,
    moment: datetime,
    image_id: str,
    bounds: BoundsWSEN | None = None,
    *,
    variant: int | None = None,
) -> SourceImage:
    bands = {band.name: band for band in asset.bands}
    sinusoidal = bounds is None and public_grids.is_sinusoidal(asset)
    west, south, east, north = bounds or asset.bounds

    def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        inside = public_grids.on_globe(window) if sinusoidal else _box(window, west, south, east, north)
        blocks = blocks_of(window)
        values = np.stack([values_of(asset.id, bands[name], moment, blocks) for name in names])
        return values, np.broadcast_to(inside, values.shape)

    end = asset.end if asset.is_image else step_end(asset, moment) if bounds is None else moment + timedelta(seconds=1)
    index = image_id.rpartition("/")[2]
    properties = {
        "system:index": index,
        "system:time_start": milliseconds(moment),
        "system:time_end": milliseconds(end),
        **properties_of(asset, index, moment, variant),
        **PLACEHOLDER,
    }
    if asset.id in _TIMELESS:
        properties = {name: value for name, value in properties.items() if not name.startswith("system:time_")}
    grids = {size: grid_of(asset, bounds, size) for size in {band.pixel_m for band in asset.bands}}
    sources = tuple(SourceBand(band.name, band.dtype, grids[band.pixel_m], band.pyramid) for band in asset.bands)
    composite = asset.id.startswith(_COMPOSITES)
    outline = box(west, south, east, north)
    return SourceImage(image_id, sources, properties, outline, read, analytic=True, smooth=True, composite=composite)
