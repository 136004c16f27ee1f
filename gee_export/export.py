"""`export_patches`: co-registered Sentinel-1, Sentinel-2 and label patches of a region and month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gee_export import regions
from gee_export import split as splitting
from gee_export.composite import Settings
from gee_export.job import Job
from gee_export.plan import Plan
from gee_export.regions import BoundsWSEN, Month, Period, Region
from gee_export.report import ExportReport
from gee_export.sentinel1 import Radar
from gee_export.sentinel2 import Optical

if TYPE_CHECKING:
    from gee_export.session import Session

PAPER_MONTH = "2019-06"  # of S002's dataset


def export_patches(
    *,
    region: str | Region | None = None,
    month: str | None = None,
    period: tuple[str, str] | None = None,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | None = None,
    epsg: int | None = None,
    out: str | Path | None = None,
    label: str = "worldcover",
    bands: Sequence[str] | None = None,
    speckle: str = Radar.speckle,
    clouds: str = Optical.clouds,
    reducer: str = Optical.reducer,
    size: int = 128,
    stride: int = 80,
    split: str = "blocks",
    seed: int = 0,
    max_patches: int | None = None,
    project: str | None = None,
    catalog: str | Path = "world",
    workers: int | None = None,
    dry_run: bool = False,
    progress: bool = True,
    session: Session | None = None,
) -> ExportReport:
    """A dataset of patches in `out` (a folder or gs:// prefix; data/NAME by default), and a report of what was done.

    The same call goes on where an interrupted one stopped, and does nothing where it had finished. region: a name of
    `isamap regions` or a Region; bbox (W S E N, degrees) and geometry (a GeoJSON file) take a part of it or stand
    alone; epsg: another UTM zone than the place's own. month YYYY-MM (2019-06 by default) or period (two ISO days,
    the last one included). project: a Google project; without one the local engine serves `catalog`, the simulated
    world or a folder of images. session: an open connection to use instead.

    ValueError for what cannot be asked, Fault where a server or a disk fails.
    """
    settings = Settings(
        Optical(bands=tuple(bands or Optical.bands), clouds=clouds, reducer=reducer), Radar(speckle=speckle)
    )
    job = Job(
        region=where(region, bbox=bbox, geometry=geometry, epsg=epsg),
        period=when(month, period),
        settings=settings,
        label=label,
        size=size,
        stride=stride,
        split=split,
        rule=_rule(seed, max_patches),
        **_source(project, catalog, session),
    )
    place = out if out is not None else Path("data") / job.name
    if dry_run:
        return ExportReport.of(job, Plan.of(job), out=str(place))
    from gee_export import runner

    return runner.run(
        job, place, lambda: session or _connect(project, catalog), workers=_checked(workers), progress=progress
    )


def where(
    region: str | Region | None,
    *,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | None = None,
    epsg: int | None = None,
) -> Region:
    """The region that the options name, in the UTM zone `epsg` if asked; ValueError where they name none or two."""
    if bbox is not None and geometry is not None:
        raise ValueError("--bbox and --geometry both say where: give one of them")
    named = regions.named(region) if isinstance(region, str) else region
    named = named and _in_zone(named, epsg)
    if geometry is not None:
        return _in_zone(regions.from_geometry(geometry, within=named), epsg)
    if bbox is not None:
        return named.part(tuple(bbox)) if named else regions.from_bbox(tuple(bbox), epsg=_utm(epsg))
    if named is None:
        raise ValueError("nothing says where: give --region NAME (`isamap regions` lists them), --bbox or --geometry")
    return named


def _in_zone(region: Region, epsg: int | None) -> Region:
    """The region's ground on the lattice of another UTM zone; itself where no other is asked."""
    if _utm(epsg) in (None, region.epsg):
        return region
    return replace(regions.from_bbox(region.bounds_wsen, name=region.name, epsg=epsg), outline=region.outline)


def _utm(epsg: int | None) -> int | None:
    if epsg is not None and not (epsg // 100 in (326, 327) and 1 <= epsg % 100 <= 60):
        raise ValueError(
            f"--epsg {epsg}: expected a UTM zone of WGS84, 32601 to 32660 in the north or 32701 to 32760 in the south"
        )
    return epsg


def when(month: str | None, period: tuple[str, str] | None) -> Period:
    """The period that the options name, the paper's month where they name none; ValueError where they name two."""
    if month is not None and period is not None:
        raise ValueError("--month and --period both say when: give one of them")
    return regions.begun(Period.between(*period) if period is not None else Month.parse(month or PAPER_MONTH).period)


def _rule(seed: int, max_patches: int | None) -> splitting.Rule:
    return splitting.Rule(seed=seed, max_patches=max_patches)


def _source(project: str | None, catalog: str | Path, session: Session | None) -> dict[str, Any]:
    """Server and catalog for the manifest; a folder by its name only, since bytes must not depend on the machine."""
    if session is not None:
        return {"server": session.server, "catalog": Path(session.catalog).name}
    if project not in (None, "", "local"):
        return {"server": "earth-engine", "catalog": "earth-engine"}
    return {"server": "local-engine", "catalog": Path(catalog).name}


def _connect(project: str | None, catalog: str | Path) -> Session:
    from gee_export.session import connect

    return connect(project, catalog=catalog)


def _checked(workers: int | None) -> int | None:
    if workers is not None and not 1 <= workers <= 40:
        raise ValueError(f"--workers {workers}: expected 1 to 40, the requests that a project may have under way")
    return workers
