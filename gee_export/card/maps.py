"""Maps of a dataset: footprints by split over the mean image, and where pixels are missing."""

from __future__ import annotations

import numpy as np
import shapely

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.card import drawing
from isamap.gee_export.card.card import Card
from isamap.gee_export.card.mosaic import CardMosaic
from isamap.gee_export.card.survey import CardSurvey
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.datasets.manifest import Grid

_SIDE_IN = 6.0


def footprints(card: Card, data: Dataset, survey: CardSurvey) -> bytes:
    """A PNG with every region: its patches' outlines in their split's colour over their mean image."""
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

    made, panels = _panels(card, data, survey, "footprints")
    for region, ax in panels.items():
        grid, mosaic = data.manifest.grids[region], survey.mosaics[region]
        _background(ax, grid, mosaic)
        for split in SPLITS:
            colour = drawing.SPLIT_COLOURS[split]
            boxes = [_box(data, patch) for patch in data.in_split(split) if patch.region == region]
            single = [box.exterior.coords for box in boxes]
            ground = [polygon.exterior.coords for polygon in shapely.get_parts(shapely.union_all(boxes))]
            ax.add_collection(PolyCollection(single, facecolors="none", edgecolors=colour, linewidths=0.3, alpha=0.6))
            ax.add_collection(PolyCollection(ground, facecolors="none", edgecolors=colour, linewidths=1.6))
        _frame(ax, data, region)
    present = [split for split in SPLITS if data.in_split(split)]
    lines = [Line2D([], [], color=drawing.SPLIT_COLOURS[split], linewidth=2) for split in present]
    made.legend(
        lines, [f"{s}: {len(data.in_split(s)):,} patches" for s in present], loc="outside lower center", ncols=3
    )
    return drawing.png(made)


def missing(card: Card, data: Dataset, survey: CardSurvey) -> bytes:
    """A PNG with every region: share of pixels at which some band is missing."""
    made, panels = _panels(card, data, survey, "missing data")
    for region, ax in panels.items():
        grid, mosaic = data.manifest.grids[region], survey.mosaics[region]
        drawn = ax.imshow(
            mosaic.missing[-1], extent=_extent(grid, mosaic), cmap="magma_r", vmin=0, vmax=1, interpolation="nearest"
        )
        _frame(ax, data, region)
        bar = made.colorbar(drawn, ax=ax, shrink=0.6, aspect=30, pad=0.02)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        bar.set_label("pixels at which a band is missing")
        bar.outline.set_visible(False)
    return drawing.png(made)


def _panels(card: Card, data: Dataset, survey: CardSurvey, title: str):
    regions = [region for region in data.manifest.grids if region in survey.mosaics]
    columns = min(len(regions), 3) or 1
    rows = -(-len(regions) // columns) or 1
    side = _SIDE_IN if columns == 1 else 4.2
    made = drawing.figure(card, title, (side * columns + 0.8, side * rows + 0.7))
    all_axes = made.subplots(rows, columns, squeeze=False)
    drawing.hide_rest(all_axes, len(regions))
    return made, dict(zip(regions, all_axes.ravel(), strict=False))


def _background(ax, grid: Grid, mosaic: CardMosaic) -> None:
    """The mean image in pale colours, so that outlines stand out."""
    means = np.moveaxis(mosaic.means[:-1], 0, -1)
    seen = ~np.isnan(means).any(axis=-1)
    if not seen.any():
        return
    limits = [tuple(np.nanquantile(means[..., band], (0.02, 0.98))) for band in range(means.shape[-1])]
    painted = 0.35 + 0.65 * drawing.stretched(means, limits) ** 0.75
    painted[~seen] = 1.0
    ax.imshow(painted, extent=_extent(grid, mosaic), interpolation="nearest")


def _extent(grid: Grid, mosaic: CardMosaic) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of the mosaic in the grid's units; the mosaic may reach past the grid's far sides."""
    height, width = mosaic.pixels.shape
    left, top = grid.geobox.affine * (0, 0)
    right, bottom = grid.geobox.affine * (width * mosaic.step, height * mosaic.step)
    return left, right, bottom, top


def _box(data: Dataset, patch: Patch) -> shapely.Polygon:
    return shapely.box(*data.geobox(patch).boundingbox.bbox)


def _frame(ax, data: Dataset, region: str) -> None:
    """The patches' surroundings with a graticule in kilometres."""
    boxes = [data.geobox(patch).boundingbox for patch in data.patches if patch.region == region]
    left, right = min(box.left for box in boxes), max(box.right for box in boxes)
    bottom, top = min(box.bottom for box in boxes), max(box.top for box in boxes)
    margin = 0.03 * max(right - left, top - bottom)
    ax.set(xlim=(left - margin, right + margin), ylim=(bottom - margin, top + margin), aspect="equal")
    crs = crs_of(data.manifest.grids[region].geobox)
    unit, divisor = ("km", 1000) if crs.projected else ("°", 1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value / divisor:,.6g}")
    ax.set(xlabel=f"east ({unit})", ylabel=f"north ({unit})")
    ax.tick_params(labelsize=7.5)
    ax.grid(color="#000000", alpha=0.12, linewidth=0.5)
    ax.set_title(f"{region}, EPSG:{crs.epsg}" if crs.epsg else region, loc="left")
