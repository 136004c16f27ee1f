"""Charts of a series of years as PNGs: areas by year, growth by period, zones, and the maps themselves."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from isamap.gee_export.base.rasters import open_raster
from isamap.inference.years.layers import LEGEND, YearFiles, legend_of
from isamap.inference.years.report import YearsReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from isamap.inference.map_files.legend import Palette

LONGEST_SIDE_PX = 600
MOST_PANELS, MOST_ZONES = 6, 12
DPI = 110
_STYLE: dict[Any, Any] = {  # only new versions of matplotlib name the type of its keys
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
OWN, FILTERED, EXPECTED = "#8c8c8c", "#b5383c", "#1b6ca8"


def areas_by_year(report: YearsReport) -> bytes:
    """Impervious km2 by year: the filter's probabilities summed, its classes, and the maps as they were."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(6.4, 3.2)
        axes.bar(report.years, report.expected_km2, width=_bar(report.years), color=EXPECTED, label="expected")
        axes.plot(report.years, report.own_km2, "o--", color=OWN, label="each map as it was")
        axes.plot(report.years, report.impervious_km2, "_", color=FILTERED, ms=16, mew=2, label="counted as classes")
        axes.set(xticks=report.years, ylabel="impervious, km²")
        axes.set_ylim(0, 1.25 * max(*report.expected_km2, *report.impervious_km2, *report.own_km2, 1e-9))
        axes.legend(loc="upper left", ncols=3, fontsize=8)
        return _png(figure)


def growth_by_period(report: YearsReport) -> bytes:
    """Newly impervious km2 a year in each period between two maps."""
    spans = list(zip(report.years, report.years[1:], strict=False))
    gaps = [later - former for former, later in spans]
    grown = report.zones[0].growth_km2[2 : 2 + len(spans)]
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(6.4, 2.8)
        rates = [km2 / gap for km2, gap in zip(grown, gaps, strict=True)]
        names = [f"{former} to {later}" for former, later in spans]
        colours = legend_of("growth", report.years).colours[2 : 2 + len(spans)]
        bars = axes.bar(names, rates, color=[f"#{colour}" for colour in colours], edgecolor="#666666", width=0.6)
        axes.bar_label(bars, fmt="%.3g", fontsize=8)
        axes.set_ylabel("newly impervious, km² a year")
        axes.margins(y=0.15)
        return _png(figure)


def zones_by_year(report: YearsReport) -> bytes:
    """Share of impervious ground by year in each zone; of many zones those with the most growth."""
    zones = sorted(report.zones[1:], key=lambda zone: zone.expected_km2[0] - zone.expected_km2[-1])[:MOST_ZONES]
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(6.4, 3.4)
        for index, zone in enumerate(zones):
            shares = [100 * km2 / max(zone.mapped_km2, 1e-9) for km2 in zone.expected_km2]
            axes.plot(
                report.years,
                shares,
                "o-",
                ms=4,
                color=matplotlib.colormaps["tab20"](index),
                label=zone.name.replace("$", r"\$").lstrip("_"),
            )
        axes.set(xticks=report.years, ylabel="impervious, % of the mapped ground")
        axes.set_ylim(bottom=0)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
        return _png(figure)


def years_side_by_side(files: YearFiles) -> bytes:
    """The filtered maps of the years, of many the first, the last and some between."""
    count = min(len(files.years), MOST_PANELS)
    years = [files.years[at] for at in np.unique(np.linspace(0, len(files.years) - 1, count).round().astype(int))]
    with matplotlib.rc_context(_STYLE):
        return _png(_panels([files.map_of(year) for year in years], [LEGEND] * len(years), [str(y) for y in years]))


def growth_and_first_year(files: YearFiles) -> bytes:
    """The layers of growth and of the first impervious year side by side."""
    names, titles = ("growth", "first_year"), ("growth", "first impervious year")
    with matplotlib.rc_context(_STYLE):
        legends = [legend_of(name, files.years) for name in names]
        return _png(_panels([files.layer(name) for name in names], legends, titles, keys=True))


def _panels(paths: Sequence[Path], legends: Sequence[Palette], titles: Sequence[str], *, keys: bool = False) -> Figure:
    """Rasters beside each other; keys: each with its own legend, else one for all."""
    pictures = [_read(path) for path in paths]
    columns = min(len(paths), 3 if len(paths) != 4 else 2)
    lines = math.ceil(len(paths) / columns)
    shape = min(max(pictures[0].shape[0] / pictures[0].shape[1], 0.3), 2.5)
    figure, _ = _figure(9.6, (9.6 / columns) * shape * lines + (1.5 if keys else 0.7), rows=lines, columns=columns)
    for axes, value_HW, legend, title in zip(figure.axes, pictures, legends, titles, strict=False):
        _draw(axes, value_HW, legend, title)
        if keys:
            axes.legend(handles=_keys(legend), loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, fontsize=8)
    for axes in figure.axes[len(paths) :]:
        axes.set_axis_off()
    if not keys:
        figure.legend(handles=_keys(legends[0]), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _read(path: Path) -> np.ndarray:
    """The raster's values, at most LONGEST_SIDE_PX a side, from its overviews."""
    with open_raster(path) as file:
        shrink = max(1.0, max(file.shape) / LONGEST_SIDE_PX)
        small = tuple(max(1, round(length / shrink)) for length in file.shape)
        values_HW: np.ndarray = file.read(1, out_shape=small)
    return values_HW


def _draw(axes: Axes, value_HW: np.ndarray, legend: Palette, title: str) -> None:
    colours = np.full((256, 3), 255, np.uint8)
    for value, colour in enumerate(legend.colours):
        colours[value] = list(bytes.fromhex(colour))
    axes.imshow(colours[value_HW], interpolation="nearest")
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _keys(legend: Palette) -> list[Any]:
    from matplotlib.patches import Patch

    entries = [*zip(legend.names, legend.colours, strict=True), ("not known", "ffffff")]
    return [Patch(facecolor=f"#{colour}", edgecolor="#666666", label=name) for name, colour in entries]


def _figure(width: float, height: float, *, rows: int = 1, columns: int = 1) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.subplots(rows, columns)
    return figure, figure.axes[0]


def _bar(years: Sequence[int]) -> float:
    return 0.6 * min(later - former for former, later in itertools.pairwise(years))


def _png(figure: Figure) -> bytes:
    """Without the program's version, so that equal series give equal pictures."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": "isamap"})
    return buffer.getvalue()
