"""A contact sheet: some patches of each split, every layer side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.card import drawing
from isamap.gee_export.card.card import Card, class_names
from isamap.gee_export.card.rasters import CardRaster
from isamap.gee_export.card.survey import CardSurvey, colours
from isamap.gee_export.datasets.dataset import Dataset, Patch

_MOST_PX = 320  # of a side that is drawn
_CELL_IN = 1.12
# Fixed, unlike the optical bands': decibels of two datasets can then be compared by eye.
_RADAR_LIMITS = {"VV": (-20.0, 2.0), "VH": (-26.0, -6.0), "HH": (-20.0, 2.0), "HV": (-26.0, -6.0)}
# Brightens shadows and vegetation, which reflect little.
_GAMMA = 0.75


def sheet(card: Card, data: Dataset, survey: CardSurvey) -> bytes:
    """A PNG: two patches a row, from each split those of least to most impervious ground."""
    patches = [patch for patch in data.patches if patch.id in survey.sheet_rasters]
    patches.sort(key=lambda p: (("train", "val", "test").index(p.split), p.impervious_share or 0.0, p.id))
    panels = [list(_panels(data, survey, survey.sheet_rasters[patch.id])) for patch in patches]
    widest = max((len(row) for row in panels), default=1)
    across = 2 if widest <= 4 else 1
    rows = max(-(-len(patches) // across), 1)
    made = drawing.figure(
        card, "contact sheet", (0.4 + across * widest * _CELL_IN * 1.04, 0.5 + rows * _CELL_IN * 1.28)
    )
    all_axes = made.subplots(rows, across * widest, squeeze=False)
    for ax in all_axes.ravel():
        ax.set_axis_off()
    for patch_index, (patch, row) in enumerate(zip(patches, panels, strict=True)):
        row_index, side = (patch_index // across, patch_index % across) if across == 2 else (patch_index, 0)
        for column, (title, image) in enumerate(row):
            ax = all_axes[row_index, side * widest + column]
            ax.set_axis_on()
            drawing.show(ax, image, _caption(patch) if column == 0 else title)
            if column == 0:
                ax.title.set(ha="left", x=0, color=drawing.SPLIT_COLOURS[patch.split], fontweight="bold")
    return drawing.png(made)


def _caption(patch: Patch) -> str:
    share = "" if patch.impervious_share is None else f" {patch.impervious_share:.0%}"
    return f"{patch.split}{share}  r{patch.row} c{patch.col}"


def _panels(data: Dataset, survey: CardSurvey, layers: dict[str, CardRaster]):
    image = layers["image"]
    names = [band.name for band in image.bands]
    if optical := [name for name in names if name not in _RADAR_LIMITS]:
        shown = colours(optical)
        yield "true colour", _colours(image, shown, [_limits(survey, "image", name) for name in shown])
    radar = [name for name in ("VV", "VH", "HH", "HV") if name in names][:2]
    if radar:
        yield " / ".join(radar), _radar(image, radar)
    names_of = class_names(data.manifest.label)
    panels: Sequence[tuple[str, str, Callable[[CardRaster], np.ndarray]]] = (
        ("labels", "label", lambda raster: _classes(raster, names_of)),
        ("shares", "impervious %", _shares),
        ("fine", "finer image", lambda raster: _fine(survey, raster)),
        ("fine_labels", "finer label", lambda raster: _classes(raster, names_of)),
        ("frames", "a dated frame", lambda raster: _dated(survey, raster)),
    )
    for layer, title, draw in panels:
        if layer in layers:
            yield title, draw(layers[layer])


def _fine(survey: CardSurvey, raster: CardRaster) -> np.ndarray:
    shown = colours([band.name for band in raster.bands])
    return _colours(raster, shown, [_limits(survey, "fine", name) for name in shown])


def _dated(survey: CardSurvey, raster: CardRaster) -> np.ndarray:
    shown = colours([band.name for band in raster.bands if band.name not in _RADAR_LIMITS] or [raster.bands[0].name])
    return _colours(raster, shown, [_limits(survey, "image", name) for name in shown])


def _limits(survey: CardSurvey, layer: str, name: str) -> tuple[float, float]:
    histogram = survey.histogram(layer, name)
    if histogram is None:
        return 0.0, 1.0
    # The top further in than the bottom: few bright roofs would else darken all the rest.
    low, high = histogram.quantile(0.01), histogram.quantile(0.985)
    return (0.0, 1.0) if low is None or high is None else (low, high)


def _colours(raster: CardRaster, shown: Sequence[str], limits: list[tuple[float, float]]) -> np.ndarray:
    return drawing.stretched(_physical(raster, shown), limits) ** _GAMMA


def _radar(raster: CardRaster, shown: Sequence[str]) -> np.ndarray:
    """VV red, VH green, both blue; one polarisation grey."""
    bands = _physical(raster, shown)
    limits = [_RADAR_LIMITS[name] for name in shown]
    if len(shown) == 1:
        return drawing.stretched(bands, limits)
    both = np.concatenate([bands, bands[..., :1]], axis=-1)
    return drawing.stretched(both, [*limits, limits[0]])


def _physical(raster: CardRaster, shown: Sequence[str]) -> np.ndarray:
    """(rows, columns, bands), NaN where missing, thinned to what can be seen."""
    by_name = {band.name: (band, values) for band, values in zip(raster.bands, raster.values_BHW, strict=True)}

    def one(name: str) -> np.ndarray:
        band, values = by_name[name]
        thin = values[_thin(values)]
        return np.where(thin == band.nodata, np.nan, thin * band.scale + band.offset)

    return np.stack([one(name) for name in shown], axis=-1)


def _classes(raster: CardRaster, names: dict[int, str]) -> np.ndarray:
    from matplotlib.colors import to_rgb

    label = raster.values_BHW[0][_thin(raster.values_BHW[0])]
    table = np.array([to_rgb(drawing.CLASS_COLOURS.get(names.get(n, ""), drawing.NOTHING)) for n in range(256)])
    return table[label]


def _shares(raster: CardRaster) -> np.ndarray:
    share = raster.values_BHW[0][_thin(raster.values_BHW[0])]
    from matplotlib import colormaps

    painted = colormaps["magma"](share / 100)[..., :3]
    painted[share == UNKNOWN] = 0.85
    return painted


def _thin(values_HW: np.ndarray) -> tuple[slice, slice]:
    step = max(1, -(-max(values_HW.shape) // _MOST_PX))
    return slice(None, None, step), slice(None, None, step)
