"""The tiles of a run as Earth Engine images: one image a map and zone, alone or in an image collection by time."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gee_export.base.storage import is_remote
from inference import manifest
from inference.arguments import checked_argument
from inference.asset import PublishReport, Target, report
from inference.catalog.run_folder import ZoneTiles, zones_of


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


def publish_run(
    folder: str | os.PathLike[str], target: Target, *, collection: bool = False, progress: bool = True
) -> PublishReport | CollectionReport:
    """The maps of a run's folder as assets: the tiles of a zone are the sources of one image, uploaded as they are.

    collection: `target` becomes an image collection with an image a map and zone, whose time is its period; without it
    the run must hold one map in one zone. ValueError: the user's mistakes. Fault: the server's.
    """
    address = checked_argument("folder", folder, str)
    if is_remote(address):
        raise ValueError(
            f"{address} is in a bucket: give `isamap run` --asset, which uploads from there, or a copy here"
        )
    zones = zones_of(Path(address))
    if not collection:
        if len(zones) > 1:
            raise ValueError(
                f"{folder} holds {len(zones)} maps ({', '.join(zone.name for zone in zones)}), and an image has one "
                "grid and one time: add --collection to publish them as images of one collection"
            )
        return _publish(zones[0], target, progress=progress)
    target.make_collection()
    images = (replace(target, asset=f"{target.asset}/{zone.name}") for zone in zones)
    reports = (_publish(zone, image, progress=progress) for zone, image in zip(zones, images, strict=True))
    return CollectionReport(target.asset, tuple(reports))


def _publish(zone: ZoneTiles, target: Target, *, progress: bool) -> PublishReport:
    files = [file for tile in zone.tiles for file in tile.files]
    uris = target.fill(files, partial(manifest.of_tiles, zone.tiles, target.asset), progress=progress)
    return report(zone.tiles[0], target.asset, uris or (), already_there=uris is None)
