"""The simulated world as a catalog: any place and date, on demand, the same pixels however they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_ee.catalog import AssetInfo, BoundsWSEN, SourceImage
from local_ee.catalog.kept import KeptPixels
from local_ee.catalog.table import SourceFeature
from local_ee.world import annual, landsat, mgrs, passes, sentinel1, sentinel2, terrain, tracks, truths
from local_ee.world.annual import EsriYearly
from local_ee.world.backscatter import Backscatter
from local_ee.world.declared import declared_lines
from local_ee.world.dynamic import DynamicWorld
from local_ee.world.embeddings import Embeddings
from local_ee.world.endless import archive, endless
from local_ee.world.fine import Canvases
from local_ee.world.fractions import CellCache
from local_ee.world.ground import GroundReflectance
from local_ee.world.labels import Products
from local_ee.world.landsat import Landsat
from local_ee.world.maps import WorldCover
from local_ee.world.optical import Camera
from local_ee.world.public import PLACEHOLDER, PublicImages
from local_ee.world.public_tables import PublicTables
from local_ee.world.retired import NOTE, note_of, successor
from local_ee.world.sentinel1 import Sentinel1
from local_ee.world.sentinel2 import Sentinel2
from local_ee.world.settlements import Settlements
from local_ee.world.subpixel import SubpixelCamera, SubpixelGround
from local_ee.world.terrain import Glo30
from local_ee.world.tiled import TiledMaps
from local_ee.world.truths import Truths

if TYPE_CHECKING:
    from local_ee.world.survey import Survey

_KEPT_BYTES = 192 << 20  # of bands on the grids of requests: three 512-px blocks of a month of Sentinel-2
_EPOCH, _END = date(1970, 1, 1), date(2100, 1, 1)
_OLDEST, _NEWEST = datetime(1800, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_SINCE = {sentinel1.FLOAT: tracks.SINCE, sentinel1.DECIBEL: tracks.SINCE}
_SINCE |= {name: passes.S2_L2A_SINCE for name, product in sentinel2.PRODUCTS.items() if product.level == "L2A"}
_EVERYWHERE = (-180.0, -80.0, 180.0, 84.0)
_GLOBE = (-180.0, -90.0, 180.0, 90.0)


class World:
    """Simulated collections and images under Earth Engine's ids. Every image carries simulated = 1.

    One world may be read from many threads; it keeps what it drew, within fixed limits.
    """

    def __init__(self, *, subpixel: bool = False, survey: Survey | None = None) -> None:
        """subpixel: each overpass of Sentinel-2 samples the 1-m ground at its own phase (slower; see subpixel.py).

        survey: real ground that lies over what is drawn.
        """
        cells, canvases = CellCache(survey=survey), Canvases(survey=survey)
        products = Products(cells)
        camera = Camera(cells, GroundReflectance(cells))
        if subpixel:
            camera = SubpixelCamera(camera, SubpixelGround(canvases))
        sources = (
            Sentinel2(camera),
            Sentinel1(Backscatter(cells)),
            DynamicWorld(products),
            WorldCover(products),
            EsriYearly(products),
            Embeddings(cells),
            TiledMaps(products),
            Settlements(cells),
            Glo30(),
            Truths(cells, canvases),
        )
        self._collections = {key: source for source in sources for key in source.ids}
        self._kept = KeptPixels(_KEPT_BYTES)
        declared_lines()  # a mistake in them is told at the start
        self._public = PublicImages()
        self._tables = PublicTables()
        self._landsat = Landsat()
        self._singles: dict[str, Callable[[], SourceImage]] = {
            terrain.SRTM: terrain.srtm,
            annual.GAIA: lambda: annual.gaia(products),
            annual.GISD30: lambda: annual.gisd30(products),
            annual.WSF2015: lambda: annual.wsf2015(products),
        }

    @property
    def ids(self) -> tuple[str, ...]:
        """Every collection and single image that shows the simulated ground, sorted."""
        return tuple(sorted([*self._collections, *self._singles]))

    @property
    def public_ids(self) -> tuple[str, ...]:
        """Every other collection and image of Google's, whose pixels follow from the ranges of their bands only."""
        own = {*self._collections, *self._singles}
        return tuple(sorted({*self._public.ids, *self._public.singles} - own))

    @property
    def known_ids(self) -> tuple[str, ...]:
        """Every id of a collection, a single image or a table."""
        return (*self.ids, *self.public_ids, *self._tables.ids, *self._tables.folders)

    def _public_of(self, collection_id: str) -> PublicImages | Landsat | None:
        """What serves a collection that does not show the simulated ground."""
        if collection_id in self._collections:
            return None
        return next((source for source in (self._landsat, self._public) if collection_id in source.ids), None)

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, a retired one with a note; None where the world does not hold it."""
        info = self._describe(asset_id)
        today = successor(asset_id) if info is None else None
        if today is None or (info := self._describe(today)) is None:
            return info
        return AssetInfo(asset_id, info.type, {**info.properties, NOTE: note_of(asset_id, today)})

    def _describe(self, asset_id: str) -> AssetInfo | None:
        if asset_id in self._collections:
            return AssetInfo(asset_id, "IMAGE_COLLECTION", {"simulated": 1})
        if self._public_of(asset_id) is not None:
            return AssetInfo(asset_id, "IMAGE_COLLECTION", PLACEHOLDER)
        if asset_id in (truths.HOME, truths.HOME.rpartition("/")[0]):
            return AssetInfo(asset_id, "FOLDER", {})
        if asset_id in self._tables.folders:
            return AssetInfo(asset_id, "FOLDER", {})
        if asset_id in self._tables:
            return AssetInfo(asset_id, "TABLE", PLACEHOLDER)
        image = self._image(asset_id)
        return None if image is None else AssetInfo(asset_id, "IMAGE", image.properties)

    def image(self, image_id: str) -> SourceImage | None:
        """One image, that of a retired id with a note; None where there is none."""
        image = self._image(image_id)
        today = successor(image_id) if image is None else None
        if today is None or (image := self._image(today)) is None:
            return image
        return replace(image, properties={**image.properties, NOTE: note_of(image_id, today)})

    def _image(self, image_id: str) -> SourceImage | None:
        if image_id in self._singles:
            return replace(self._singles[image_id](), kept=self._kept)
        if image_id in self._public.singles:
            return self._public.single(image_id)
        collection_id, _, index = image_id.rpartition("/")
        public = self._public_of(collection_id)
        if public is not None:
            return public.image(collection_id, index)
        source = self._collections.get(collection_id)
        if source is None:
            return None
        image = source.image(collection_id, index)
        return self._public.named(collection_id, index) if image is None else replace(image, kept=self._kept)

    def ground_of(self, collection_id: str, properties: Mapping[str, Any]) -> BoundsWSEN | None:
        """The box of all scenes with some properties: Landsat's path and row, Sentinel-2's tile. None: anywhere."""
        path, row, name = (properties.get(key) for key in ("WRS_PATH", "WRS_ROW", "MGRS_TILE"))
        if path is not None and row is not None and collection_id in self._landsat.ids:
            return landsat.bounds_of(path, row)
        tile = mgrs.named(name) if isinstance(name, str) and collection_id in Sentinel2.ids else None
        return None if tile is None else tile.footprint.bounds

    def table(self, asset_id: str) -> Sequence[SourceFeature] | None:
        """The features of a table, or None."""
        return self._tables.table(asset_id)

    def named_feature(self, asset_id: str, wanted: Mapping[str, Any]) -> SourceFeature | None:
        """The feature of a table that has wanted values, invented where the table lists none; None where it cannot."""
        return self._tables.named(asset_id, wanted)

    def contents(self, asset_id: str) -> Sequence[AssetInfo]:
        """The tables of a collection of tables that Google's scripts name; nothing of another id."""
        return [AssetInfo(name, "TABLE", PLACEHOLDER) for name in self._tables.members(asset_id)]

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """A collection's images that begin in [start_ms, end_ms) and touch the bounds, in order of time then index.

        Of scenes without end (Sentinel-1 and -2 and what follows them, tiles, the yearly images by zone) without
        bounds the first can be looked at, ValueError where all are counted; with bounds alone they are the archive.
        """
        if self._describe(collection_id) is None:
            collection_id = successor(collection_id) or collection_id
        public = self._public_of(collection_id)
        if public is not None:
            return public.images(
                collection_id, _moment(start_ms, _OLDEST), _moment(end_ms, _NEWEST), bounds_wsen or _GLOBE
            )
        source = self._collections.get(collection_id)
        if source is None:
            raise ValueError(
                f"collection {collection_id!r} is not in the simulated world; it holds {', '.join(self.ids)}"
            )
        timeless = isinstance(source, WorldCover | Settlements | TiledMaps | Glo30 | Truths | EsriYearly | Embeddings)
        first, last = _days(start_ms, end_ms)
        boundless = bounds_wsen is None and not isinstance(source, WorldCover | Settlements)
        if boundless or (not timeless and (start_ms is None or end_ms is None)):

            def find(day: date, until: date, box: BoundsWSEN) -> Sequence[SourceImage]:
                images = source.images(collection_id, day, until, box)
                return [replace(image, kept=self._kept) for image in images if _begins(image, start_ms, end_ms)]

            since = max(first, _SINCE.get(collection_id, passes.S2_L1C_SINCE))
            if bounds_wsen is not None:
                return archive(collection_id, find, since, last, bounds_wsen)
            return endless(collection_id, find, None if timeless else (since, last))
        candidates = source.images(collection_id, first, last, bounds_wsen or _EVERYWHERE)
        return [replace(image, kept=self._kept) for image in candidates if _begins(image, start_ms, end_ms)]


def _moment(time_ms: int | None, otherwise: datetime) -> datetime:
    return otherwise if time_ms is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)


def _days(start_ms: int | None, end_ms: int | None) -> tuple[date, date]:
    first = _EPOCH if start_ms is None else passes.day_of(start_ms) - timedelta(days=1)
    return first, _END if end_ms is None else min(passes.day_of(end_ms), _END)


def _begins(image: SourceImage, start_ms: int | None, end_ms: int | None) -> bool:
    at = image.properties["system:time_start"]
    return (start_ms is None or at >= start_ms) and (end_ms is None or at < end_ms)
