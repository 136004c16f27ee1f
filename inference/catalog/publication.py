"""The tiles of a run as Earth Engine images: one image a map and zone, alone or in an image collection by time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from isamap.gee_export.base.storage import BucketStorage, bucket_of, is_remote
from isamap.inference.catalog.run_bucket import ZoneObjects, zones_in
from isamap.inference.catalog.run_folder import ZoneTiles, zones_of
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.map_files.map_file import MapFile
from isamap.inference.mapping.request import Pixels
from isamap.inference.publishing import manifest
from isamap.inference.publishing.asset import Build, PublishReport, Target, clear_errors, report
from isamap.inference.publishing.upload import content_sha256
from isamap.inference.tiles.store import open_store


@dataclass(frozen=True)
class CollectionReport:
    """The image collection and its images; printed with the lines that show the first."""

    asset: str
    images: tuple[PublishReport, ...]

    def __str__(self) -> str:
        rows = [f"image collection {self.asset}: {len(self.images)} images"]
        states = (
            ("already there" if each.already_there else f"of {len(each.uris)} files", each) for each in self.images
        )
        return "\n".join([*rows, *(f"{each.asset}: {state}" for state, each in states)])


@dataclass(frozen=True)
class _Image:
    """A map in one zone: its tiles, and how an asset is made of what `build` makes of their files' addresses."""

    name: str
    tiles: tuple[MapFile, ...]
    ingest: Callable[[Target, Build], tuple[str, ...] | None]

    def publish(self, target: Target) -> PublishReport:
        """The image as the target's asset."""
        uris = self.ingest(target, partial(manifest.of_tiles, self.tiles, target.asset))
        return report(self.tiles[0], target.asset, uris or (), already_there=uris is None)


def publish_run(
    folder: str | os.PathLike[str], target: Target, *, collection: bool = False, progress: bool = True
) -> PublishReport | CollectionReport:
    """The maps of a run as assets: the tiles of a zone are the sources of one image, as they are.

    folder: of the run, whose tiles are uploaded; or gs://BUCKET/PREFIX, from where they are ingested in place.
    collection: `target` becomes an image collection with an image a map and zone, whose time is its period; without it
    the run must hold one map in one zone. ValueError: the user's mistakes, such as a run that is not finished. Fault:
    the server's.
    """
    address = checked_argument("folder", folder, str)
    if is_remote(address):
        target = _beside(address, target)
        images = _in_bucket(address, target, progress=progress)
    else:
        images = _in_folder(Path(address), progress=progress)
    if not collection:
        if len(images) > 1:
            raise ValueError(
                f"{folder} holds {len(images)} maps ({', '.join(image.name for image in images)}), and an image has "
                "one grid and one time: add --collection to publish them as images of one collection"
            )
        return images[0].publish(target)
    target.make_collection()
    reports = (image.publish(replace(target, asset=f"{target.asset}/{image.name}")) for image in images)
    return CollectionReport(target.asset, tuple(reports))


def _in_folder(folder: Path, *, progress: bool) -> list[_Image]:
    """The images of a run's folder, which are uploaded."""

    def image(zone: ZoneTiles) -> _Image:
        files = [file for tile in zone.tiles for file in tile.files]
        return _Image(zone.name, zone.tiles, lambda target, build: target.fill(files, build, progress=progress))

    return [image(zone) for zone in zones_of(folder)]


def _in_bucket(address: str, target: Target, *, progress: bool) -> list[_Image]:
    """The images of a run in a bucket, whose objects are ingested from where they are."""

    def image(zone: ZoneObjects) -> _Image:
        uris = tuple(uri for tile in zone.tiles for uri in tile.uris)
        sha256 = content_sha256([each for tile in zone.tiles for each in tile.sha256])
        tiles = tuple(tile.map for tile in zone.tiles)
        return _Image(
            zone.name, tiles, lambda target, build: target.ingest(sha256, lambda _: uris, build, progress=progress)
        )

    with clear_errors():
        storage = open_store(address, Pixels(project=target.project)).storage
    assert isinstance(storage, BucketStorage)
    return [image(zone) for zone in zones_in(storage)]


def _beside(address: str, target: Target) -> Target:
    """The target with the bucket of the run, from which Google ingests; ValueError where another one is named."""
    bucket = bucket_of(address)
    if target.bucket not in (None, bucket):
        raise ValueError(f"--bucket {target.bucket}: the tiles of {address} are ingested from there, leave it out")
    return replace(target, bucket=bucket if target.project else None)
