"""Pictures that a person understands: a map with legend, scale bar and coordinates, and panels beside its inputs."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window as RioWindow

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.storage import write_whole
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.inputs.checks import ground_step_m
from isamap.inference.map_files.legend import PROB_STEPS, Legend
from isamap.inference.map_files.map_file import MapFile, holds_shares, open_map
from isamap.inference.map_files.simulation import INPUT, TRAINING, parts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from isamap.gee_export.datasets.dataset import Dataset

# Twice what a panel has at DPI: overviews are averaged once more by the drawing.
LONGEST_SIDE_PX = 1400
PANEL_SIDE_PX = 512
UNKNOWN_COLOUR = "ffffff"
TICKS = 4
DPI = 130
# simulated parts -> a line of the title
SIMULATED = {
    (): "",
    (INPUT,): "simulated: says nothing about the real place",
    (TRAINING,): "by a network that learned from simulated images",
    (INPUT, TRAINING): "simulated: says nothing about the real place",
}
# Fixed, so that pictures of two places or dates can be compared.
VV_DB, VH_DB, RATIO_DB = (-18.0, 2.0), (-25.0, -4.0), (2.0, 14.0)


@dataclass(frozen=True)
class Picture:
    """A written picture; prints as its path."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


def view(path: str | os.PathLike[str], *, out: str | os.PathLike[str]) -> Picture:
    """A PNG of the map and of its probabilities; large maps are read through their overviews."""
    target, map_file = _png(out), open_map(checked_argument("path", path, str))
    values_2HW, geobox = map_file.shrunk(LONGEST_SIDE_PX)
    left, right = (figure := _figure(1, 2, geobox)).axes
    _draw_classes(left, values_2HW[0], map_file.legend)
    left.set_title("impervious surface" if map_file.legend.binary else "land cover", fontsize=10)
    _draw_probability(figure, right, values_2HW[1])
    numbers = "impervious share of a pixel" if holds_shares(map_file.tags) else "probability of impervious"
    right.set_title(numbers, fontsize=10)
    for axes in (left, right):
        _coordinates(axes, geobox)
    _scale_bar(left, geobox)
    figure.suptitle(_title(map_file, values_2HW[0]), fontsize=12)
    return _saved(figure, target)


def figure_panels(
    data: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    side_px: int = PANEL_SIDE_PX,
) -> Picture:
    """A PNG of four panels of the same ground: Sentinel-2, Sentinel-1, label and map.

    `data` is a patch dataset whose patches lie on the map's grid; the middle of what both cover is drawn, at most
    side_px pixels a side. ValueError where they do not overlap.
    """
    from isamap.gee_export.datasets.dataset import Dataset

    target, map_file = _png(out), open_map(checked_argument("path", path, str))
    dataset = Dataset.open(checked_argument("data", data, str))
    places = _places(dataset, map_file.geobox)
    window = _shared_middle(places, dataset.manifest.size, map_file.geobox, side_px)
    class_HW = map_file.classes.read(window=window)
    shown = map_file.geobox[window.toslices()]
    image_BHW, label_HW = _mosaic(dataset, places, window)
    figure = _figure(2, 2, shown)
    period = _period(dataset, next(iter(places)))
    titles = _draw_inputs(figure.axes[:2], image_BHW, dataset.manifest.band_names, period)
    _draw_classes(figure.axes[2], label_HW, map_file.legend)
    _draw_classes(figure.axes[3], class_HW, map_file.legend)
    for axes, title in zip(figure.axes, [*titles, _label_title(dataset), _map_title(map_file)], strict=False):
        axes.set_title(title, fontsize=10)
        _coordinates(axes, shown)
    _scale_bar(figure.axes[3], shown)
    figure.suptitle(_title(map_file, class_HW), fontsize=12)
    return _saved(figure, target)


def _png(out: str | os.PathLike[str]) -> Path:
    path = Path(checked_argument("out", out, str))
    if path.suffix.lower() != ".png":
        raise ValueError(f"--out {path}: pictures are PNG, give a name that ends in .png")
    return path


def _figure(rows: int, cols: int, geobox: GeoBox) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = geobox.shape
    side = 5.6 if rows == 1 else 4.6
    shape = min(max(height / width, 0.3), 2.5)
    figure = Figure(figsize=(side * cols + 0.6, side * shape * rows + 1.1), layout="constrained")
    FigureCanvasAgg(figure)
    figure.subplots(rows, cols)
    return figure


def _draw_classes(axes: Axes, class_HW: np.ndarray, legend: Legend) -> None:
    from matplotlib.patches import Patch

    colours = np.full((256, 3), 255, np.uint8)
    for value, colour in enumerate(legend.colours):
        colours[value] = list(bytes.fromhex(colour))
    axes.imshow(colours[class_HW], interpolation="nearest")
    entries = list(zip(legend.names, legend.colours, strict=True))
    if (class_HW == UNKNOWN).any():
        entries.append(("not known", UNKNOWN_COLOUR))
    handles = [Patch(facecolor=f"#{colour}", edgecolor="#666666", label=name) for name, colour in entries]
    axes.legend(handles=handles, loc="upper right", fontsize=8, framealpha=0.9)


def _draw_probability(figure: Figure, axes: Axes, share_HW: np.ndarray) -> None:
    shown = np.ma.masked_equal(share_HW, UNKNOWN) / PROB_STEPS
    drawn = axes.imshow(shown, cmap="magma", vmin=0, vmax=1, interpolation="nearest")
    axes.set_facecolor(f"#{UNKNOWN_COLOUR}")
    figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02)


def _draw_inputs(pair: Sequence[Axes], image_BHW: np.ndarray, names: Sequence[str], period: str) -> list[str]:
    """Sentinel-2 in true colour and Sentinel-1 as VV, VH and their ratio; the panels' titles."""
    pair[0].imshow(_true_colour(image_BHW, names))
    pair[1].imshow(_radar_colour(image_BHW, names))
    optical = "Sentinel-2 true colour" + (", white: no clear view" if np.isnan(image_BHW).any() else "")
    return [f"{optical} ({period})", f"Sentinel-1: VV red, VH green, VV/VH blue ({period})"]


def _true_colour(image_BHW: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """B4, B3, B2 (or the first band three times) stretched from the 2nd to the 98th percentile; white where missing."""
    visible = [name for name in ("B4", "B3", "B2") if name in names]
    picked = [names.index(name) for name in visible] if len(visible) == 3 else [0, 0, 0]
    rgb_HWC = image_BHW[picked].transpose(1, 2, 0)
    valid_HW = np.isfinite(rgb_HWC).all(axis=2)
    # Percentiles: one glint would else make all the rest dark.
    low, high = np.percentile(rgb_HWC[valid_HW], [2, 98]) if valid_HW.any() else (0.0, 1.0)
    return _white_where_missing((rgb_HWC - low) / max(high - low, 1e-9), valid_HW)


def _radar_colour(image_BHW: np.ndarray, names: Sequence[str]) -> np.ndarray:
    if not {"VV", "VH"} <= set(names):
        return np.ones((*image_BHW.shape[1:], 3))
    vv_db, vh_db = image_BHW[names.index("VV")], image_BHW[names.index("VH")]
    parts = ((vv_db, VV_DB), (vh_db, VH_DB), (vv_db - vh_db, RATIO_DB))
    rgb_HWC = np.stack([(value - low) / (high - low) for value, (low, high) in parts], axis=2)
    return _white_where_missing(rgb_HWC, np.isfinite(rgb_HWC).all(axis=2))


def _white_where_missing(rgb_HWC: np.ndarray, known_HW: np.ndarray) -> np.ndarray:
    return np.where(known_HW[:, :, None], np.clip(np.nan_to_num(rgb_HWC), 0, 1), 1.0)


def _places(dataset: Dataset, geobox: GeoBox) -> dict[str, tuple[int, int]]:
    """Row and column on the map of each patch of the first period that touches it; ValueError where grids differ."""
    places, size = {}, dataset.manifest.size
    first = dataset.manifest.periods[0]["label"]
    for patch in (patch for patch in dataset.patches if patch.period == first):
        grid = dataset.geobox(patch)
        col, row = ~geobox.affine * (grid.affine.c, grid.affine.f)
        if (
            str(crs_of(grid).to_epsg()) != str(crs_of(geobox).to_epsg())
            or max(abs(row - round(row)), abs(col - round(col))) > 0.01
        ):
            raise ValueError(f"patches of {dataset.storage.url} lie on another grid than the map: map the same region")
        row, col = round(row), round(col)
        if -size < row < geobox.shape[0] and -size < col < geobox.shape[1]:
            places[patch.id] = (row, col)
    if not places:
        raise ValueError(f"no patch of {dataset.storage.url} lies on the map: map the same region")
    return places


def _shared_middle(places: dict[str, tuple[int, int]], size: int, geobox: GeoBox, side_px: int) -> RioWindow:
    """The middle of the patches' common rectangle on the map, at most side_px a side."""
    spans = []
    for axis, length in enumerate(geobox.shape):
        starts = [corner[axis] for corner in places.values()]
        first, last = max(min(starts), 0), min(max(starts) + size, length)
        shorter = min(side_px, last - first)
        start = (first + last - shorter) // 2
        spans.append((start, start + shorter))
    return RioWindow.from_slices(*spans)


def _mosaic(dataset: Dataset, places: dict[str, tuple[int, int]], window: RioWindow) -> tuple[np.ndarray, np.ndarray]:
    """Physical values (NaN where missing; for drawing only) and labels of the patches under the window."""
    bands = dataset.manifest.bands
    image_BHW = np.full((len(bands), window.height, window.width), np.nan, np.float32)
    label_HW = np.full((window.height, window.width), UNKNOWN, np.uint8)
    for name, (row, col) in places.items():
        top, left = row - window.row_off, col - window.col_off
        rows, inner_rows = _shared(top, dataset.manifest.size, window.height)
        cols, inner_cols = _shared(left, dataset.manifest.size, window.width)
        if rows.stop <= rows.start or cols.stop <= cols.start:
            continue
        stored = dataset.read_image(name)[:, inner_rows, inner_cols]
        for band_index, band in enumerate(bands):
            physical = stored[band_index] * band.scale + band.offset
            image_BHW[band_index, rows, cols] = np.where(stored[band_index] == band.nodata, np.nan, physical)
        if dataset.manifest.label is not None:
            label_HW[rows, cols] = dataset.read_label(name)[inner_rows, inner_cols]
    return image_BHW, label_HW


def _shared(start: int, size: int, length: int) -> tuple[slice, slice]:
    """Where [start, start + size) lies in [0, length), and the same pixels counted from `start`."""
    first, last = max(start, 0), min(start + size, length)
    return slice(first, last), slice(first - start, last - start)


def _period(dataset: Dataset, patch: str) -> str:
    """When the patch's pixels were taken, as 2019-06."""
    label = next(candidate.period for candidate in dataset.patches if candidate.id == patch)
    return f"{label[:4]}-{label[4:6]}" + (f", {int(label[7:])} months" if "p" in label else "")


def _map_title(map_file: MapFile) -> str:
    return f"map ({', '.join(tag for tag in (map_file.tags['model'], map_file.tags.get('period')) if tag)})"


def _label_title(dataset: Dataset) -> str:
    label: Any = dataset.manifest.label
    return "no label" if label is None else f"label ({label.get('product', 'label')} {label.get('year', '')})".strip()


def _title(map_file: MapFile, class_HW: np.ndarray) -> str:
    known_HW = class_HW != UNKNOWN
    share = np.mean(class_HW[known_HW] == map_file.legend.impervious) if known_HW.any() else 0.0
    subject = map_file.tags.get("region") or map_file.tags.get("input") or map_file.path.stem
    lines = " ".join(line for line in (subject, map_file.tags.get("period", "")) if line)
    real = SIMULATED[parts_of(map_file.tags)]
    return "\n".join(line for line in (f"{lines}: {share:.0%} impervious", real) if line)


def _coordinates(axes: Axes, geobox: GeoBox) -> None:
    """Longitudes below and latitudes at the left, at round values along those edges."""
    height, width = geobox.shape
    to_degrees = Transformer.from_crs(crs_of(geobox).to_wkt(), 4326, always_xy=True)
    along = np.linspace(0, 1, 101)
    lon, _ = to_degrees.transform(*(geobox.affine * (along * width, np.full(101, float(height)))))
    _, lat = to_degrees.transform(*(geobox.affine * (np.zeros(101), along * height)))
    for axis, degrees, length, words in ((axes.xaxis, lon, width, "EW"), (axes.yaxis, lat, height, "NS")):
        values, digits = _round_values(float(min(degrees)), float(max(degrees)))
        # np.interp needs rising numbers, and latitudes fall along the rows.
        order = np.argsort(degrees)
        at = np.interp(values, np.asarray(degrees)[order], along[order]) * length - 0.5
        axis.set_ticks(at, [f"{abs(v):.{digits}f}°{words[int(v < 0)]}" for v in values], fontsize=7)


def _round_values(low: float, high: float) -> tuple[np.ndarray, int]:
    """About TICKS round numbers inside low..high, and the digits that tell them apart."""
    rough = max(high - low, 1e-9) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    values = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    return values, max(0, -math.floor(math.log10(step) + 1e-9))


def _scale_bar(axes: Axes, geobox: GeoBox) -> None:
    """A bar of a round length, about a fifth of the width, at the lower left."""
    height, width = geobox.shape
    step_m = ground_step_m(geobox)[1]
    rough = width * step_m / 4
    power = 10.0 ** math.floor(math.log10(rough))
    length_m = max(factor * power for factor in (1, 2, 5) if factor * power <= rough)
    words = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    left, bottom = width * 0.04, height * 0.95
    # White below black, to be read on any ground.
    for colour, thickness in (("white", 6), ("black", 3)):
        axes.plot([left, left + length_m / step_m], [bottom, bottom], color=colour, lw=thickness, solid_capstyle="butt")
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
    axes.text(
        left + length_m / step_m / 2, bottom - height * 0.02, words, ha="center", va="bottom", fontsize=8, bbox=box
    )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _saved(figure: Figure, path: Path) -> Picture:
    """Written whole; without the program's version, so that equal maps give equal pictures."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": "isamap"})
    write_whole(path, buffer.getvalue())
    return Picture(path)
