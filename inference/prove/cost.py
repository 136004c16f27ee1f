"""Step 4: what composites take: seconds and processor seconds of one block, by period, filter and address."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from isamap.gee_export.base.endpoint import HIGH_VOLUME_URL, STANDARD_URL
from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import from_bbox
from isamap.gee_export.earth_engine.workload_tag import set_tag
from isamap.gee_export.requests import pixels, transport
from isamap.gee_export.requests.client import Client
from isamap.gee_export.requests.throttle import Throttle
from isamap.gee_export.requests.transport import PixelAddress
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe

SIDE = 512
BBOX = (114.27, 30.53, 114.33, 30.58)  # more than 512 pixels of 10 m a side
KIND = {"lee_sigma": "lee_sigma", "refined_lee": "refined_lee", "volume": "terrain"}  # export.measured.OF
ADDRESSES = {"high-volume": HIGH_VOLUME_URL, "standard": STANDARD_URL}
OTHER_MONTH = "2019-07"
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


def _on_both_addresses(place: ProofPlace) -> Any:
    """The same block by both of Google's addresses, each under its own tag: seconds, and whether pixels are the same.

    The high-volume address first, as it caches less (guides/processing_environments): the standard one then shows
    what a repetition costs at most. A month that no other probe asks for.
    """
    region = from_bbox(BBOX, name="prove")
    made = composite.build(region, Period.parse(OTHER_MONTH), Settings())
    grid, seconds, rasters = grid_of(region)[:SIDE, :SIDE], {}, []
    for name, url in ADDRESSES.items():
        set_tag(f"prove-cost-{name}")
        begun_s = time.monotonic()
        rasters.append(pixels.fetch(made.packed, grid, made.bands, client=_client(place, url)))
        seconds[name] = round(time.monotonic() - begun_s, 2)
    one, other = rasters
    same = np.array_equal(one.values_BHW, other.values_BHW) and np.array_equal(one.valid_BHW, other.valid_BHW)
    return {"same pixels": bool(same), "seconds": seconds}


def _client(place: ProofPlace, url: str) -> Client:
    """One request at a time to an address; the local engine has one address only."""
    address = PixelAddress.current()
    if not place.session.is_local:
        parts = urlsplit(address.url)
        address = replace(address, url=parts._replace(netloc=urlsplit(url).netloc).geturl())
    return Client(Throttle(1), connect=partial(transport.connect, address=address))


def tags(probe: Probe) -> tuple[str, ...]:
    """The workload tags under which a probe of this step computes."""
    return tuple(f"prove-cost-{name}" for name in ADDRESSES) if probe.ask is _on_both_addresses else (probe.tag,)


PROBES = (
    Probe("cost.month", "a block of a month is computed in one request", _timed("month"), None, "plan", 60),
    Probe("cost.season", "a block of three months", _timed("season"), None, "plan", 120),
    Probe("cost.year", "a block of a year", _timed("year"), None, "plan", 450),
    Probe("cost.lee-sigma", "a month with lee_sigma", _timed("month", speckle="lee_sigma"), None, "plan", 120),
    Probe("cost.refined-lee", "a month with refined_lee", _timed("month", speckle="refined_lee"), None, "plan", 120),
    Probe("cost.volume", "a month with flattened slopes", _timed("month", terrain="volume"), None, "plan", 120),
    Probe(
        "cost.addresses",
        "both of Google's addresses bring the same pixels",
        _on_both_addresses,
        {"same pixels": True},
        "plan",
        120,
    ),
)
