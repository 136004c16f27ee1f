"""`export_patches`: co-registered Sentinel-1, Sentinel-2 and label patches of a region and month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gee_export import modes, regions
from gee_export import split as splitting
from gee_export.composite import Settings
from gee_export.ground import Ground
from gee_export.job import Job
from gee_export.plan import Plan
from gee_export.regions import BoundsWSEN, Month, Period, Region
from gee_export.report import ExportReport
from gee_export.sentinel1 import Radar
from gee_export.sentinel2 import Optical
from gee_export.truth import Truth

if TYPE_CHECKING:
    from gee_export.session import Session

PAPER_MONTH = "2019-06"  # of S002's dataset


def export_patches(
    *,
    region: str | Region | Sequence[str | Region] | None = None,
    month: str | Sequence[str] | None = None,
    period: Sequence[str] | None = None,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | Sequence[str | Path] | None = None,
    epsg: int | None = None,
    out: str | Path | None = None,
    label: str | Sequence[str] = Truth.sources,
    fusion: str = Truth.fusion,
    scheme: str = Truth.scheme,
    share: bool = Truth.share,
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
    mode: str = "stream",
    workers: int | None = None,
    bucket: str | None = None,
    dry_run: bool = False,
    progress: bool = True,
    session: Session | None = None,
) -> ExportReport:
    """A dataset of patches in `out` (a folder or gs:// prefix; data/NAME by default), and a report of what was done.

    The same call goes on where an interrupted one stopped, and does nothing where it had finished. region: names of
    `isamap regions` or Regions; bbox (W S E N, degrees) and geometry (GeoJSON files) take a part of one or stand
    alone; epsg: another UTM zone than the places' own. month: YYYY-MM, one or several (2019-06 by default); or
    period: pairs of ISO days, the last one included. Every region is exported in every period, on the same patches.
    label: one or several sources (source.py), fused as `fusion` says, or none; scheme and share: see truth.Truth.
    mode: a way of modes.MODES to get pixels; workers: requests at a time; bucket: for the files of mode batch.
    project: a Google project; without one the local engine serves `catalog`, the simulated world or a folder of
    images. session: an open connection to use instead.

    ValueError for what cannot be asked, Fault where a server or a disk fails.
    """
    modes.check(mode)
    means = modes.Means(workers, bucket)
    settings = Settings(
        Optical(bands=tuple(bands or Optical.bands), clouds=clouds, reducer=reducer), Radar(speckle=speckle)
    )
    job = Job(
        grounds=tuple(Ground.of(place) for place in places(region, bbox=bbox, geometry=geometry, epsg=epsg)),
        periods=when(month, period),
        settings=settings,
        truth=Truth(_sources(label), fusion, scheme, share),
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
        job,
        place,
        lambda: session or _connect(project, catalog),
        supply=lambda opened, ledger: modes.MODES[mode](opened, ledger, means),
        progress=progress,
    )


def places(
    region: str | Region | Sequence[str | Region] | None,
    *,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | Sequence[str | Path] | None = None,
    epsg: int | None = None,
) -> tuple[Region, ...]:
    """The regions that the options name; ValueError where a box or outline could belong to several of them."""
    named, drawn = _several(region), _several(geometry)
    if len(named) > 1 and (bbox is not None or drawn):
        raise ValueError("--bbox and --geometry take a part of one region: give one --region, or none of them")
    first = named[0] if named else None
    if drawn:
        return tuple(where(first, bbox=bbox, geometry=path, epsg=epsg) for path in drawn)
    return tuple(where(one, bbox=bbox, epsg=epsg) for one in named or (None,))


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


def when(month: str | Sequence[str] | None, period: Sequence[str] | None) -> tuple[Period, ...]:
    """The periods that the options name, the paper's month where they name none; ValueError where they name both."""
    if month and period:
        raise ValueError("--month and --period both say when: give one of them")
    if period:
        if len(period) % 2:
            raise ValueError(f"--period {' '.join(period)}: expected pairs of days, the first and the last of each")
        found = [Period.between(*pair) for pair in zip(period[::2], period[1::2], strict=True)]
    else:
        found = [Month.parse(text).period for text in _several(month) or (PAPER_MONTH,)]
    return tuple(regions.begun(one) for one in found)


def _sources(label: str | Sequence[str]) -> tuple[str, ...]:
    """The label sources; none for `none`, which stands alone."""
    sources = _several(label)
    return () if sources == ("none",) else sources


def _several(value: Any) -> tuple[Any, ...]:
    """One or several values as a tuple; none of None."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str | Path | Region) else tuple(value)


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
