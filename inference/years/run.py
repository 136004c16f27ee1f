"""Maps of several years, filtered into one consistent series: maps, growth, first year, areas and a page."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import check_writable, make_folder, sync, write_json, write_whole
from isamap.gee_export.base.storage import disk_fault
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.zonal import AreaTable, class_areas, share_areas
from isamap.inference.assessment.zones import Zones, read_zones
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.inputs.checks import step_m
from isamap.inference.map_files.map_file import SETTINGS_TAG
from isamap.inference.mapping import job
from isamap.inference.years import layers
from isamap.inference.years.chain import IMPERVIOUS, YearChain
from isamap.inference.years.estimation import MOST_LOSS, Patterns, RateLimits, fit
from isamap.inference.years.growth import growth_names
from isamap.inference.years.layers import POST, YearFiles, YearTally
from isamap.inference.years.report import YearsReport, ZoneAreas
from isamap.inference.years.series import MapSeries, open_series, sampled


def map_years(
    maps: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    by: str | os.PathLike[str] | None = None,
    parameters: str | os.PathLike[str] | None = None,
    loss: float = MOST_LOSS,
    overwrite: bool = False,
) -> YearsReport:
    """A folder of consistent maps of several years, their growth, areas and a page (docs/years.md), and a report.

    maps: what `isamap map` wrote of one place in different years. by: polygons by which areas are counted, too.
    parameters: years.json of another folder of the same years, whose chain is taken; otherwise it is estimated from the
    maps, with at most `loss` of the impervious ground becoming pervious in a year (0: never). With equal parameters a
    pixel becomes the same whatever the maps are cut into. Done, the same call does nothing; a folder of other maps or
    options is replaced only with `overwrite`.

    ValueError: the user's mistakes, each with its remedy. Fault: disk, or another process at the same folder.
    """
    files = _files(maps, checked_argument("out", out, str))
    request = _Request.of(files.series, by, parameters, checked_argument("loss", loss, float))
    earlier = _report_there(files, request, overwrite=overwrite)
    return earlier if earlier is not None else _made(files, request)


@dataclass(frozen=True)
class _Folder(YearFiles):
    """The folder of results together with the series it is made of."""

    series: MapSeries


@dataclass(frozen=True)
class _Request:
    """What decides a folder's content: the maps, the polygons, and where the parameters come from."""

    zones: Zones | None
    chain: YearChain | None
    limits: RateLimits
    fingerprint: str

    @classmethod
    def of(cls, series: MapSeries, by: Any, parameters: Any, loss: float) -> _Request:
        limits = RateLimits(most_loss=loss)
        chain = None if parameters is None else read_chain(Path(parameters), series.years)
        grid = series.geobox
        facts = {
            "version": layers.VERSION,
            "maps": [each.tags[SETTINGS_TAG] for each in series.maps],
            "grid": [str(grid.crs), list(grid.affine)[:6], list(grid.shape)],
            "by": None if by is None else _digest(Path(by)),
            "parameters": asdict(limits) if chain is None else chain.to_json(),
        }
        zones = None if by is None else read_zones(Path(by))
        return cls(zones, chain, limits, job.fingerprint(facts))


def read_chain(path: Path, years: Sequence[int]) -> YearChain:
    """The chain kept in a years.json; ValueError where the file holds none, or one of other years."""
    try:
        chain = YearChain.from_json(json.loads(path.read_bytes())["chain"])
    except OSError as error:
        raise ValueError(
            f"--parameters {path}: {error.strerror}; give years.json of a folder of `isamap years`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"--parameters {path} is no years.json of `isamap years` ({error})") from error
    if chain.years != tuple(years):
        listed = [", ".join(map(str, each)) for each in (chain.years, years)]
        raise ValueError(f"--parameters {path} is of the years {listed[0]}, the maps of {listed[1]}: leave it out")
    return chain


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"--by {path}: {error.strerror}; give a vector file of polygons") from error


def _files(maps: Sequence[str | os.PathLike[str]], out: str) -> _Folder:
    """The folder of results; ValueError where it is a file or holds the maps themselves."""
    series, folder = open_series(maps), Path(out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out {folder} is a file: give a folder, such as {folder.with_suffix('')}-years")
    files = _Folder(folder, series.years, series)
    results = {path.resolve() for path in files.every}
    for each in series.maps:
        if any(path.resolve() in results for path in each.files):
            raise ValueError(f"--out {folder} would replace {each.path}, one of the maps: choose another folder")
    return files


def _report_there(files: _Folder, request: _Request, *, overwrite: bool) -> YearsReport | None:
    """The report of a folder that already holds all; None where it is to be made; ValueError where it holds others."""
    if overwrite:
        return None
    if not files.facts.exists():
        strange = next((path for path in files.every if path.exists() and not _is_ours(path)), None)
        if strange is None:
            return None
        raise ValueError(f"{strange} is not of `isamap years`: choose another --out, or replace it with --overwrite")
    try:
        facts = json.loads(files.facts.read_bytes())
        report, former = facts["report"], facts["request"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{files.facts} is damaged: make it again with --overwrite") from error
    if former != request.fingerprint:
        raise ValueError(
            f"{files.folder} holds years of other maps or options: choose another --out, or replace it with --overwrite"
        )
    if not all(path.exists() for path in files.every):
        return None
    return replace(YearsReport.from_json(report, files.folder), already_there=True, seconds=0.0)


def _is_ours(path: Path) -> bool:
    """Whether a file was left by a command that ended before it could write its facts."""
    if path.suffix != ".tif":
        return True
    from rasterio.errors import RasterioError

    from isamap.gee_export.base.rasters import open_raster

    try:
        with open_raster(path) as file:
            return "years" in file.tags() or file.tags().get("post") == POST
    except (RasterioError, ValueError):
        return False


def _made(files: _Folder, request: _Request) -> YearsReport:
    from isamap.inference.years import page

    begun, series = time.monotonic(), files.series
    check_writable(files.facts)
    # Estimated before the folder is touched: maps of which nothing is known leave it as it was.
    chain = request.chain or fit(Patterns.of(sampled(series), series.years), request.limits).chain
    try:
        make_folder(files.folder)
        _forget(files)
    except OSError as error:
        raise disk_fault(files.folder, error) from error
    with job.started(files.folder, {"request": request.fingerprint}) as work:
        tally = layers.write(series, chain, files, work)
        report = _report(files, chain, tally, request.zones)
        write_whole(files.report, page.page(report, files))
        timed = replace(report, seconds=time.monotonic() - begun)
        facts = {"version": layers.VERSION, "request": request.fingerprint, "chain": chain.to_json()}
        write_json(files.facts, facts | {"report": report.to_json()})
    return timed


def _forget(files: _Folder) -> None:
    """Removes former facts, which a kill would leave beside the new maps, and before them maps of other years."""
    if not files.facts.exists():
        return
    try:
        former = tuple(int(year) for year in json.loads(files.facts.read_bytes())["chain"]["years"])
    except (ValueError, KeyError, TypeError):
        former = ()
    for path in sorted({*YearFiles(files.folder, former).every} - {*files.every}):
        path.unlink(missing_ok=True)
    files.facts.unlink()
    sync(files.folder)


def _report(files: _Folder, chain: YearChain, tally: YearTally, zones: Zones | None) -> YearsReport:
    series = files.series
    # Counted on the written files: what is reported is then what the reader of a map counts.
    areas = _zone_areas(files, None) + (() if zones is None else _zone_areas(files, zones))
    known_pixels = max(tally.known_pixels, 1)
    pixel_km2 = areas[0].mapped_km2 / known_pixels
    return YearsReport(
        path=files.folder,
        years=series.years,
        shape=(series.geobox.shape[0], series.geobox.shape[1]),
        step_m=step_m(series.geobox),
        impervious_km2=areas[0].impervious_km2,
        own_km2=_listed(tally.own_T * pixel_km2),
        expected_km2=areas[0].expected_km2,
        unknown_share=_listed(tally.unknown_T / known_pixels),
        year_error=_listed(chain.error_T),
        back_share=(float(tally.reversals[0] / known_pixels), float(tally.reversals[1] / known_pixels)),
        gain=chain.gain,
        loss=chain.loss,
        growth_classes=growth_names(series.years),
        zones=areas,
        simulated_parts=series.simulated_parts,
        notes=(*series.notes, *(() if zones is None else zones.notes)),
    )


def _zone_areas(files: _Folder, zones: Zones | None) -> tuple[ZoneAreas, ...]:
    """Areas counted on the written files, on the ellipsoid; of the whole map where there are no zones."""
    by_year = [class_areas(path, zones) for path in files.maps]
    expected = [share_areas(path, zones) for path in files.maps]
    growth: AreaTable = class_areas(open_class_map(files.layer("growth"), growth_names(files.years)), zones)
    return tuple(
        ZoneAreas(
            name,
            _listed([table.km2[at, IMPERVIOUS] for table in by_year]),
            _listed(growth.km2[at]),
            float(growth.known_km2[at]),
            _listed([km2[at] for km2 in expected]),
        )
        for at, name in enumerate(growth.zones)
    )


def _listed(values: Sequence[float] | np.ndarray | Mapping) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
