"""Which patches an export has, which requests it sends, and which of them every patch is cut from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, overload

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Window
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.export.job import ExportJob, RegionPeriod
from isamap.gee_export.export.layers import Layer
from isamap.gee_export.export.layout import laid_out
from isamap.gee_export.export.request_tiles import Needs, RequestTiles
from isamap.gee_export.patches.split_rule import SplitResult, SplitWindows
from isamap.gee_export.requests.pixels import request_bytes

# The local engine computes in this machine's memory: on four blocks of Wuhan, requests of 48 MiB, two at a time, took
# 2.1 GB; of this side, three at a time, 1.4 GB and no more CPU time. Google gets requests as large as it accepts.
LOCAL_SIDE_PX = 640


@dataclass(frozen=True)
class LayerRequest:
    """A window, in the layer's pixels, of one layer of one part."""

    index: int
    region_period: RegionPeriod
    layer: Layer
    window: Window

    @property
    def key(self) -> str:
        """Region, period and layer, the same in every version's plan."""
        return f"{self.region_period.name}/{self.layer.name}"

    @property
    def geobox(self) -> GeoBox:
        return self.region_period.region_grid.geobox(self.window, self.layer.ratio)

    @property
    def bytes(self) -> int:
        """The request's size as the server counts it."""
        return request_bytes(self.window.height, self.window.width, self.layer.channels)


@dataclass(frozen=True)
class PlannedPatch:
    """A patch to be: its window on the part's lattice, its split, and the requests that hold its layers' pixels."""

    region_period: RegionPeriod
    window: Window
    split: str
    needs: tuple[int, ...]

    @property
    def id(self) -> str:
        return self.region_period.patch_id(self.window)


@dataclass(frozen=True)
class PartPatches:
    """The patches of one part; needs: of each layer, by number of the plan's requests."""

    region_period: RegionPeriod
    patches: SplitWindows
    needs: tuple[Needs, ...]

    def __getitem__(self, index: int) -> PlannedPatch:
        window, split = self.patches[index]
        return PlannedPatch(self.region_period, window, split, tuple(n for needs in self.needs for n in needs[index]))


@dataclass(frozen=True, eq=False)
class PlannedPatches(Sequence[PlannedPatch]):
    """Every patch in part and row order, made when asked for: there may be millions."""

    of_parts: tuple[PartPatches, ...]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(len(of_part.patches) for of_part in self.of_parts))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> PlannedPatch: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PlannedPatch]: ...
    def __getitem__(self, index: int | slice) -> PlannedPatch | Sequence[PlannedPatch]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        position = range(len(self))[index]
        part_index = bisect_right(self._ends, position)
        of_part = self.of_parts[part_index]
        return of_part[position - self._ends[part_index] + len(of_part.patches)]

    def number_in(self, split: str) -> int:
        """How many patches are in a split."""
        split_index = SPLITS.index(split)
        return sum(int((of_part.patches.split == split_index).sum()) for of_part in self.of_parts)


@dataclass(frozen=True)
class ExportPlan:
    """Requests that do not overlap within a layer of a part, patches in part and row order, divisions by region.

    cost: of their computing, against a mean of as many months.
    """

    requests: tuple[LayerRequest, ...]
    patches: PlannedPatches
    split_results: Mapping[str, SplitResult]
    cost: float = 1.0

    @classmethod
    def of(cls, job: ExportJob, shares: Mapping[str, np.ndarray] | None = None) -> ExportPlan:
        """The plan of a job; shares: of the labels at every position by region, where the sampling needs them.

        ValueError where no patch fits or none is left.
        """
        split_results = laid_out(job, shares)
        tilings = {name: list(_tilings(job, split_result)) for name, split_result in split_results.items()}
        requests: list[LayerRequest] = []
        patches: list[PartPatches] = []
        for job_part in job.parts:
            needs = _number(job_part, tilings[job_part.region_grid.name], requests)
            patches.append(PartPatches(job_part, split_results[job_part.region_grid.name].patches, needs))
        return cls(tuple(requests), PlannedPatches(tuple(patches)), split_results, job.settings.statistics.cost)

    @property
    def info(self) -> dict[str, Any]:
        """What the manifest's split says of what was found: positions and what was left out, in all and by region."""
        info_of = {name: split_result.info for name, split_result in self.split_results.items()}
        totals = {key: sum(info[key] for info in info_of.values()) for key in ("positions", "left_out")}
        return totals | {"regions": info_of}


def most_px(job: ExportJob, accepted_px: int) -> int:
    """Side of the largest request, of those that the server accepts, that its machine computes well."""
    return min(accepted_px, LOCAL_SIDE_PX) if job.server == "local-engine" else accepted_px


def _tilings(job: ExportJob, split_result: SplitResult) -> Iterator[tuple[Layer, RequestTiles]]:
    for layer in job.layers:
        yield layer, RequestTiles.of(split_result, most_px(job, layer.largest_side_px), layer.ratio)


def _number(
    region_period: RegionPeriod, tilings: Sequence[tuple[Layer, RequestTiles]], requests: list[LayerRequest]
) -> tuple[Needs, ...]:
    """Appends the part's requests, from north to south over all layers, and gives what each patch needs of them."""
    # North to south over all layers: a patch's blocks come near each other, so that few of them wait in the folder.
    places = [
        (window.row / layer.ratio, s, w)
        for s, (layer, tiling) in enumerate(tilings)
        for w, window in enumerate(tiling.windows)
    ]
    index_of = {(s, w): len(requests) + offset for offset, (_, s, w) in enumerate(sorted(places))}
    for s, w in index_of:
        layer, tiling = tilings[s]
        requests.append(LayerRequest(index_of[s, w], region_period, layer, tiling.windows[w]))
    numbers = [[index_of[s, w] for w in range(len(tiling.windows))] for s, (_, tiling) in enumerate(tilings)]
    pairs = zip(tilings, numbers, strict=True)
    return tuple(tiling.needs.renumbered(np.array(indices, np.int32)) for (_, tiling), indices in pairs)
