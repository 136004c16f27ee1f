"""Pictures of the runs on real samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.datasets.manifest import NODATA

LABEL_COLOURS = ("#d9d9d9", "#c4281b", "#ffffff")  # pervious, impervious, unknown


def four_panels(
    image_BHW: np.ndarray, label_HW: np.ndarray, isa: np.ndarray, prob: np.ndarray, unseen_HW: np.ndarray, *, out: Path
) -> None:
    """Sentinel-2, Sentinel-1, label, map and probability side by side; a line rounds the ground never trained on.

    image_BHW holds stored numbers in the order B2 B3 B4 B8 VV VH.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    classes = ListedColormap(LABEL_COLOURS)
    figure = Figure(figsize=(20, 4.6), layout="constrained")
    panels = figure.subplots(1, 5)
    true_colour = np.clip(image_BHW[[2, 1, 0]].transpose(1, 2, 0) / 2200.0, 0, 1)
    panels[0].imshow(true_colour)
    panels[1].imshow(image_BHW[4] * 0.01, cmap="gray", vmin=-20, vmax=0)
    for panel, values in ((panels[2], label_HW), (panels[3], isa)):
        panel.imshow(np.where(values == 255, 2, values), cmap=classes, vmin=0, vmax=2, interpolation="nearest")
    panels[4].imshow(np.ma.masked_equal(prob, 255) / 254, cmap="viridis", vmin=0, vmax=1)
    titles = (
        "Sentinel-2 (B4 B3 B2)",
        "Sentinel-1 VV, -20..0 dB",
        "label: built (TerraMesh LULC)",
        "map",
        "probability",
    )
    for panel, title in zip(panels, titles, strict=True):
        panel.contour(unseen_HW, levels=[0.5], colors="black" if title.startswith(("label", "map")) else "yellow")
        panel.set_title(title)
        panel.set_axis_off()
    figure.savefig(out, dpi=80)


def medians(image_BHW: np.ndarray, bands: tuple[str, ...]) -> dict[str, float]:
    """Median NDVI and backscatter of the valid pixels."""
    stored = dict(zip(bands, np.ma.masked_equal(image_BHW, NODATA).astype(np.float64), strict=True))
    figures = {band.lower() + "_db": float(np.ma.median(stored[band])) * 0.01 for band in ("VV", "VH")}
    ndvi = (stored["B8"] - stored["B4"]) / (stored["B8"] + stored["B4"])
    if ndvi.count():
        figures["ndvi"] = float(np.ma.median(ndvi))
    return {name: round(value, 4) for name, value in figures.items()}


def year(months: dict[str, dict[str, Any]], *, out: Path) -> None:
    """Median NDVI and VV of every month; months that gave nothing stay empty and are marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    names = list(months)
    for panel, key, title, colour in ((left, "ndvi", "NDVI", "tab:green"), (right, "vv_db", "VV (dB)", "tab:blue")):
        panel.plot(names, [months[name].get(key, np.nan) for name in names], "o-", color=colour)
        panel.set_ylabel(f"median {title}", color=colour)
    for position, name in enumerate(names):
        if "ndvi" not in months[name]:
            left.axvspan(position - 0.5, position + 0.5, color="0.85")
    left.tick_params(axis="x", rotation=45)
    left.set_title("WorldCereal, twelve real months exported one by one (grey: no Sentinel-2)")
    figure.savefig(out, dpi=100)
