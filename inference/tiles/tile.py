"""A tile as a job: everything that decides its pixels, and the name that follows from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import Region
from isamap.gee_export.earth_engine.session import source_of
from isamap.gee_export.export.place_options import OnePeriod, OnePlace
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping import job
from isamap.inference.mapping.cleaning import VERSION as CLEANING
from isamap.inference.mapping.map import POST_VERSION, REGION_VERSION
from isamap.inference.mapping.request import Computing, MapOptions, MapRequest, Pixels
from isamap.inference.postprocessing.mask import Mask
from isamap.inference.postprocessing.postprocess import UNPROCESSED
from isamap.inference.tiles.tiling import TileWindow
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.runtimes.quantized import tags_of

CRS_ORIGIN = (0.0, 0.0)
_DEGREES = 9  # decimals, a tenth of a millimetre: equal bytes whatever the last bit of a projection is
NAME_DIGITS = 12  # of the id


class AnyTile(Protocol):
    """A tile as it was made, or as a later step of the run left it; all four as of `Tile`."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def window(self) -> TileWindow: ...
    @property
    def facts(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Tile:
    """The map of one square and period by one checkpoint; every machine makes the same bytes of it.

    checkpoint: where it lies; fingerprint: of what lay there when the run began (`network_of`). computing: as of
    `isamap map`; its number of workers decides no pixel.
    """

    window: TileWindow
    period: Period
    checkpoint: str
    fingerprint: str
    pixels: Pixels
    computing: Computing
    _id: str = field(default="", init=False, repr=False, compare=False)

    @property
    def id(self) -> str:
        """32 hexadecimal digits that are equal for equal pixels."""
        if not self._id:  # kept in a slot: a hundred thousand tiles without a dictionary each take 37 MB less
            object.__setattr__(self, "_id", job.fingerprint(self.facts))
        return self._id

    @property
    def name(self) -> str:
        """Of its files: the place and the first digits of `id`."""
        return self.named(self.id)

    def named(self, id: str) -> str:
        """The name of a tile of this place with another id, such as that after a sieve."""
        return f"{self.window.name}_{id[:NAME_DIGITS]}"

    @property
    def facts(self) -> dict[str, Any]:
        """All that decides the pixels, as JSON holds it."""
        window, post = self.window, self.computing.post
        ground = None if window.ground_m is None else hashlib.sha256(window.ground_m.wkb).hexdigest()
        processed = {} if post == UNPROCESSED else {"post": post, "post_version": POST_VERSION}
        server = ("earth-engine", "earth-engine") if self.pixels.project else ("local-engine", self.pixels.catalog)
        source = source_of(*server)
        del source["server"]  # the catalog says it
        return {
            "version": REGION_VERSION,
            "window": [window.epsg, window.row, window.col, window.step_px, float(window.pixel_m)],
            "ground": ground,
            "period": [self.period.start.isoformat(), self.period.end.isoformat()],
            "checkpoint": self.fingerprint,
            **source,
            **({} if self.pixels.composite_asset is None else {"composite_asset": self.pixels.composite_asset}),
            **self.computing.forward,
            **processed,
        }

    @property
    def region(self) -> Region:
        """The square as a region, with the wanted ground as its outline."""
        outline = None if self.window.ground_m is None else _in_degrees(self.window.ground_m, self.window.epsg)
        return Region(self.window.name, self.window.epsg, self.window.bounds_m, CRS_ORIGIN, outline)

    def request(self, out: Path, threads: int = 0) -> MapRequest:
        """What `isamap map` is asked to make of it; threads: windows at once, 0 for one a core."""
        last = self.period.end - timedelta(days=1)
        when = OnePeriod(period=(self.period.start.isoformat(), last.isoformat()))
        computing = replace(self.computing, workers=threads)
        options = MapOptions(OnePlace(region=self.region), when, self.pixels, computing)
        return MapRequest(self.checkpoint, str(out), options, overwrite=True)


def network_of(trained: Checkpoint, computing: Computing) -> str:
    """Equal where a checkpoint, its 8-bit graph if that is run, and the masks over its classes are."""
    legend = Legend.of(trained.classes, trained.thresholds)
    masks = [[mask.digest, mask.meaning] for mask in (Mask.of(text, legend) for text in computing.mask)]
    further = tags_of(trained, computing.precision) | ({"masks": masks, "cleaning": CLEANING} if masks else {})
    return job.fingerprint({"checkpoint": trained.fingerprint} | further) if further else trained.fingerprint


def _in_degrees(ground_m: BaseGeometry, epsg: int) -> BaseGeometry:
    to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
    return shapely.transform(ground_m, lambda points: np.column_stack(to_degrees.transform(*points.T)).round(_DEGREES))
