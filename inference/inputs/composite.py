"""The composite of a region and period as a source: fetched block by block, kept on disk until the map has passed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import outline
from isamap.gee_export.base.band_globs import DAY
from isamap.gee_export.base.errors import notice
from isamap.gee_export.base.grid import Raster, Window, crop, grid_of
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.composites.reading import composed
from isamap.gee_export.datasets.composite_rules import behind
from isamap.gee_export.datasets.manifest import NODATA, Band
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.earth_engine import session
from isamap.gee_export.earth_engine.archives import reads_archives
from isamap.gee_export.images.frames import Frame, Frames, open_frames
from isamap.gee_export.requests import pixels
from isamap.gee_export.requests.client import Client
from isamap.gee_export.sentinel import composite, open_archives
from isamap.inference.cutting.lattice import offset_from_crs_origin
from isamap.inference.cutting.parallel import read_ahead
from isamap.inference.inputs.block_rows import CACHE_SMALLEST_BYTES
from isamap.inference.inputs.blocks import BlockRow, keep, kept, packed
from isamap.inference.inputs.ground import Ground, ground_of, grown
from isamap.inference.inputs.source import period_tags
from isamap.inference.map_files.simulation import SIMULATED_TRAINING

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint

# Some MB of six bands: far below a request's limit, and a killed map repeats little.
BLOCK_PX = 512
DATES = "dates"  # beside the sensors' scenes: the days that a network of several dates is shown

_OF_ARCHIVES = ", such as one of `isamap export --catalog open`, or one of Sentinel-2 alone (--sensors s2)"
LICENCE = "contains modified Copernicus Sentinel data {years}"
LICENCE_EMBEDDINGS = (  # the sentence that Google asks for: the dataset's page in its catalog
    "CC-BY 4.0: The AlphaEarth Foundations Satellite Embedding dataset is produced by Google and Google DeepMind"
)
LICENCE_SIMULATED = "simulated by isamap; no third-party data"


@dataclass
class CompositeSource:
    """A composite's pixels from top to bottom, rounded as a dataset stores them (reflectance 1e-4, dB 0.01).

    Windows are counted from the region's first pixel and may reach beyond it as far as `ground` is seen. side_px: of a
    request, at most. Of a region with an outline only pixels inside it are wanted; those up to the ground's `reach_px`
    beyond are read too, in whole blocks.

    Blocks are fetched a row of them ahead, written to the folder given to `keep_in`, and removed on `release`, so an
    interrupted map fetches nothing twice and a finished part takes no room. months: of the composite, for what it costs
    (0: nothing is composed). Made by `open_composite`.
    """

    made: composite.Composite
    region: Region
    stored: tuple[Band, ...]
    identity: str
    tags: dict[str, str]
    client: Client
    ground: Ground
    side_px: int = BLOCK_PX
    months: float = 1.0
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
        """The window in physical units; from top to bottom each block is read once, a window above the last one begins
        there again. Fault: what the server will not give.
        """
        first_row, first_col = window.row - self.ground.seen.row, window.col - self.ground.seen.col
        last_row = first_row + window.height
        if self._held and first_row < self._held[0].start:
            self._rewind()
        if self._coming is None:
            # A row ahead: the server computes while the network does.
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

    def _rewind(self) -> None:
        """Forgets which rows come: 8 bits are judged all over a map before its first row, and leave its blocks on
        disk.
        """
        self.close()
        self._coming, self._held = None, []

    def _physical(self, values_BHW: np.ndarray, valid_BHW: np.ndarray) -> np.ndarray:
        scales, offsets = np.array([(band.scale, band.offset) for band in self.stored]).T[..., None, None]
        return np.where(valid_BHW, values_BHW * scales + offsets, 0).astype(np.float32)

    @cached_property
    def _plan(self) -> list[Window]:
        """Blocks of the ground that is seen, counted from its first pixel."""
        seen = self.ground.seen
        return pixels.plan((seen.height, seen.width), pixels.channels(self.bands), side=min(self.side_px, BLOCK_PX))

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
            # Blocks outside of the outline and its reach are never asked for: each costs computing.
            elif self._is_seen(block):
                missing.append(block)
        ground = crop(self.geobox, self.ground.seen)
        grids = [crop(ground, block) for block in missing]
        fetched = pixels.stream(self.made.packed, grids, self.bands, client=self.client, months=self.months)
        with contextlib.closing(fetched):  # a full disk must not leave requests under way, which nobody would end
            for block_index, raster in fetched if missing else ():
                block = missing[block_index]
                packed_BHW = packed(raster)
                # Kept before it is used: a map that is killed now asks for the next block only.
                keep(self._file(block), packed_BHW)
                values_BHW[:, :, block.col : block.col_end] = packed_BHW
        return BlockRow(first.row, values_BHW)

    def _is_seen(self, block: Window) -> bool:
        """Whether a window of the network that looks at some of the block holds a pixel that is wanted."""
        seen, reach_px = self.ground.seen, self.ground.reach_px
        row, col = seen.row + block.row - reach_px, seen.col + block.col - reach_px
        around = Window(row, col, block.height + 2 * reach_px, block.width + 2 * reach_px)
        return bool(self.wanted(around).any())

    def _file(self, block: Window) -> Path:
        if self._folder is None:
            raise RuntimeError("keep_in() comes before read()")
        return self._folder / f"r{block.row:06d}_c{block.col:06d}.npy"


def open_composite(
    region: Region, period: Period, trained: Checkpoint, *, project: str | None, catalog: str, block_px: int = 1,
    asset: str | None = None,
) -> CompositeSource:  # fmt: skip
    """The composite that the checkpoint was trained on, of another place or time, its bands in the checkpoint's order.

    Scenes are those of all the ground that the region's map depends on. block_px: side of the blocks, in pixels of the
    map, that post-processing looks at (1: none). asset: the collection of `isamap composite` that holds the composite.

    Of a checkpoint of several dates: single days of the period, chosen as `isamap export --frames scenes` does; a band
    of the source is then called by its day and name.
    Connects to Google (project) or to the local engine. ValueError: no scenes, a checkpoint of other data than
    composites, or backscatter of the other kind.
    """
    archives = reads_archives(project, catalog)
    settings = composite_settings(trained, archives=archives)
    settings.check_period(period)
    bands = _stored_bands(trained, settings, asset)
    connected = session.connect(project, catalog=catalog)
    try:
        ground = ground_of(region, trained, block_px)
        # All the ground that windows look at, or a region's map would differ at its edges from a larger one's.
        seen = grown(region, ground.seen)
        made = composed(seen, period, settings, asset)
    except composite.NoScenes as error:
        raise composite.NoScenes(f"{error} (the checkpoint was trained on Sentinel-2 {trained.level})") from error
    _check_likeness(made, trained, archives=archives)
    if trained.frames:
        made, bands = _dated(made, (seen, period, settings), bands, trained.frames)
    return CompositeSource(
        made, region, bands, _identity(made, region, settings, connected, asset),
        _tags(made, region, (period, settings), connected), Client.of(connected), ground,
        settings.side_px(period.mean_months, BLOCK_PX) if asset is None else BLOCK_PX,
        period.mean_months * settings.statistics.cost if asset is None else 0.0,
    )  # fmt: skip


def _stored_bands(trained: Checkpoint, settings: composite.Settings, asset: str | None) -> tuple[Band, ...]:
    """The checkpoint's bands as composites store them; ValueError for those that they, or an asset, cannot have."""
    stored = {band.name: band for band in settings.stored_bands} | {DAY: Band(DAY, "day of year", 1.0)}
    if asset is not None and trained.frames:
        raise ValueError(f"--composite-asset {asset} holds one image, the checkpoint looks at {trained.frames} dates")
    if missing := [band.name for band in trained.bands if band.name not in stored]:
        raise ValueError(
            f"the checkpoint needs {', '.join(missing)}, which composites of its settings lack ({', '.join(stored)}): "
            "map a file that has them with --input"
        )
    return tuple(stored[band.name] for band in trained.bands)


def _check_likeness(made: composite.Composite, trained: Checkpoint, *, archives: bool) -> None:
    """ValueError for backscatter of the other kind; a note where real ground is mapped by a simulated training."""
    if made.backscatter and trained.backscatter and made.backscatter != trained.backscatter:
        raise ValueError(
            f"the composite holds {made.backscatter} backscatter, the checkpoint was trained on {trained.backscatter}: "
            f"take a checkpoint of its kind{_OF_ARCHIVES if archives else ''}"
        )
    if trained.simulated and not made.simulated:
        notice(f"before it maps real ground: {SIMULATED_TRAINING}")


def _dated(
    made: composite.Composite,
    request: tuple[Region, Period, composite.Settings],
    bands: Sequence[Band],
    most: int,
) -> tuple[composite.Composite, tuple[Band, ...]]:
    """A composite of at most `most` dates, chosen as exports do, their bands one after another; and those bands."""
    region, period, settings = request
    frames = open_frames(Frames("scenes", most=most), RegionGrid.of(region), period, settings)
    names = [band.name for band in bands if band.name != DAY]
    views = [frame.image.select(names, [f"d{frame.day}_{name}" for name in names]) for frame in frames]
    if len(names) < len(bands):
        views = [_with_day(view, frame.day) for view, frame in zip(views, frames, strict=True)]
    scenes = {sensor: _scenes(frames, sensor) for sensor in made.scenes}
    made = replace(
        made,
        packed=views[0].addBands(views[1:]) if len(views) > 1 else views[0],
        scenes=scenes | {DATES: tuple(frame.day for frame in frames)},
    )
    return made, tuple(replace(band, name=f"d{frame.day}_{band.name}") for frame in frames for band in bands)


def _scenes(frames: Sequence[Frame], sensor: str) -> tuple[str, ...]:
    """Scenes of all dates, each once."""
    return tuple(dict.fromkeys(scene for frame in frames for scene in frame.facts[sensor]))


def _with_day(view: Any, day: str) -> Any:
    """A date's bands with its day of year as one more behind them."""
    of_year = date.fromisoformat(day).timetuple().tm_yday
    return view.addBands(view.select(0).multiply(0).add(of_year).unmask(of_year).toInt16().rename(f"d{day}_{DAY}"))


def composite_settings(trained: Checkpoint, *, archives: bool = False) -> composite.Settings:
    """The composite's settings as the checkpoint was trained on; of the public archives, as they can be had there.

    What gave way is said in a line. ValueError for checkpoints of other images than composites.
    """
    if not trained.composite:
        raise ValueError(
            "the checkpoint was trained on images of another origin, so it has no composite settings: "
            "map a file of that kind with --input FILE.tif"
        )
    settings = composite.Settings.of_trained(trained.composite)
    if words := behind(settings.composite_version):
        notice(f"the checkpoint was trained on composites of {words}: the map is made of such composites, too")
    if not archives:
        return settings
    settings, changes = open_archives.fitted(settings, trained.level)
    if changes:
        notice(f"--catalog open: {', '.join(changes)} (the checkpoint's), which the archives cannot give")
    return settings


def _identity(
    made: composite.Composite,
    region: Region,
    settings: composite.Settings,
    connected: session.Session,
    asset: str | None,
) -> str:
    """Equal for equal pixels: where they come from, settings, scenes and outline."""
    shape = None if region.outline is None else hashlib.sha256(region.outline.wkb).hexdigest()
    scenes = {sensor: list(ids) for sensor, ids in made.scenes.items()}
    source = session.source_of(connected.server, connected.catalog)
    # The outline, too: pixels outside of it have no class, so that it is part of what a map holds.
    facts = [*source.values(), settings.to_json(), scenes, shape, *([] if asset is None else [asset])]
    return json.dumps(facts, sort_keys=True)


def _tags(
    made: composite.Composite, region: Region, how: tuple[Period, composite.Settings], connected: session.Session
) -> dict[str, str]:
    period, settings = how
    years = sorted({period.start.year, (period.end - timedelta(days=1)).year})
    scenes = dict(made.scenes)
    days = scenes.pop(DATES, ())
    return {
        "region": region.name,
        **period_tags(period),
        "scenes": "; ".join(f"{sensor}: {' '.join(ids)}" for sensor, ids in sorted(scenes.items())),
        **({DATES: " ".join(days)} if days else {}),
        "source": connected.server,
        "composite_version": str(settings.composite_version),
        "simulated": "true" if made.simulated else "false",
        "licence": LICENCE_SIMULATED if made.simulated else "; ".join(_licences(made, "-".join(map(str, years)))),
    }


def _licences(made: composite.Composite, years: str) -> list[str]:
    """What the owners of the sensors' data ask for."""
    sentinel = [LICENCE.format(years=years)] if {"sentinel2", "sentinel1"} & made.scenes.keys() else []
    sentinel += [text for sensor in made.scenes for text in made.info.get(sensor, {}).get("attribution", ())]
    return sentinel + [LICENCE_EMBEDDINGS] * ("embeddings" in made.scenes)
