"""Step 4: what composites take: seconds and processor seconds of one block, by period, filter and address."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import from_bbox
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe

SIDE = 512
BBOX = (114.27, 30.53, 114.33, 30.58)  # more than 512 pixels of 10 m a side
KIND = {"lee_sigma": "lee_sigma", "refined_lee": "refined_lee", "volume": "terrain"}  # export.measured.OF
PERIODS = {"month": "2019-06", "season": "2019-06-01..2019-08-31", "year": "2019"}


def _timed(period: str, **options: Any) -> Callable[[ProofPlace], Any]:
    """Seconds that a client waits, megapixels x months, and the share of valid pixels; EECU are read in step 9."""

    def ask(place: ProofPlace) -> Any:
        region = from_bbox(BBOX, name="prove")
        when = Period.parse(PERIODS[period])
        made = composite.build(region, when, Settings.of(**options))
        begun_s = time.monotonic()
        raster = pixels.fetch(made.packed, grid_of(region)[:SIDE, :SIDE], made.bands)
        return {
            "seconds": round(time.monotonic() - begun_s, 2),
            "effort": round(SIDE * SIDE / 1e6 * when.months, 4),
            "valid": round(float(raster.valid_BHW.mean()), 3),
            "scenes": sum(map(len, made.scenes.values())),
            "of": KIND.get(next(iter(options.values()), ""), "default"),
        }

    return ask


PROBES = (
    Probe("cost.month", "a block of a month is computed in one request", _timed("month"), None, "plan", 60),
    Probe("cost.season", "a block of three months", _timed("season"), None, "plan", 120),
    Probe("cost.year", "a block of a year", _timed("year"), None, "plan", 450),
    Probe("cost.lee-sigma", "a month with lee_sigma", _timed("month", speckle="lee_sigma"), None, "plan", 120),
    Probe("cost.refined-lee", "a month with refined_lee", _timed("month", speckle="refined_lee"), None, "plan", 120),
    Probe("cost.volume", "a month with flattened slopes", _timed("month", terrain="volume"), None, "plan", 120),
)
