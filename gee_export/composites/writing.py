"""Makes a composite an asset by one Export task: found again by its description, never made twice."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Region
from isamap.gee_export.base.retry import remedy
from isamap.gee_export.composites.stored import RECIPE, StoredComposite
from isamap.gee_export.datasets.manifest import NODATA
from isamap.gee_export.earth_engine.assets import info_or_none
from isamap.gee_export.requests.meter import Meter
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Composite, Settings
from isamap.gee_export.sentinel.rounding import half_even
from isamap.gee_export.tasks.task_queue import LOCAL_PATIENCE, State, TaskQueue, pauses

if TYPE_CHECKING:
    import ee

# A count above it is cut, not wrapped around.
MOST_INT16 = 32767
PREFIX = "isamap-composite-"  # of the tasks' descriptions


@dataclass(frozen=True)
class CompositePart:
    """A composite to be made: the ground with its margin, and what the asset will say. asset: its collection."""

    ground: Region
    stored: StoredComposite
    asset: str

    @property
    def name(self) -> str:
        return f"{self.asset}/{self.stored.name}"

    @property
    def description(self) -> str:
        """What its tasks' descriptions begin with in every run, so that one whose answer was lost is found."""
        return f"{PREFIX}{self.stored.recipe}"

    @property
    def effort(self) -> float:
        """Megapixels x months."""
        height, width = grid_of(self.ground).shape
        cost = Settings.from_json(self.stored.settings).statistics.cost
        return float(height * width / 1e6 * self.stored.period.mean_months * cost)

    @property
    def bytes(self) -> int:
        """Of its pixels, before compression: two for each band and count."""
        height, width = grid_of(self.ground).shape
        settings = Settings.from_json(self.stored.settings)
        return int(2 * height * width * (len(settings.stored_bands) + len(settings.sensors)))


def packed_whole(packed: ee.Image) -> ee.Image:
    """int16 of stored numbers as datasets round them: float32, half to even, the no-data value masked."""
    # float32 first, as requests bring it: a half of float64 may round the other way.
    filled = packed.unmask(NODATA, False).toFloat()
    int16 = half_even(filled).clamp(NODATA, MOST_INT16).toInt16()
    return int16.updateMask(int16.neq(NODATA))


def image_of(made: Composite, stored: StoredComposite) -> ee.Image:
    """What is exported: bands and counts, int16, with the properties that `reading` finds it by."""
    import ee

    counts = made.counts.clamp(0, MOST_INT16).toInt16()
    return ee.Image(packed_whole(made.packed).addBands(counts).set(stored.made_of(made).properties()))


def config_of(part: CompositePart, image: ee.Image, description: str) -> dict[str, Any]:
    """The request body of image:export; the grid is given in full, so that pixels are the zone's own."""
    import ee

    geobox = grid_of(part.ground)
    height, width = geobox.shape
    task = ee.batch.Export.image.toAsset(
        image=image,
        description=description,
        assetId=part.name,
        # Decibels and reflectance are averaged for coarse views; maps read the finest level alone.
        pyramidingPolicy={".default": "mean"},
        crs=str(geobox.crs),
        crsTransform=list(geobox.affine)[:6],
        dimensions=f"{width}x{height}",
        maxPixels=height * width,
    )
    return dict(task.config or {})


@dataclass
class Writer:
    """Makes the parts that are not there. eecu_s: what the tasks say they cost, by part."""

    queue: TaskQueue = field(default_factory=TaskQueue)
    meter: Meter = field(default_factory=Meter)
    first_s: float = 2.0
    longest_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    eecu_s: dict[str, float] = field(default_factory=dict)

    @classmethod
    def local(cls, meter: Meter) -> Writer:
        """For the engine of this process, which answers at once."""
        return cls(TaskQueue(LOCAL_PATIENCE), meter, 0.02, 0.5)

    def make(self, parts: Sequence[CompositePart]) -> None:
        """Starts a task for each part, or finds the one of an earlier run, and waits until all are over.

        Fault naming the parts that failed, each with the server's words; tasks that run go on when this ends.
        """
        states = self.queue.look() if parts else {}
        failed = self._awaited({self._started(piece, states): piece for piece in parts})
        if failed:
            raise Fault(f"{'; '.join(failed)}; what was made is kept, run the same command again to continue")

    def _started(self, part: CompositePart, states: Mapping[str, State]) -> str:
        """The description of the task that makes a part: one that an earlier run started, or a new one."""
        # A task of an earlier run goes on by itself: a second one would compute it again.
        for description, state in states.items():
            if description.startswith(part.description) and not state.is_over:
                self.meter.resume(part.effort)
                return description
        self.meter.begin(part.effort)
        made = composite.build(part.ground, part.stored.period, Settings.from_json(part.stored.settings))
        description = f"{part.description}-{secrets.token_hex(4)}"
        if not self.queue.submit(description, config_of(part, image_of(made, part.stored), description)):
            raise Fault("the project's queue of tasks is full: run the same command again once some have ended")
        notice(f"{part.name}: task {description}")
        return description

    def _awaited(self, waiting: dict[str, CompositePart]) -> list[str]:
        """Why parts failed, once all tasks are over."""
        failed = []
        rhythm = pauses(self.first_s, self.longest_s, math.inf)
        while waiting:
            # One look for all tasks: their number must not decide how often the server is asked.
            for description, state in self.queue.look().items():
                if state.is_over and description in waiting:
                    failed += self._ended(waiting.pop(description), state)
            if waiting:
                self.sleep(next(rhythm))
        return failed

    def _ended(self, part: CompositePart, state: State) -> list[str]:
        self.meter.end(part.effort, state.eecu_seconds)
        if state.eecu_seconds is not None:
            self.eecu_s[part.name] = state.eecu_seconds
        if is_there(part):
            return []  # also where a task failed, because one whose answer was lost had made it
        words = state.words or state.name
        cure = remedy(Fault(words))
        return [f"{part.name} failed: {words}{f' ({cure})' if cure else ''}"]


def is_there(part: CompositePart) -> bool:
    """Whether the asset is there and holds this composite; ValueError where it is something else."""
    info = info_or_none(part.name)
    if info is None:
        return False
    if info.get("properties", {}).get(RECIPE) != part.stored.recipe:
        raise ValueError(f"asset {part.name} is there and another image: choose another --asset, or delete it")
    return True


def part_of(asset: str, region: Region, margin_m: float, stored: Callable[[Region], StoredComposite]) -> CompositePart:
    """The part of a region with a margin around it, whole pixels of 10 m."""
    left, bottom, right, top = region.bounds_m
    bounds_m = (left - margin_m, bottom - margin_m, right + margin_m, top + margin_m)
    ground = replace(region, bounds_m=bounds_m, outline=None)
    return CompositePart(ground, stored(ground), asset)
