"""The composite of a region and period as a source: fetched block by block, kept on disk until the map has passed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from gee_export.base import outline
from gee_export.base.grid import Raster, Window, crop, grid_of
from gee_export.base.regions import Period, Region
from gee_export.datasets.manifest import NODATA, Band
from gee_export.datasets.region_grid import RegionGrid
from gee_export.earth_engine import session
from gee_export.images.frames import Frames, open_frames
from gee_export.requests import pixels
from gee_export.requests.client import Client
from gee_export.sentinel import composite
from inference.block_rows import CACHE_SMALLEST_BYTES
from inference.blocks import BlockRow, keep, kept, packed
from inference.ground import Ground, ground_of, grown
from inference.lattice import offset_from_crs_origin
from inference.parallel import read_ahead
from inference.source import period_tags
from inference.windows import lattice_of

if TYPE_CHECKING:
    from training.checkpoints.checkpoint import Checkpoint

BLOCK_PX = 512
DATES = "dates"  # beside the sensors' scenes: the days that a network of several dates is shown

LICENCE = "contains modified Copernicus Sentinel data {years}"
LICENCE_EMBEDDINGS = (  # the sentence that Google asks for: the dataset's page in its catalog
    "CC-BY 4.0: The AlphaEarth Foundations Satellite Embedding dataset is produced by Google and Google DeepMind"
)
LICENCE_SIMULATED = "simulated by isamap; no third-party data"


@dataclass
class CompositeSource:
    """A composite's pixels from top to bottom, rounded as a dataset stores them (reflectance 1e-4, dB 0.01).

    Windows are counted from the region's first pixel and may reach beyond it as far as `ground` is seen. Of a region
    with an outline only pixels inside it are wanted; those up to `reach_px` beyond are read too, in whole blocks.

    Blocks are fetched a row of them ahead, written to the folder given to `keep_in`, and removed on `release`, so an
    interrupted map fetches nothing twice and a finished part takes no room. Made by `open_composite`.
    """

    made: composite.Composite
    region: Region
    stored: tuple[Band, ...]
    identity: str
    tags: dict[str, str]
    client: Client
    ground: Ground
    reach_px: int = 0
    foreign: bool = field(default=False, init=False)
    block_rows: None = field(default=None, init=False)  # blocks are fetched and released for all columns
    cache_bytes: int = field(default=CACHE_SMALLEST_BYTES, init=False)
    _folder: Path | None = field(default=None, init=False)
    _released: int = field(default=0, init=False)
    _coming: Generator[BlockRow, None, None] | None = field(default=None, init=False)
    _held: list[BlockRow] = field(default_factory=list, init=False)

    @property
    def bands(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.stored)

    @cached_property
    def outline_m(self) -> BaseGeometry | None:
        """The region's outline in metres of its zone, or None."""
        return outline.in_metres(self.region)

    @property
    def geobox(self) -> GeoBox:
        return grid_of(self.region)

    @property
    def origin(self) -> tuple[int, int]:
        return offset_from_crs_origin(self.geobox.affine)

    @property
    def blocks(self) -> tuple[Window, ...]:
        """The windows that are asked for, one request each."""
        return tuple(self._plan)

    def keep_in(self, folder: Path) -> None:
        """Sets the folder that keeps blocks until the map has passed them."""
        self._folder = folder

    def read(self, window: Window) -> Raster:
        """The window in physical units; windows must come from top to bottom. Fault: what the server will not give."""
        first_row, first_col = window.row - self.ground.seen.row, window.col - self.ground.seen.col
        last_row = first_row + window.height
        if self._coming is None:
            self._coming = read_ahead(self._rows_from(first_row))
        self._held = [row for row in self._held if row.end > first_row]
        while not self._held or self._held[-1].end < last_row:
            self._held.append(next(self._coming))
        values_BHW = np.concatenate([row.values_BHW for row in self._held], axis=1)
        skipped = first_row - self._held[0].start
        values_BHW = values_BHW[:, skipped : skipped + window.height, first_col : first_col + window.width]
        valid_BHW = values_BHW != NODATA
        return Raster(crop(self.geobox, window), self.bands, self._physical(values_BHW, valid_BHW), valid_BHW)

    def wanted(self, window: Window) -> np.ndarray:
        """Pixels of the window whose centres lie in the region's outline."""
        if self.outline_m is None:
            return np.ones((window.height, window.width), bool)
        return outline.inside(self.outline_m, crop(self.geobox, window))

    def release(self, row: int) -> None:
        """Rows above `row` are mapped: blocks that lie there are removed."""
        passed = row - self.ground.seen.row
        for block in self._plan:
            if self._released < block.row_end <= passed:
                self._file(block).unlink(missing_ok=True)
        self._released = max(self._released, passed)

    def close(self) -> None:
        if self._coming is not None:
            with contextlib.suppress(ValueError):  # a thread that was left alone still takes rows from it
                self._coming.close()

    def _physical(self, values_BHW: np.ndarray, valid_BHW: np.ndarray) -> np.ndarray:
        scales, offsets = np.array([(band.scale, band.offset) for band in self.stored]).T[..., None, None]
        return np.where(valid_BHW, values_BHW * scales + offsets, 0).astype(np.float32)

    @cached_property
    def _plan(self) -> list[Window]:
        """Blocks of the ground that is seen, counted from its first pixel."""
        seen = self.ground.seen
        return pixels.plan((seen.height, seen.width), pixels.channels(self.bands), side=BLOCK_PX)

    def _rows_from(self, row: int) -> Iterator[BlockRow]:
        """Rows of blocks from the one that holds `row` downwards."""
        blocks = [block for block in self._plan if block.row_end > row]
        for start in sorted({block.row for block in blocks}):
            yield self._row([block for block in blocks if block.row == start])

    def _row(self, blocks: Sequence[Window]) -> BlockRow:
        """One row of blocks: those on disk are read, the others fetched and written."""
        first, width = blocks[0], self.ground.seen.width
        values_BHW = np.full((len(self.stored), first.height, width), NODATA, np.int16)
        missing = []
        for block in blocks:
            stored_BHW = kept(self._file(block), (len(self.stored), block.height, block.width))
            if stored_BHW is not None:
                values_BHW[:, :, block.col : block.col_end] = stored_BHW
            elif self._is_seen(block):
                missing.append(block)
        ground = crop(self.geobox, self.ground.seen)
        grids = [crop(ground, block) for block in missing]
        fetched = pixels.stream(self.made.packed, grids, self.bands, client=self.client)
        with contextlib.closing(fetched):  # a full disk must not leave requests under way, which nobody would end
            for block_index, raster in fetched if missing else ():
                block = missing[block_index]
                packed_BHW = packed(raster)
                keep(self._file(block), packed_BHW)
                values_BHW[:, :, block.col : block.col_end] = packed_BHW
        return BlockRow(first.row, values_BHW)

    def _is_seen(self, block: Window) -> bool:
        """Whether a window of the network that looks at some of the block holds a pixel that is wanted."""
        row, col = self.ground.seen.row + block.row - self.reach_px, self.ground.seen.col + block.col - self.reach_px
        around = Window(row, col, block.height + 2 * self.reach_px, block.width + 2 * self.reach_px)
        return bool(self.wanted(around).any())

    def _file(self, block: Window) -> Path:
        if self._folder is None:
            raise RuntimeError("keep_in() comes before read()")
        return self._folder / f"r{block.row:06d}_c{block.col:06d}.npy"


def open_composite(
    region: Region, period: Period, trained: Checkpoint, *, project: str | None, catalog: str, block_px: int = 1
) -> CompositeSource:
    """The composite that the checkpoint was trained on, of another place or time, its bands in the checkpoint's order.

    Scenes are those of all the ground that the region's map depends on. block_px: side of the blocks, in pixels of the
    map, that post-processing looks at (1: none).

    Of a checkpoint of several dates: single days of the period, chosen as `isamap export --frames scenes` does; a band
    of the source is then called by its day and name.
    Connects to Google (project) or to the local engine. ValueError: no scenes, a checkpoint of other data than
    composites, or backscatter of the other kind.
    """
    settings = _settings(trained)
    stored = {band.name: band for band in settings.stored_bands}
    missing = [band.name for band in trained.bands if band.name not in stored]
    if missing:
        raise ValueError(
            f"the checkpoint needs {', '.join(missing)}, which composites of its settings lack ({', '.join(stored)}): "
            "map a file that has them with --input"
        )
    connected = session.connect(project, catalog=catalog)
    try:
        ground = ground_of(region, trained, block_px)
        seen = grown(region, ground.seen)
        made = composite.build(seen, period, settings)
    except composite.NoScenes as error:
        raise composite.NoScenes(f"{error} (the checkpoint was trained on Sentinel-2 {trained.level})") from error
    if made.backscatter and trained.backscatter and made.backscatter != trained.backscatter:
        raise ValueError(
            f"the composite holds {made.backscatter} backscatter, the checkpoint was trained on {trained.backscatter}: "
            "take a checkpoint of its kind"
        )
    bands = tuple(stored[band.name] for band in trained.bands)
    if trained.frames:
        made, bands = _dated(made, (seen, period, settings), bands, trained.frames)
    return CompositeSource(
        made,
        region,
        bands,
        _identity(made, region, settings, connected),
        _tags(made, region, period, connected),
        Client.of(connected),
        ground,
        lattice_of(trained).reach,
    )


def _dated(
    made: composite.Composite,
    request: tuple[Region, Period, composite.Settings],
    bands: Sequence[Band],
    most: int,
) -> tuple[composite.Composite, tuple[Band, ...]]:
    """A composite of at most `most` dates, chosen as exports do, their bands one after another; and those bands."""
    region, period, settings = request
    frames = open_frames(Frames("scenes", most=most), RegionGrid.of(region), period, settings)
    names = [band.name for band in bands]
    views = [frame.image.select(names, [f"d{frame.day}_{name}" for name in names]) for frame in frames]
    scenes = {
        sensor: tuple(dict.fromkeys(scene for frame in frames for scene in frame.facts[sensor]))
        for sensor in made.scenes
    }
    made = replace(
        made,
        packed=views[0].addBands(views[1:]) if len(views) > 1 else views[0],
        scenes=scenes | {DATES: tuple(frame.day for frame in frames)},
    )
    return made, tuple(replace(band, name=f"d{frame.day}_{band.name}") for frame in frames for band in bands)


def _settings(trained: Checkpoint) -> composite.Settings:
    if not trained.composite:
        raise ValueError(
            "the checkpoint was trained on images of another origin, so it has no composite settings: "
            "map a file of that kind with --input FILE.tif"
        )
    # isamap 0.1 wrote no level and knew L2A only; L1C's reflectance is another, so it is no substitute
    return composite.Settings.from_json({"level": "l2a"} | dict(trained.composite))


def _identity(
    made: composite.Composite, region: Region, settings: composite.Settings, connected: session.Session
) -> str:
    """Equal for equal pixels: where they come from, settings, scenes and outline."""
    shape = None if region.outline is None else hashlib.sha256(region.outline.wkb).hexdigest()
    scenes = {sensor: list(ids) for sensor, ids in made.scenes.items()}
    source = session.source_of(connected.server, connected.catalog)
    facts = [*source.values(), settings.to_json(), scenes, shape]
    return json.dumps(facts, sort_keys=True)


def _tags(made: composite.Composite, region: Region, period: Period, connected: session.Session) -> dict[str, str]:
    years = sorted({period.start.year, (period.end - timedelta(days=1)).year})
    scenes = dict(made.scenes)
    days = scenes.pop(DATES, ())
    return {
        "region": region.name,
        **period_tags(period),
        "scenes": "; ".join(f"{sensor}: {' '.join(ids)}" for sensor, ids in sorted(scenes.items())),
        **({DATES: " ".join(days)} if days else {}),
        "source": connected.server,
        "simulated": "true" if made.simulated else "false",
        "licence": LICENCE_SIMULATED if made.simulated else "; ".join(_licences(made, "-".join(map(str, years)))),
    }


def _licences(made: composite.Composite, years: str) -> list[str]:
    """What the owners of the sensors' data ask for."""
    sentinel = [LICENCE.format(years=years)] if {"sentinel2", "sentinel1"} & made.scenes.keys() else []
    return sentinel + [LICENCE_EMBEDDINGS] * ("embeddings" in made.scenes)
