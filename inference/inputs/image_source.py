"""An image of the server as a source, in the place of a composite: fetched block by block by the same code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import STEP_M, Period, Region
from isamap.gee_export.datasets.packing import EMBEDDING
from isamap.gee_export.earth_engine import session
from isamap.gee_export.images.image_asset import ImageAsset, open_asset
from isamap.gee_export.images.imagery import Imagery
from isamap.gee_export.requests.client import Client
from isamap.gee_export.sentinel.composite import Composite
from isamap.inference.inputs.composite import LICENCE_EMBEDDINGS, LICENCE_SIMULATED, CompositeSource
from isamap.inference.inputs.ground import ground_of, grown
from isamap.inference.inputs.source import period_tags

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint

STEP_TOLERANCE = 0.05
SAFE_UNITS = ("dn", EMBEDDING)  # whose numbers mean one thing only
EMBEDDINGS = "GOOGLE/SATELLITE_EMBEDDING/"


@dataclass(frozen=True)
class MapImage:
    """The image that a map is made of: an asset's id, and the unit of its numbers as exports take it."""

    source: str
    unit: str | None = None

    def imagery(self, trained: Checkpoint) -> Imagery:
        """The image with the checkpoint's bands; ValueError where it cannot be mapped by this checkpoint."""
        units = {band.unit for band in trained.bands}
        unit = self.unit or (units.pop() if len(units) == 1 else None)
        if unit is None or (self.unit is None and unit not in SAFE_UNITS):
            raise ValueError(
                f"--image {self.source}: the checkpoint's bands are in {unit or ' and '.join(sorted(units))}, and "
                "nothing says how the image's numbers mean that: give --unit as `isamap export` had it, such as "
                "reflectance=0.0001"
            )
        imagery = Imagery(self.source, trained.band_names, None if unit == "dn" else unit)
        if imagery.is_file:
            raise ValueError(f"--image {self.source} is a file: map it with --input {self.source}")
        return imagery


def open_image(
    region: Region,
    period: Period,
    trained: Checkpoint,
    image: MapImage,
    *,
    project: str | None,
    catalog: str,
    block_px: int = 1,
) -> CompositeSource:
    """The image's bands that the checkpoint was trained on, on the region's pixels of 10 m.

    Of a collection: its images of the period's year, or of the nearest year that it has. Its own pixels where they are
    those, else bilinear, or the server's pyramid where it is finer. ValueError: no such asset, a band is missing,
    another unit or step than the checkpoint's, a checkpoint of several dates.
    """
    imagery = image.imagery(trained)
    _check_checkpoint(imagery, trained)
    connected = session.connect(project, catalog=catalog)
    ground = ground_of(region, trained, block_px)
    seen = grown(region, ground.seen)
    asset = open_asset(imagery, seen, period, small=False)
    bands = tuple(asset.packing.band(name) for name in trained.band_names)
    for band, norm in zip(bands, trained.bands, strict=True):
        if band.unit != norm.unit:
            raise ValueError(
                f"--unit {image.unit}: band {band.name} of the checkpoint is in {norm.unit}: give a unit of that name"
            )
    laid = asset.onto(grid_of(seen))
    made = _composite(asset, laid.image, imagery)
    tags = _tags(asset, region, period, connected) | {"resampling": laid.resampling}
    identity = _identity(asset, region, connected)
    return CompositeSource(made, region, bands, identity, tags, Client.of(connected), ground)


def _check_checkpoint(imagery: Imagery, trained: Checkpoint) -> None:
    if trained.frames:
        raise ValueError(
            f"the checkpoint looks at {trained.frames} dates, --image is one image: take a checkpoint of one (frames=0)"
        )
    step_m = float(trained.dataset.get("step_m") or STEP_M)
    if abs(step_m / STEP_M - 1) > STEP_TOLERANCE:
        raise ValueError(
            f"--image {imagery.source} would be laid on {STEP_M} m, and the checkpoint was trained at {step_m:g} m: "
            "export the image as a GeoTIFF and map it with --input"
        )


def _composite(asset: ImageAsset, packed, imagery: Imagery) -> Composite:
    """The image as composites are described; nothing is counted."""
    scenes = {imagery.source: tuple(piece.id.rpartition("/")[2] for piece in asset.pieces)}
    return Composite(packed, packed, packed, asset.bands, scenes, dict(asset.info), None, None, asset.simulated)


def _identity(asset: ImageAsset, region: Region, connected: session.Session) -> str:
    """Equal for equal pixels: which images, when they were changed, how they are stored, the outline."""
    import ee

    # An asset may be overwritten under its name: its time of change belongs to what the map is made of.
    changed = [ee.data.getAsset(piece.id).get("updateTime", "") for piece in asset.pieces]
    outline = None if region.outline is None else region.outline.wkb_hex
    facts = [
        *session.source_of(connected.server, connected.catalog).values(),
        dict(asset.info),
        changed,
        list(asset.bands),
        [asset.packing.scale, asset.packing.offset, asset.packing.unit],
        outline,
    ]
    return json.dumps(facts, sort_keys=True)


def _tags(asset: ImageAsset, region: Region, period: Period, connected: session.Session) -> dict[str, str]:
    name = str(asset.info["name"])
    simulated = asset.simulated or connected.simulated
    licence = {"licence": LICENCE_SIMULATED} if simulated else {}
    if not simulated and name.startswith(EMBEDDINGS):
        licence = {"licence": LICENCE_EMBEDDINGS}
    return {
        "region": region.name,
        **period_tags(period),
        "image": name,
        "scenes": f"{name}: {' '.join(piece.id.rpartition('/')[2] for piece in asset.pieces)}",
        "source": connected.server,
        "simulated": "true" if simulated else "false",
        **licence,
    }
