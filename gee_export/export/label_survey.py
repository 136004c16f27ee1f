"""The first pass of samplings that go by the labels: labels alone, fetched once, counted at every position."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.scheme import UNKNOWN, scheme_of
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.export.job import ExportJob, RegionPeriod
from isamap.gee_export.export.layers import fused, largest_side_px
from isamap.gee_export.export.layout import positions
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.export.pixel_source import Cell, PixelSource
from isamap.gee_export.export.plan import most_px
from isamap.gee_export.export.request_tiles import RequestTiles
from isamap.gee_export.labelling.label_request import OpenLabels
from isamap.gee_export.patches.split_rule import SplitResult


@dataclass(frozen=True)
class Survey:
    """What a first pass asks for: by region, its positions and the label windows that cover them."""

    job: ExportJob
    tilings: Mapping[str, RequestTiles]
    tracts: Mapping[str, Sequence[Window]]

    @classmethod
    def of(cls, job: ExportJob) -> Survey:
        """The survey of every position of every region; asks no server."""
        side = most_px(job, largest_side_px(job.label_request.channels, stored_bytes=1))
        tracts = positions(job)
        tilings = {name: RequestTiles.of(SplitResult.alike(windows, "train"), side) for name, windows in tracts.items()}
        return cls(job, tilings, tracts)

    @property
    def windows(self) -> list[Window]:
        """What it fetches, of all regions."""
        return [window for tiling in self.tilings.values() for window in tiling.windows]

    def shares(
        self, opened: Mapping[int, OpenPart], progress_log: ProgressLog, supply: PixelSource
    ) -> dict[str, np.ndarray]:
        """Impervious share of the known label pixels at each position, NaN where none is known.

        The labels are those of each region's first period that has scenes; a region without any has no shares.
        Windows that the ledger holds are not fetched again.
        """
        shares_of = {}
        for region_grid in self.job.region_grids:
            parts = (p for p in self.job.parts if p.region_grid is region_grid and p.index in opened)
            if (first := next(parts, None)) is not None:
                shares_of[region_grid.name] = self._of_region(first, opened[first.index], progress_log, supply)
            else:
                shares_of[region_grid.name] = np.full(len(self.tracts[region_grid.name]), np.nan)
        return shares_of

    def _of_region(
        self, region_period: RegionPeriod, opened: OpenPart, progress_log: ProgressLog, supply: PixelSource
    ) -> np.ndarray:
        tiling, windows = self.tilings[region_period.region_grid.name], self.tracts[region_period.region_grid.name]
        at: list[list[int]] = [[] for _ in tiling.windows]  # positions on each window
        for position, needed in enumerate(tiling.needs):
            for tile_index in needed:
                at[tile_index].append(position)
        key, impervious_class = self._key(region_period, opened), scheme_of(self.job.label_request.scheme).impervious
        noted = {tuple(row["window"]): row["counts"] for row in progress_log.rows() if row.get("survey") == key}
        counts = np.zeros((2, len(windows)), np.int64)
        todo = []
        for tile_index, window in enumerate(tiling.windows):
            if astuple(window) in noted:
                counts[:, at[tile_index]] += noted[astuple(window)]
            else:
                todo.append((tile_index, window))
        for tile_index, label in self._labels(region_period, opened, todo, supply):
            window = tiling.windows[tile_index]
            counted = _counted(label, window, [windows[n] for n in at[tile_index]], impervious_class)
            # Noted window by window: a survey of a province is hours of requests, too.
            progress_log.add([{"survey": key, "window": astuple(window), "counts": counted.tolist()}])
            counts[:, at[tile_index]] += counted
        labelled_px, impervious = counts
        return np.where(labelled_px > 0, impervious / np.maximum(labelled_px, 1), np.nan)

    def _labels(
        self, region_period: RegionPeriod, opened: OpenPart, todo: Sequence[tuple[int, Window]], supply: PixelSource
    ) -> Iterator[tuple[int, np.ndarray]]:
        region_grid, label_request = region_period.region_grid, opened.label_request
        if not label_request.channels:
            for tile_index, window in todo:
                geobox = region_grid.geobox(window)
                nothing = np.empty(tuple(geobox.shape), np.dtype([]))
                yield tile_index, _label(nothing, geobox, region_grid.inside(window), label_request)
            return
        cells, image = [], label_request.image
        if image is None:
            raise ValueError(f"{region_period.name}: the server has no band of these labels")
        for tile_index, window in todo:
            name = f"{region_period.name}/labels r{window.row} c{window.col}"
            cells.append(Cell(tile_index, name, image, region_grid.geobox(window), label_request.channels))
        window_of = dict(todo)
        with closing(supply(cells)) as fetched:
            for cell, pixels in fetched:
                inside = region_grid.inside(window_of[cell.index])
                yield cell.index, _label(pixels, cell.geobox, inside, label_request)

    def _key(self, region_period: RegionPeriod, opened: OpenPart) -> str:
        """Region, period, patches and labels: what the counts depend on."""
        # With size and stride, as counts are by position; not with the split, so that another --split asks nothing
        # again.
        identity = [self.job.label_request.named(), opened.label_request.info, self.job.size, self.job.stride]
        return f"{region_period.name}/{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]}"


def _label(pixels: np.ndarray, geobox: GeoBox, inside: np.ndarray | None, labels: OpenLabels) -> np.ndarray:
    label, _ = fused(pixels, geobox, inside, labels)
    if label is None:
        raise ValueError("a survey of labels needs one source at least: give --label")
    return label[0]


def _counted(label_HW: np.ndarray, window: Window, places: Sequence[Window], impervious: int) -> np.ndarray:
    """Known and impervious pixels (2, places) that each place has on the window, by sums over its corners."""
    both = np.stack([label_HW != UNKNOWN, label_HW == impervious]).astype(np.int64)
    # A summed-area table: positions overlap, and each label pixel is then read once and not for every position.
    sums = np.pad(both.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    shared = [overlap for patch_window in places if (overlap := patch_window.overlap(window)) is not None]
    top = np.array([s.row - window.row for s in shared])
    left = np.array([s.col - window.col for s in shared])
    bottom = np.array([s.row_end - window.row for s in shared])
    right = np.array([s.col_end - window.col for s in shared])
    return sums[:, bottom, right] - sums[:, top, right] - sums[:, bottom, left] + sums[:, top, left]
