"""What an export was asked for: the region's pixels, the patches with their splits, the head of the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from gee_export import labels
from gee_export import outline as outlines
from gee_export import split as splitting
from gee_export.composite import Settings
from gee_export.grid import Window, crop, grid_of, lattice_window
from gee_export.index import patch_id
from gee_export.manifest import DatasetManifest, Grid
from gee_export.pixels import Channel
from gee_export.regions import Period, Region

COUNTS = ("s2_count", "s1_count")  # clear observations per pixel, asked for beside the bands


@dataclass(frozen=True)
class Job:
    """An export as asked. server and catalog say where pixels come from; they go into the manifest."""

    region: Region
    period: Period
    settings: Settings = field(default_factory=Settings)
    label: str = "worldcover"
    size: int = 128
    stride: int = 80
    split: str = "blocks"
    rule: splitting.Rule = field(default_factory=splitting.Rule)
    server: str = "local-engine"
    catalog: str = "world"

    def __post_init__(self) -> None:
        labels.check(self.label)
        splitting.check(self.split)
        if not 8 <= self.size <= 4096:
            raise ValueError(f"--size {self.size}: expected 8 to 4096 pixels")
        if not 1 <= self.stride <= 65536:
            raise ValueError(f"--stride {self.stride}: expected 1 to 65536 pixels")
        if product := labels.LABELS[self.label]:
            product.edition(self.period.start.year)

    @property
    def name(self) -> str:
        return f"{self.region.name}-{self.period}".replace("..", "_")

    @cached_property
    def window(self) -> Window:
        """The exported pixels on the region's lattice."""
        return lattice_window(self.region)

    @cached_property
    def lattice(self) -> GeoBox:
        """A grid whose upper left pixel is (0, 0) of the region's lattice; crop it with lattice windows."""
        return crop(grid_of(self.region), Window(-self.window.row, -self.window.col, 1, 1))

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What every request asks for, in stored numbers (composite.Composite.packed)."""
        bands = tuple(Channel(band.name) for band in self.settings.stored_bands)
        label = (Channel("label", "uint8", 255),) if self.label != "none" else ()
        return bands + label + tuple(Channel(name, "uint8", 0) for name in COUNTS)

    @cached_property
    def outline(self) -> BaseGeometry | None:
        """The region's outline in metres of its zone, or None."""
        return outlines.in_metres(self.region)

    def inside(self, window: Window) -> np.ndarray | None:
        """Which pixels of a lattice window have their centre inside the outline; None where all have."""
        return None if self.outline is None else outlines.inside(self.outline, crop(self.lattice, window))

    def head(self) -> DatasetManifest:
        """The manifest without what only the server knows (scenes, kind of backscatter, whether simulated)."""
        product = labels.LABELS[self.label]
        period = {"label": self.period.label, "start": str(self.period.start), "end": str(self.period.end)}
        return DatasetManifest(
            name=self.name,
            simulated=False,
            source={"server": self.server, "catalog": self.catalog},
            image={
                "product": {"sentinel2": self.settings.optical.sentinel2, "sentinel1": self.settings.radar.sentinel1}
            },
            bands=self.settings.stored_bands,
            label=product.info(self.period.start.year) if product else None,
            periods=(period,),
            settings=self.settings.to_json(),
            backscatter=None,
            grids={self.region.name: Grid.of(grid_of(self.region), self.window.row, self.window.col)},
            size=self.size,
            stride=self.stride,
            split=self.division.info | self._outline_words(),
        )

    @cached_property
    def division(self) -> splitting.Division:
        """The patches and their splits; ValueError where not one patch fits."""
        windows = list(self._positions())
        if not windows:
            raise ValueError(self._no_patch())
        return splitting.SPLITTERS[self.split](windows, self.stride, self.rule)

    def patch_id(self, window: Window) -> str:
        return patch_id(self.region.name, self.period.label, window.row, window.col)

    def _positions(self) -> Iterator[Window]:
        """Whole patches at multiples of the stride on the lattice, so that a part has the patches of the whole."""
        area, size = self.window, self.size
        first_row, first_col = -(-area.row // self.stride), -(-area.col // self.stride)
        for row in range(first_row * self.stride, area.row_end - size + 1, self.stride):
            for col in range(first_col * self.stride, area.col_end - size + 1, self.stride):
                window = Window(row, col, size, size)
                if self.outline is None or self._touches(window):
                    yield window

    def _touches(self, window: Window) -> bool:
        left, bottom, right, top = crop(self.lattice, window).extent.boundingbox
        box = shapely.box(left, bottom, right, top)
        shapely.prepare(self.outline)
        if not self.outline.intersects(box):
            return False
        return self.outline.covers(box) or bool(self.inside(window).any())

    def _no_patch(self) -> str:
        area = self.window
        return (
            f"region {self.region.name!r} has {area.width} x {area.height} pixels of 10 m here, and no patch of "
            f"{self.size} x {self.size} at stride {self.stride} fits: widen the box or give a smaller --size"
        )

    def _outline_words(self) -> dict[str, Any]:
        if self.region.outline is None:
            return {}
        return {"outline_wkb_sha256": _digest(self.region.outline)}


def _digest(outline: BaseGeometry) -> str:
    from hashlib import sha256

    return sha256(shapely.to_wkb(outline)).hexdigest()[:16]
