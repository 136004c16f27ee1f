"""Registration of COG-backed assets: a manifest becomes an image at once, and its pixels stay in the bucket.

https://developers.google.com/earth-engine/Earth_Engine_asset_from_cloud_geotiff
"""

from __future__ import annotations

from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from local_ee.assets.asset import Asset, StoredBand
from local_ee.assets.cog_source import CogSource, check_layout, check_place, opened, pinned
from local_ee.assets.manifest import Manifest, ManifestBand, Tileset
from local_ee.assets.store import AssetStore
from local_ee.assets.times import now
from local_ee.errors import EngineError
from local_ee.raster.projection import crs_of
from local_ee.storage.objects import ObjectStore


@dataclass(frozen=True)
class _Cog:
    """What the one file of a tileset says."""

    uri: str
    grid: GeoBox
    dtypes: tuple[str, ...]
    names: tuple[str, ...]


def register(manifest: Manifest, store: AssetStore, buckets: ObjectStore, *, overwrite: bool) -> Asset:
    """The asset that the manifest describes; EngineError where a file breaks a rule of external images."""
    cogs = {tileset.id: _described(tileset, buckets) for tileset in manifest.tilesets}
    bands = tuple(_band(band, cogs[band.tileset]) for band in manifest.bands or _all(manifest, cogs))
    asset = Asset(manifest.name, "IMAGE", now(), manifest.properties, manifest.start, manifest.end, bands)
    return store.publish(asset, overwrite=overwrite)


def _described(tileset: Tileset, buckets: ObjectStore) -> _Cog:
    if len(tileset.sources) != 1:
        raise EngineError(
            f"Tileset '{tileset.id}' has {len(tileset.sources)} sources: an external image has one source a tileset."
        )
    (source,) = tileset.sources
    uri = pinned(source.uri, buckets)
    check_place(uri, buckets)
    with opened(uri, buckets) as file:
        check_layout(file, uri)
        if file.crs is None and tileset.crs is None:
            raise EngineError(f"The GeoTIFF at `{uri}` has no projection: set the tileset's crs.")
        grid = GeoBox(file.shape, source.transform or file.transform, crs_of(tileset.crs or file.crs.to_string()))
        names = tuple(name or f"b{band_number}" for band_number, name in enumerate(file.descriptions, 1))
        return _Cog(uri, grid, file.dtypes, names)


def _all(manifest: Manifest, cogs: dict[str, _Cog]) -> tuple[ManifestBand, ...]:
    """Every band of the only tileset, with the names that the GeoTIFF gives."""
    ((tileset, cog),) = cogs.items()
    return tuple(
        ManifestBand(name, tileset, index, manifest.policy, manifest.missing) for index, name in enumerate(cog.names)
    )


def _band(band: ManifestBand, cog: _Cog) -> StoredBand:
    if not 0 <= band.index < len(cog.names):
        raise EngineError(
            f"Band '{band.id}' has tilesetBandIndex {band.index}, but {cog.uri} has {len(cog.names)} bands (from 0)."
        )
    grid = cog.grid
    georeference = str(grid.crs), tuple(grid.affine)[:6], grid.shape.yx
    source = CogSource(cog.uri, band.index + 1, band.missing)
    return StoredBand(band.id, "", cog.dtypes[band.index], *georeference, band.policy, source=source)
