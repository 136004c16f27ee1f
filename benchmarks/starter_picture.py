"""Draws README's picture: `python -m benchmarks.starter_picture --data ../shared/data --out docs/img/starter.jpg`.

A real scene, its labels, and the map that the network `starter` makes of it. FOLDER/terramind holds the folders S2L2A
and LULC of the examples in TerraMind's repository (docs/real-samples.md). The map's figures are printed. The picture
is made of TerraMesh's data and keeps their licence, CC-BY-SA-4.0.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio

from benchmarks import real_ground
from benchmarks.real_catalogs import BASELINE_OFFSET, TERRAMIND
from benchmarks.real_ground import KnownGround
from benchmarks.real_pictures import LABEL_COLOURS

STARTER = Path("starter")
UNKNOWN = 2  # the third of LABEL_COLOURS
BAR_PX = 50  # 500 m
BRIGHTEST = 0.19  # reflectance that is drawn white


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds terramind/")
    parser.add_argument("--out", type=Path, default=Path("docs/img/starter.jpg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        ground = real_ground.terramesh(options.data, Path(scratch), TERRAMIND, BASELINE_OFFSET)
        print(draw(ground, Path(scratch), options.out))


def draw(ground: KnownGround, scratch: Path, out: Path) -> str:
    """Write the picture; the map's accuracy, in words. The map itself is left in `scratch`."""
    probability = real_ground.mapped(STARTER, ground, scratch)
    with rasterio.open(ground.image) as source:
        true_colour = np.clip(source.read((3, 2, 1)).transpose(1, 2, 0) / BRIGHTEST, 0, 1)
    threshold = real_ground.threshold_of(STARTER)
    classes = [
        classes_of(ground, is_impervious, true_colour.shape[:2])
        for is_impervious in (ground.impervious_N, probability >= threshold)
    ]
    panels(true_colour, *classes, out=out)
    counts = real_ground.by_cell(probability, ground.impervious_N, ground.cell_N)
    values = real_ground.measures(counts.sum(axis=0)[None], threshold)
    return f"{out}: " + ", ".join(f"{name.upper()} {value[0]:.2f}" for name, value in values.items())


def classes_of(ground: KnownGround, is_impervious_N: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Classes of the pixels whose ground is known, UNKNOWN elsewhere."""
    class_HW = np.full(shape, UNKNOWN, np.uint8)
    class_HW[ground.row_N, ground.col_N] = is_impervious_N
    return class_HW


def panels(true_colour_HWC: np.ndarray, label_HW: np.ndarray, isa_HW: np.ndarray, *, out: Path) -> None:
    """Image, labels and map side by side, a picture for a page."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.3), layout="constrained")
    shown = figure.subplots(1, 3)
    shown[0].imshow(true_colour_HWC, interpolation="bilinear")
    for panel, class_HW in zip(shown[1:], (label_HW, isa_HW), strict=True):
        panel.imshow(class_HW, cmap=ListedColormap(LABEL_COLOURS), vmin=0, vmax=2, interpolation="nearest")
    titles = ("Sentinel-2, true colour", "label (TerraMesh): built in red", "map by starter: impervious in red")
    for panel, title in zip(shown, titles, strict=True):
        panel.set_title(title)
        panel.set_axis_off()
    bottom = true_colour_HWC.shape[0] - 8
    shown[0].plot((8, 8 + BAR_PX), (bottom, bottom), color="white", linewidth=3)
    shown[0].text(8, bottom - 5, "500 m", color="white")
    figure.savefig(out, dpi=100, pil_kwargs={"quality": 85, "optimize": True})


if __name__ == "__main__":
    main()
