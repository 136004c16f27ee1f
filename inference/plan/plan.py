"""`plan_map`: what the maps of an area and of periods would take; no server is asked and no pixel read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base import zones
from isamap.gee_export.base.options import takes_options
from isamap.gee_export.base.regions import STEP_M, Period, Region
from isamap.gee_export.earth_engine.administrative import BOUNDARIES
from isamap.gee_export.earth_engine.archives import reads_archives
from isamap.gee_export.export.archive_load import ArchiveLoad
from isamap.gee_export.export.eecu import ComputingCost, number
from isamap.gee_export.export.report import LOCAL_MPX_PER_S, START_S, google_seconds
from isamap.gee_export.requests.channel import channels
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.cutting.windows import lattice_of
from isamap.inference.plan import rates
from isamap.inference.plan.computing import composed_once, eecu_rates, stored_bytes
from isamap.inference.plan.rates import Rate
from isamap.inference.plan.request import OWN, SENSORS, PlanRequest
from isamap.inference.plan.zone_count import BLOCK_PX, ZoneCount, by_zone
from isamap.inference.tiles.tiling import STEP_PX

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint

FINE_TILE_PX = 256  # of maps finer than 3 m: a tile of them has as many pixels as one of 10 m
# From 2.5 m on: tiles of 2,048 input pixels would be maps of 8,192 pixels a side and more.
FINE_RATIO = 4
MAP_BYTES = 2 * 4 / 3  # a pixel's class and probability, with overviews, before compression
MARGIN_PX, FINE_MARGIN_PX = 128, 64  # windows of CroFuseNet and of JointSeg, where no checkpoint says its own


@dataclass(frozen=True)
class Plan:
    """What maps would take. period_months: together, of 30.44 days; maps: periods; hours: by what works, for all maps.

    fetch_hours: of the composites, on each server; by_rate: of the networks, by measured rate; computing: expected,
    see ComputingCost; storage_bytes: before compression. once, once_bytes: of `isamap composite` of the same.
    """

    name: str
    step_m: float
    sensors: tuple[str, ...]
    bands: tuple[str, ...]
    tile_px: int
    margin_px: int
    zones: tuple[ZoneCount, ...]
    maps: int
    period_months: float
    approximated: str
    workers: int
    computing: ComputingCost
    fetch_hours: dict[str, float]
    by_rate: dict[str, float]
    measured: Rate | None = None
    once: ComputingCost | None = None
    once_bytes: int = 0

    @property
    def tiles(self) -> int:
        """Of one map."""
        return sum(zone.tiles for zone in self.zones)

    @property
    def area_km2(self) -> float:
        """Of one map, inside the area; on the zones' grids, up to 0.2 % from the ellipsoid's."""
        return sum(zone.area_km2 for zone in self.zones)

    @property
    def requests(self) -> int:
        """Of all maps."""
        return self.maps * sum(zone.requests for zone in self.zones)

    @property
    def request_bytes(self) -> int:
        """Of all maps, as Earth Engine counts them."""
        return self.maps * sum(zone.request_bytes for zone in self.zones)

    @property
    def storage_bytes(self) -> float:
        """Of all maps."""
        return self.maps * self.area_km2 * 1e6 / self.step_m**2 * MAP_BYTES

    def __str__(self) -> str:
        times = f", {self.maps} maps" if self.maps > 1 else ""
        lines = [f"{self.name} at {self.step_m:g} m{times}: {self.tiles:,} tiles, {number(self.area_km2)} km2"]
        lines += [f"  {zone}" for zone in self.zones]
        if self.approximated:
            lines.append(f"  the area is approximated: {self.approximated}")
        margin = f", each read with a margin of {self.margin_px * STEP_M:,} m" if self.requests else ""
        lines.append(f"  tiles of {self.tile_px * STEP_M / 1000:g} km a side; those that touch the area{margin}")
        lines += self._fetching() if self.requests else ["  nothing is fetched: the images are your own files"]
        lines.append(f"  results: {number(self.storage_bytes / 1e9)} GB at most, before compression")
        lines += [f"  network: {number(hours)} h by {rate}" for rate, hours in self.by_rate.items()]
        if not self.by_rate:
            lines.append("  network: no measured rate fits; give --checkpoint with --measure SECONDS")
        return "\n".join(lines)

    @property
    def _subject(self) -> str:
        """What the requests are of."""
        months = f"{self.period_months:.3g} months"
        if set(self.sensors) <= set(SENSORS):
            return f"composites of {months}"
        return f"{self.sensors[0]}, each map as if it were a composite of one month"

    def _fetching(self) -> list[str]:
        lines = [
            f"  {self.requests:,} requests of {', '.join(self.bands)}, {number(self.request_bytes / 1e9)} GB as Earth "
            f"Engine counts them, {self._subject}"
        ]
        lines += [f"  fetching: {number(hours)} h from {server}" for server, hours in self.fetch_hours.items()]
        lines += [f"  {line}" for line in self.computing.lines]
        if self.once is None:
            return lines
        return [
            *lines,
            f"  composed once (`isamap composite`): {self.once.span} EECU-hours and assets of "
            f"{number(self.once_bytes / 1e9)} GB at most; what reads them composes nothing",
        ]


@takes_options(PlanRequest)
def plan_map(request: PlanRequest | None = None, **options: Any) -> Plan:
    """What the maps of an area would take: a `Plan`, which prints well.

    Give a request, or its options: the fields of inference/plan/request.py by their names. No server is asked, but
    for the outlines of `admin`. With `measure` the checkpoint's network runs for so long, and its rate is added to the
    table `rates` if one is named. ValueError for what cannot be planned.
    """
    if request is not None and options:
        raise ValueError(f"a request and {', '.join(options)} are given: change the request by dataclasses.replace")
    request = request or _request_of(options)
    trained = _checkpoint(request)
    areas, periods = _areas(request), () if request.when.is_open else request.when.periods()
    return _planned(request, trained, areas, periods)


def _areas(request: PlanRequest) -> tuple[Region, ...]:
    if not request.where.admin:
        return request.where.regions()
    from isamap.gee_export.earth_engine.session import connect

    with connect(request.machines.project, catalog=request.machines.catalog):
        return request.where.regions()


def _request_of(options: dict[str, Any]) -> PlanRequest:
    from isamap.gee_export.base.options import from_options

    return from_options(PlanRequest, options)


def _checkpoint(request: PlanRequest) -> Checkpoint | None:
    if request.product.checkpoint is None:
        return None
    from isamap.training.checkpoints.checkpoint import load

    return load(request.product.checkpoint)


def _planned(
    request: PlanRequest, trained: Checkpoint | None, areas: Sequence[Region], periods: Sequence[Period]
) -> Plan:
    workers, step_m = request.machines.workers, _step_m(request, trained)
    sensors, bands = _inputs(request, trained)
    is_own = sensors == (OWN,)
    settings = _settings(request, trained)
    _check_periods(periods, settings, is_own=is_own)
    tile_px, margin_px = _tile_px(request, trained)
    channel_count = () if is_own else channels(bands) * (max(trained.frames, 1) if trained else 1)
    maps, months = max(len(periods), 1), _months(request, periods)
    # The longest period decides: requests of all maps have one size.
    side_px = settings.side_px(max(months, default=1.0), BLOCK_PX)
    counts = by_zone(areas, tile_px, margin_px=margin_px, channels=channel_count, side_px=side_px)
    # Pixels with margins: what windows read around a tile is composed, too.
    mpx_months, cost = sum(zone.fetched_px for zone in counts) / 1e6 * sum(months), settings.statistics.cost
    effort, costs = cost * mpx_months, [cost * each for each in months]
    eecu = eecu_rates(request, trained)
    measured, fitting = _rates(request, trained, (step_m if is_own else float(STEP_M), step_m))
    area_km2 = maps * sum(zone.area_km2 for zone in counts)
    return Plan(
        name=_name(request, areas), step_m=step_m, sensors=sensors, bands=bands, tile_px=tile_px, margin_px=margin_px,
        zones=counts, maps=maps, period_months=sum(months), approximated=_approximated(request), workers=workers,
        computing=ComputingCost(effort, *eecu),
        once=composed_once(areas, costs, eecu) if channel_count else None,
        once_bytes=stored_bytes(areas, maps, len(bands)) if channel_count else 0,
        fetch_hours=(
            _fetch_hours(counts, costs, effort, workers) | _archive_hours(request, settings, bands, mpx_months)
            if channel_count else {}
        ),
        by_rate={str(rate): rate.hours(area_km2) for rate in fitting},
        measured=measured,
    )  # fmt: skip


def _check_periods(periods: Sequence[Period], settings: Settings, *, is_own: bool) -> None:
    """ValueError for a period without such composites, and where none is given for composites."""
    for period in periods:
        settings.check_period(period)
    if not periods and not is_own:
        raise ValueError(
            "nothing says when: give --month YYYY-MM, or --period, the time of the checkpoint's composites"
        )


def _tile_px(request: PlanRequest, trained: Checkpoint | None) -> tuple[int, int]:
    """Side of a tile, and what is fetched beyond it on each side."""
    is_fine = STEP_M / _step_m(request, trained) >= FINE_RATIO
    tile_px = request.product.tile_px or (FINE_TILE_PX if is_fine else STEP_PX)
    if trained:
        return tile_px, _margin_px(trained, tile_px)
    return tile_px, FINE_MARGIN_PX if is_fine else MARGIN_PX


def _archive_hours(
    request: PlanRequest, settings: Settings, bands: Sequence[str], mpx_months: float
) -> dict[str, float]:
    """Hours of reading the public archives by the load's words; none of other catalogs."""
    if not reads_archives(request.machines.project, request.machines.catalog):
        return {}
    load = ArchiveLoad.of(settings.read_bands if settings.statistics.of_year else bands, mpx_months)
    return {str(load): load.hours}


def _margin_px(trained: Checkpoint, tile_px: int) -> int:
    """What the network's windows see beyond a tile on each side, on the mean over the tiles of a row."""
    lattice = lattice_of(trained)
    # Over all places of a tile on the lattice: half a window would make bytes of small tiles 1.6 times too many.
    seen_px = fmean(len(lattice.reached(range(tile_px), tile_px * col)) for col in range(lattice.stride))
    return round((seen_px - tile_px) / 2)


def _months(request: PlanRequest, periods: Sequence[Period]) -> tuple[float, ...]:
    """Months of scenes in each map; an --image counts as one, because nobody has measured what it takes."""
    return tuple(1.0 if request.product.image is not None else period.mean_months for period in periods)


def _step_m(request: PlanRequest, trained: Checkpoint | None) -> float:
    if trained is None:
        return float(request.product.step or STEP_M)
    return float(trained.dataset.get("step_m") or STEP_M) / trained.scale


def _inputs(request: PlanRequest, trained: Checkpoint | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sensors and their bands; the checkpoint's where there is one."""
    if trained is not None and request.product.image is not None:
        return (request.product.image,), trained.band_names
    if request.product.sensors == (OWN,) or (trained is not None and not trained.composite):
        return (OWN,), () if trained is None else trained.band_names
    settings = _settings(request, trained)
    names = tuple(band.name for band in settings.stored_bands) if trained is None else trained.band_names
    return tuple(sensor for sensor, bands in settings.bands.items() if {*names} & {b.name for b in bands}), names


def _settings(request: PlanRequest, trained: Checkpoint | None) -> Settings:
    """Of the composites; the usual ones where other images are mapped."""
    product = request.product
    if trained is not None:
        is_composite = trained.composite and product.image is None
        return Settings.of_trained(trained.composite) if is_composite else Settings()
    if product.sensors == (OWN,):
        return Settings()
    return Settings.of(sensors=product.sensors, composite=product.composite)


def _fetch_hours(counts: Sequence[ZoneCount], months: Sequence[float], effort: float, workers: int) -> dict[str, float]:
    """Hours of fetching by server, in words."""
    seconds = sum(
        zone.requests * google_seconds(zone.request_bytes / zone.requests, each) for zone in counts for each in months
    )
    return {
        f"Google at {workers} requests at a time (assumed, nobody promises it)": seconds / workers / 3600,
        f"the local engine on two cores ({START_S} s to start, {LOCAL_MPX_PER_S} Mpx of a month a second, measured)": (
            START_S + effort / LOCAL_MPX_PER_S
        )
        / 3600,
    }


def _rates(
    request: PlanRequest, trained: Checkpoint | None, steps_m: tuple[float, float]
) -> tuple[Rate | None, tuple[Rate, ...]]:
    """The rate measured now, and all that fit the maps: of their steps, and of the checkpoint's network."""
    measured, path = None, request.machines.rates
    if trained is not None and request.machines.measure is not None:
        from isamap.inference.plan.measure import measured as measure

        measured = measure(trained, request.machines.measure)
        if path is not None:
            rates.add(measured, path)
            return measured, _fitting(rates.read(path), trained, steps_m)
        return measured, (measured,)
    return None, _fitting(rates.read(path), trained, steps_m)


def _fitting(table: Sequence[Rate], trained: Checkpoint | None, steps_m: tuple[float, float]) -> tuple[Rate, ...]:
    return tuple(
        rate
        for rate in table
        if (rate.input_m, rate.output_m) == steps_m and (trained is None or rate.network.split()[0] == trained.model)
    )


def _approximated(request: PlanRequest) -> str:
    """What the table says of the named regions' sources, where the area is all of them."""
    where = request.where
    if where.bbox is not None or where.geometry:
        return ""
    if where.admin:
        return f"{BOUNDARIES[where.boundaries].title}, an administrative layer and no legal boundary"
    from isamap.gee_export.base import regions

    source_of = {row["name"]: row["source"] for row in regions.described()}
    return "; ".join(dict.fromkeys(source_of[name] for name in map(str, where.region) if name in source_of))


def _name(request: PlanRequest, areas: Sequence[Region]) -> str:
    named = [str(name) for name in (*request.where.region, *request.where.admin) if isinstance(name, str)]
    return "+".join(named) or zones.place_of(areas[0])
