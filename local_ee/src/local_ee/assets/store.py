"""Assets of users on disk: folders, collections and images that were exported or ingested; a catalog of their own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.assets import description, stored_table
from local_ee.assets.asset import Asset, StoredBand, described, image_properties
from local_ee.assets.files import read_band
from local_ee.assets.times import now
from local_ee.catalog import AssetInfo, BoundsWSEN, SourceBand, SourceImage
from local_ee.catalog.boxes import touches
from local_ee.catalog.table import SourceFeature
from local_ee.durable import make_folder, remove, sync
from local_ee.errors import EngineError
from local_ee.home import (
    DESCRIPTION,
    MARK,
    Home,
    description_path,
    entry_path,
    locked,
)
from local_ee.storage.checksum import is_whole
from local_ee.storage.objects import ObjectStore

ROOT = re.compile(r"projects/[^/]+/assets|users/[^/]+")
# Folders above the roots: the client asks for them one by one where it makes parents (ee.data.create_assets), because
# it takes a project name of less than six characters, such as local, for a folder of legacy assets.
ALWAYS = re.compile(r"projects(/[^/]+(/assets)?)?|users(/[^/]+)?")
OWNED = re.compile(r"(projects/[^/]+/assets|users/[^/]+)/(.+)")
PART = re.compile(r"[A-Za-z0-9_-]+")  # assumption: Earth Engine's rule is not published; periods fail there
PREFIXES = ("projects/earthengine-legacy/assets/", "projects/earthengine-public/assets/")
CONTAINERS = ("FOLDER", "IMAGE_COLLECTION")
REPLACEABLE = ("IMAGE", "TABLE", "CLASSIFIER")
LOCK = "assets"


class AssetStore:
    """The assets of a home; also the catalog through which graphs read them."""

    def __init__(self, home: Home) -> None:
        self._home = home

    # a Catalog

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, or None where it is no asset of a user or is not there."""
        asset = self.find(asset_id)
        return AssetInfo(asset.id, asset.type, image_properties(asset)) if asset else None

    def image(self, image_id: str) -> SourceImage | None:
        """One stored image, or None."""
        asset = self.find(image_id)
        return self._source(asset) if asset and asset.type == "IMAGE" else None

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """The images of a stored collection that begin in [start_ms, end_ms) and touch the bounds."""
        sources = [self._source(asset) for asset in self.children(collection_id) if asset.type == "IMAGE"]
        dated = [image for image in sources if _begins(image, start_ms, end_ms)]
        kept = [image for image in dated if touches(image.footprint, bounds_wsen)]
        return sorted(kept, key=lambda i: (i.properties.get("system:time_start", 0), i.properties["system:index"]))

    def table(self, asset_id: str) -> Sequence[SourceFeature] | None:
        """The features of a stored table, or None."""
        return self._rows(asset_id, "TABLE")

    def classifier(self, asset_id: str) -> Sequence[SourceFeature] | None:
        """The rows of a stored classifier (assets/classifier_exports.py), or None."""
        return self._rows(asset_id, "CLASSIFIER")

    def _rows(self, asset_id: str, asset_type: str) -> Sequence[SourceFeature] | None:
        asset = self.find(asset_id)
        if asset is None or asset.table is None or asset.type != asset_type:
            return None
        try:
            return stored_table.read(self._path(asset, asset.table.file), asset.table, asset.id)
        except EngineError:
            # Not overwritten while it was read: the file is damaged.
            if self.find(asset_id) == asset:
                raise
        return self._rows(asset_id, asset_type)  # it was overwritten meanwhile

    # what the routes ask

    def find(self, asset_id: str) -> Asset | None:
        """The asset, or None; the roots of projects and users are folders that are always there."""
        asset_id = canonical(asset_id)
        if ALWAYS.fullmatch(asset_id):
            return Asset(asset_id, "FOLDER", "1970-01-01T00:00:00Z")
        if not OWNED.fullmatch(asset_id):
            return None
        return described(description_path(self._home.assets, asset_id))

    def get(self, asset_id: str) -> Asset:
        """The asset; EngineError 404 where there is none."""
        asset = self.find(asset_id)
        if asset is None:
            raise missing(asset_id)
        return asset

    def children(self, parent_id: str) -> Iterator[Asset]:
        """The assets directly in a folder or collection, by name."""
        folder = entry_path(self._home.assets, canonical(parent_id))
        if not folder.is_dir():
            return
        assets = [described(Path(entry.path)) for entry in os.scandir(folder) if entry.name.endswith(DESCRIPTION)]
        yield from sorted((asset for asset in assets if asset), key=lambda asset: asset.id)

    def check_target(self, asset_id: str, asset_type: str, *, overwrite: bool) -> str:
        """The id under which an asset of this type may be made; EngineError where it may not."""
        asset_id = canonical(asset_id)
        match = OWNED.fullmatch(asset_id)
        if match is None:
            raise EngineError(
                f"Cannot create asset '{asset_id}': expected projects/PROJECT/assets/NAME (or users/USER/NAME).",
                403,
                "PERMISSION_DENIED",
            )
        for segment in match[2].split("/"):
            if not PART.fullmatch(segment):
                raise EngineError(
                    f"Asset ID '{asset_id}' is invalid: '{segment}' may hold only letters, digits, _ and -."
                )
        self._check_parent(asset_id, asset_type)
        existing = self.find(asset_id)
        if existing and not (overwrite and existing.type == asset_type and asset_type in REPLACEABLE):
            raise EngineError(f"Cannot overwrite asset '{asset_id}'.")
        return asset_id

    def _check_parent(self, asset_id: str, asset_type: str) -> None:
        parent_id = asset_id.rpartition("/")[0]
        parent = self.find(parent_id)
        if parent is None:
            raise EngineError(f"Parent asset '{parent_id}' does not exist: create it first.", 404, "NOT_FOUND")
        if parent.type not in CONTAINERS or (parent.type == "IMAGE_COLLECTION" and asset_type != "IMAGE"):
            raise EngineError(f"Cannot create asset '{asset_id}': '{parent.id}' is of type {parent.type}.")

    def create(self, asset_id: str, asset_type: str, properties: Mapping[str, Any]) -> Asset:
        """A new, empty folder or collection."""
        if asset_type not in CONTAINERS:
            raise EngineError(
                f"Cannot create an asset of type '{asset_type}' directly: expected {' or '.join(CONTAINERS)}."
            )
        with locked(self._home, LOCK):
            asset_id = self.check_target(asset_id, asset_type, overwrite=False)
            return self._write(Asset(asset_id, asset_type, now(), flat(properties)))

    def new_files(self, asset_id: str, count: int, suffix: str = ".tif") -> list[Path]:
        """Names for the files of an asset that is to be written and then given to `publish`."""
        stem = entry_path(self._home.assets, canonical(asset_id))
        make_folder(stem.parent)
        # Never the names of files that are there: readers of the old description go on with those.
        version = secrets.token_hex(6)
        return [stem.with_name(f"{stem.name}{MARK}{version}-{index}{suffix}") for index in range(count)]

    def publish(self, asset: Asset, *, overwrite: bool) -> Asset:
        """Makes an image or a table whose files are written the asset of its id, in one step."""
        with locked(self._home, LOCK):
            # Again, under the lock: others may have taken the name while the pixels were computed.
            self.check_target(asset.id, asset.type, overwrite=overwrite)
            before = self.find(asset.id)
            size = sum(self._path(asset, file).stat().st_size for file in asset.files)
            make_folder(description_path(self._home.assets, asset.id).parent)  # of an image that has no files here
            sync(description_path(self._home.assets, asset.id).parent)  # the files' names, before what names them
            self._write(replace(asset, size_bytes=size, updated=now()))
        if before:
            self._remove_files(before)
        return self.get(asset.id)

    def update(self, asset_id: str, changes: Mapping[str, Any]) -> Asset:
        """The asset with fields of Asset replaced."""
        with locked(self._home, LOCK):
            return self._write(replace(self.get(asset_id), **changes, updated=now()))

    def delete(self, asset_id: str) -> None:
        """Removes an asset; folders and collections must be empty."""
        with locked(self._home, LOCK):
            asset = self.get(asset_id)
            if ALWAYS.fullmatch(asset.id):
                raise EngineError(f"Cannot delete the root folder '{asset.id}'.")
            if next(self.children(asset.id), None) is not None:
                raise EngineError(f"Cannot delete asset '{asset.id}' because it is not empty.")
            # Before its files: a description without them would be an asset that cannot be read.
            remove(description_path(self._home.assets, asset.id))
        self._remove_files(asset)

    def copy(self, source_id: str, target_id: str, *, overwrite: bool = False) -> Asset:
        """An image or a table under a second name."""
        source = self.get(source_id)
        target_id = self.check_target(target_id, source.type, overwrite=overwrite)
        if source.type not in REPLACEABLE:
            return self.create(target_id, source.type, source.properties)
        files = self.new_files(target_id, len(source.files), stored_table.SUFFIX if source.table else ".tif")
        for name, file in zip(source.files, files, strict=True):
            shutil.copyfile(self._path(source, name), file)
            sync(file)
        pairs = zip(source.bands, files, strict=False)
        bands = source.bands if source.uris else tuple(replace(band, file=file.name) for band, file in pairs)
        table = replace(source.table, file=files[-1].name) if source.table else None
        return self.publish(replace(source, id=target_id, bands=bands, table=table), overwrite=overwrite)

    def move(self, source_id: str, target_id: str) -> Asset:
        """An asset under another name; folders and collections must be empty."""
        if next(self.children(source_id), None) is not None:
            raise EngineError(f"Cannot move asset '{source_id}' because it is not empty.")
        # A move that is cut short leaves the asset twice, never not at all.
        moved = self.copy(source_id, target_id)
        self.delete(source_id)
        return moved

    def _source(self, asset: Asset) -> SourceImage:
        stored = {band.name: band for band in asset.bands}

        def read(names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            pairs = [self._pixels(asset, stored[name], geobox) for name in names]
            return np.stack([values for values, _ in pairs]), np.stack([valid for _, valid in pairs])

        bands = tuple(SourceBand(band.name, band.dtype, band.grid) for band in asset.bands)
        return SourceImage(asset.id, bands, image_properties(asset), asset.footprint, read)

    def _pixels(self, asset: Asset, band: StoredBand, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Values and validity of a window of a band, from its own file or from the bucket."""
        if band.source is None:
            return _read(asset, self._path(asset, band.file), band, geobox)
        return band.source.read(band.grid, geobox, ObjectStore(self._home))

    def _path(self, asset: Asset, file: str) -> Path:
        return entry_path(self._home.assets, asset.id).with_name(file)

    def _write(self, asset: Asset) -> Asset:
        document = asdict(asset)
        if asset.table is None:
            del document["table"]  # as descriptions were before there were tables
        for band in document["bands"]:
            if band["source"] is None:
                del band["source"]  # as they were before there were external images
        description.write(description_path(self._home.assets, asset.id), document)
        return asset

    def _remove_files(self, asset: Asset) -> None:
        for file in asset.files:
            self._path(asset, file).unlink(missing_ok=True)


def canonical(asset_id: str) -> str:
    """The id as graphs use it: without the REST names' prefixes of legacy and public assets, no slash at the end."""
    for prefix in PREFIXES:
        asset_id = asset_id.removeprefix(prefix)
    return asset_id.strip("/")


def flat(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties as an upload may have them: numbers and strings; EngineError for others (guides/image_manifest)."""
    for key, value in properties.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise EngineError(f"Property '{key}' has an unsupported type: expected a number or a string.")
    return dict(properties)


def missing(asset_id: str) -> EngineError:
    """The refusal of an id that is not there."""
    return EngineError(
        f"Asset '{canonical(asset_id)}' not found (does not exist or caller does not have access).", 404, "NOT_FOUND"
    )


def _read(asset: Asset, path: Path, band: StoredBand, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Values and validity of a window of a band; EngineError 500 where its file is not the one that was stored."""
    if band.crc32c is not None and path.exists() and not is_whole(path, band.crc32c):
        raise description.damaged(
            f"Asset '{asset.id}' is damaged: the pixels of its band '{band.name}' are not those that were stored"
        )
    return read_band(path, band.grid, geobox)


def _begins(image: SourceImage, start_ms: int | None, end_ms: int | None) -> bool:
    begin = image.properties.get("system:time_start")
    if start_ms is None and end_ms is None:
        return True
    return begin is not None and (start_ms is None or begin >= start_ms) and (end_ms is None or begin < end_ms)
