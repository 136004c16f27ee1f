"""The files of a series of years: a map of each year as `isamap map` writes them, and layers of its growth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.storage import disk_fault
from isamap.inference.map_files import cog
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.map_file import SETTINGS_TAG, MapFile, probability_of, sidecar_of
from isamap.inference.mapping import job
from isamap.inference.years import growth
from isamap.inference.years.chain import YearChain
from isamap.inference.years.growth import Filtered, filtered
from isamap.inference.years.series import MapSeries, YearRows

VERSION = 1  # of the way maps of years are filtered
POST = "years"  # what the maps' tag `post` says
LEGEND = Legend(("pervious", "impervious"))
# of each map, what says when and from what it was made
OWN_TAGS = ("period", "period_start", "period_end", "scenes")
LAYERS = ("first_year", "first_year_earliest", "first_year_latest", "growth")


@dataclass(frozen=True)
class LayerLegend:
    """What the values of a layer mean: names and colours (RRGGBB) by value, and the band's name."""

    names: tuple[str, ...]
    colours: tuple[str, ...]
    band: str


def legend_of(layer: str, years: Sequence[int]) -> LayerLegend:
    """What the values of one of LAYERS mean."""
    if layer == "growth":
        return LayerLegend(growth.growth_names(years), growth.growth_colours(years), layer)
    return LayerLegend(growth.first_names(years), growth.first_colours(years), layer)


@dataclass(frozen=True)
class YearFiles:
    """Where the results of a series lie in a folder."""

    folder: Path
    years: tuple[int, ...]

    def map_of(self, year: int) -> Path:
        """The filtered map of a year."""
        return self.folder / f"{year}.tif"

    def layer(self, name: str) -> Path:
        """One of LAYERS."""
        return self.folder / f"{name}.tif"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.folder / "report.html"

    @property
    def facts(self) -> Path:
        """The parameters, areas and settings as JSON; written last, so where it is there all others are."""
        return self.folder / "years.json"

    @property
    def maps(self) -> tuple[Path, ...]:
        """The filtered maps in order of their years."""
        return tuple(self.map_of(year) for year in self.years)

    @property
    def every(self) -> list[Path]:
        """All files, the facts last."""
        maps = [path for each in self.maps for path in (probability_of(each), sidecar_of(each), each)]
        named = [path for name in LAYERS for path in (sidecar_of(self.layer(name)), self.layer(name))]
        return [*maps, *named, self.report, self.facts]


@dataclass
class YearTally:
    """Sums over the pixels that pass by: what the report compares.

    expected_T: sum of the filter's probabilities, pixels. own_T, path_T: impervious pixels of each map as it was and
    filtered. unknown_T: pixels that a year's own map does not know. reversals: pixels (of the maps as they were,
    filtered) that go back from impervious to pervious. known_pixels: those that any year knows.
    """

    expected_T: np.ndarray
    own_T: np.ndarray
    path_T: np.ndarray
    unknown_T: np.ndarray
    reversals: np.ndarray
    known_pixels: int = 0

    @classmethod
    def of(cls, years: int) -> YearTally:
        """Nothing counted yet."""
        own_T, path_T, unknown_T = np.zeros((3, years), np.int64)
        return cls(np.zeros(years), own_T, path_T, unknown_T, np.zeros(2, np.int64))

    def add(self, own_TN: np.ndarray, result: Filtered) -> None:
        """Counts some pixels; own_TN: 1 where a year's own map says impervious, 0 pervious, 255 not known."""
        self.expected_T += np.nansum(result.expected_TN, axis=1)
        self.own_T += (own_TN == 1).sum(axis=1)
        self.path_T += (result.class_TN == 1).sum(axis=1)
        known_N = result.first_N != UNKNOWN
        self.unknown_T += (own_TN == UNKNOWN)[:, known_N].sum(axis=1)
        self.reversals += [int(goes_back(classes_TN).sum()) for classes_TN in (own_TN, result.class_TN)]
        self.known_pixels += int(known_N.sum())


def goes_back(class_TN: np.ndarray) -> np.ndarray:
    """Pixels that are impervious in one year and pervious in a later one, bool (N,)."""
    seen_N = np.zeros(class_TN.shape[1], bool)
    back_N = np.zeros(class_TN.shape[1], bool)
    for class_N in class_TN:
        back_N |= seen_N & (class_N == 0)
        seen_N |= class_N == 1
    return back_N


def own_classes(rows: YearRows, impervious: int) -> np.ndarray:
    """1 where a year's own map says impervious, 0 elsewhere, 255 where it does not know; uint8 (years, N)."""
    class_TN = rows.class_THW.reshape(len(rows.class_THW), -1)
    return np.where(class_TN == UNKNOWN, UNKNOWN, class_TN == impervious).astype(np.uint8)


def write(series: MapSeries, chain: YearChain, files: YearFiles, work: Path) -> YearTally:
    """Filters the series and writes its maps and layers; what was counted on the way.

    work: a folder on the disk of `files`, for rows before they become files. Fault: disk full.
    """
    width = series.geobox.shape[1]
    names = [*(str(year) for year in series.years), *LAYERS]
    rows_of = {name: cog.RowsFile(work / name / "rows.u8", width) for name in names}
    try:
        for rows in rows_of.values():
            rows.path.parent.mkdir(exist_ok=True)
            rows.path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_fault(work, error) from error
    tally = YearTally.of(len(series.years))
    for piece in series.rows():
        shape = piece.share_THW.shape
        result = filtered(piece.share_THW.reshape(shape[0], -1), chain)
        tally.add(own_classes(piece, series.legend.impervious), result)
        for name, values_2N in _values(series.years, result):
            rows_of[name].append(values_2N.reshape(2, *shape[1:]))
    _convert(series, chain, files, rows_of)
    return tally


def _values(years: Sequence[int], result: Filtered):
    """Name and two numbers a pixel of each file."""
    for at, year in enumerate(years):
        yield str(year), np.stack([result.class_TN[at], result.share_TN[at]])
    layers = (result.first_N, result.earliest_N, result.latest_N, result.growth_N)
    for name, value_N in zip(LAYERS, layers, strict=True):
        yield name, np.stack([value_N, np.zeros_like(value_N)])


def _convert(series: MapSeries, chain: YearChain, files: YearFiles, rows_of: Mapping[str, cog.RowsFile]) -> None:
    settings = settings_of(series, chain)
    for each, year in zip(series.maps, series.years, strict=True):
        head = cog.MapInfo(series.geobox, LEGEND, map_tags(series, each, settings))
        cog.write(rows_of[str(year)], head, files.map_of(year))
    for name in LAYERS:
        info = cog.LayerInfo(series.geobox, legend_of(name, series.years), layer_tags(series, settings))
        cog.write_layer(rows_of[name], info, files.layer(name))


def settings_of(series: MapSeries, chain: YearChain) -> dict[str, Any]:
    """All that decides the files of a series: equal settings, equal files."""
    grid = series.geobox
    return {
        "version": VERSION,
        "maps": [each.tags[SETTINGS_TAG] for each in series.maps],
        "grid": [str(grid.crs), list(grid.affine)[:6], list(grid.shape)],
        "chain": chain.to_json(),
    }


def map_tags(series: MapSeries, each: MapFile, settings: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a filtered map, as docs/reference/formats.md, "Map" has them."""
    own = {name: each.tags[name] for name in OWN_TAGS if name in each.tags}
    tags = _shared(series) | own | {"classes": ",".join(LEGEND.names), "post": POST}
    return tags | {SETTINGS_TAG: job.fingerprint({**settings, "map": each.tags[SETTINGS_TAG]})}


def layer_tags(series: MapSeries, settings: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a layer."""
    return _shared(series) | {SETTINGS_TAG: job.fingerprint(settings)}


def _shared(series: MapSeries) -> dict[str, str]:
    """What all maps of the series say alike, and its years; no threshold, as paths decide the classes."""
    first = series.maps[0].tags
    alike = {name: text for name, text in first.items() if all(each.tags.get(name) == text for each in series.maps)}
    for name in (*OWN_TAGS, "classes", "threshold", "post", "post_threshold", SETTINGS_TAG, "AREA_OR_POINT"):
        alike.pop(name, None)
    parts = series.simulated_parts
    alike |= {"simulated": "true" if parts else "false", "years": ",".join(map(str, series.years))}
    alike |= {"simulated_parts": ", ".join(parts)} if parts else {}
    for name in ("model", "checkpoint"):  # a map names both; where they differ by year, the years' own maps say which
        alike.setdefault(name, "several")
    return alike
