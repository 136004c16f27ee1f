"""What each speckle filter gains and costs: looks, bias and edges, on Gamma speckle and on the simulated world's.

python benchmarks/speckle.py [FIGURE.png]        one table on the terminal; docs/img/speckle_edges.png is the figure

Ground of two levels 10 dB apart with a step between them, speckled; filtered by the graphs that composites use, on the
local engine. Looks are mean2 / variance away from the step, on the brighter half. Bias is the mean's, in dB. Blur is
the area between the mean profile across the step and the step itself, in pixels of the step's height; beside it that of
the boxcar of the same looks (interpolated between its windows). Ratios below 1 keep edges better than boxcar.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SIDE, STEP, MARGIN = 512, 256, 40
LEVELS = (0.05, 0.5)
DATES = 6
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 300_000, 0, -10, 3_400_000), "EPSG:32650")
ORBIT, DAY_MS = 113, 86_400_000
BOXES = (1, 3, 5, 7, 9, 11, 13)


@dataclass(frozen=True)
class Row:
    """A filter on one kind of speckle."""

    name: str
    looks: float
    bias_db: float
    blur_px: float
    boxcar_blur_px: float


def gamma(seed: int) -> np.ndarray:
    """Five looks, every pixel by itself."""
    return np.random.default_rng(seed).gamma(5, 1 / 5, (SIDE, SIDE))


def world(seed: int) -> np.ndarray:
    """The simulated world's: 4.4 looks, neighbours correlated as in real scenes."""
    from local_ee.world import radar

    return radar.speckle(SIDE, SIDE, np.uint64(1000 + seed), 0, 0)


SPECKLES: dict[str, Callable[[int], np.ndarray]] = {"gamma": gamma, "world": world}


def ground() -> np.ndarray:
    """The step, and in the corner beyond the measured rows a field with a diagonal edge, a road and three targets."""
    power = np.full((SIDE, SIDE), LEVELS[0])
    power[:, STEP:] = LEVELS[1]
    rows, cols = np.mgrid[:96, :96]
    scene = np.where(rows + cols < 90, *LEVELS)
    scene[np.abs(rows - 30 - 0.4 * cols) < 1.5] = LEVELS[0]
    for row, col in ((70, 70), (60, 85), (84, 84)):
        scene[row : row + 3, col : col + 3] = 8
    power[-96:, :96] = scene
    return power


def write(folder: Path) -> None:
    """DATES scenes of each speckle model."""
    from local_ee.catalog.folder import write_image

    power = ground()
    for model, make in SPECKLES.items():
        for date in range(DATES):
            scene_properties = {"system:time_start": date * 12 * DAY_MS + DAY_MS, "relativeOrbitNumber_start": ORBIT}
            image = (power * make(date)).astype(np.float32)
            scene_properties["bright_VV"] = float(np.percentile(image[:-96], 98))
            write_image(folder, f"{model}/date{date}", {"VV": image}, GRID, properties=scene_properties)


def filtered(model: str, name: str, kernel_px: int, dates: int = 0) -> np.ndarray:
    """The last date, filtered by itself or with its stack."""
    import ee

    from gee_export.requests import pixels
    from gee_export.sentinel import multitemporal
    from gee_export.sentinel.speckle import SPECKLE

    apply = lambda image: SPECKLE[name].apply(image, kernel_px)  # noqa: E731
    images = ee.ImageCollection(model)
    last = (DATES - 1) * 12 * DAY_MS + DAY_MS
    if dates:
        own = multitemporal.Pass(ORBIT, (last, last))
        stack = multitemporal.Stack(own, (last - (dates - 1) * 12 * DAY_MS, last), dates)
        image = multitemporal.filtered(images, ("VV",), apply, (stack,)).first()
    else:
        image = apply(ee.Image(f"{model}/date{DATES - 1}"))
    return pixels.fetch(ee.Image(image).select("VV"), GRID, ["VV"]).values_BHW[0].astype(float)


def looks_of(image: np.ndarray) -> float:
    """On the brighter half, away from every edge."""
    even = image[MARGIN : -96 - MARGIN, STEP + MARGIN : -MARGIN]
    return float(even.mean() ** 2 / even.var())


def bias_of(image: np.ndarray, before: np.ndarray) -> float:
    """dB of the mean on both halves, away from the edges."""
    rows = slice(MARGIN, -96 - MARGIN)
    halves = (np.s_[rows, MARGIN : STEP - MARGIN], np.s_[rows, STEP + MARGIN : -MARGIN])
    return float(np.mean([10 * np.log10(image[half].mean() / before[half].mean()) for half in halves]))


def blur_of(image: np.ndarray) -> float:
    """Pixels of the step's height that lie on the wrong side of it."""
    profile = image[MARGIN : -96 - MARGIN, STEP - 20 : STEP + 20].mean(axis=0)
    low, high = profile[:8].mean(), profile[-8:].mean()
    step = np.where(np.arange(40) < 20, low, high)
    return float(np.abs(profile - step)[8:-8].sum() / (high - low))


def table(model: str) -> tuple[list[Row], dict[str, np.ndarray], list[tuple[float, float]]]:
    """Rows, the filtered images by name, and (looks, blur) of boxcars."""
    from gee_export.sentinel.speckle import SPECKLE

    before = filtered(model, "none", 7)
    boxes = [before if box == 1 else filtered(model, "boxcar", box) for box in BOXES]
    curve = [(looks_of(image), blur_of(image)) for image in boxes]
    images = {name: filtered(model, name, 7) for name in SPECKLE}
    images |= {f"{name}, {DATES} dates": filtered(model, name, 7, DATES) for name in ("boxcar", "lee", "refined_lee")}
    rows = []
    for name, image in images.items():
        looks = looks_of(image)
        equal = float(np.interp(looks, *zip(*curve, strict=True)))
        rows.append(Row(name, looks, bias_of(image, before), blur_of(image), equal))
    return rows, images, curve


def show(model: str, rows: list[Row]) -> None:
    start = rows[0].looks
    print(f"\n{model} speckle: {start:.1f} looks before, windows of 7 x 7")
    print(f"{'filter':24}{'looks':>8}{'gain':>8}{'bias dB':>9}{'blur px':>9}{'boxcar':>8}{'ratio':>7}")
    for row in rows:
        ratio = f"{row.blur_px / row.boxcar_blur_px:7.2f}" if row.looks > 1.5 * start else "      -"
        print(
            f"{row.name:24}{row.looks:8.1f}{row.looks / start:8.1f}{row.bias_db:9.3f}{row.blur_px:9.2f}"
            f"{row.boxcar_blur_px:8.2f}{ratio}"
        )


def draw(path: Path, tables: dict) -> None:
    """Crops of Gamma speckle above, looks against blur below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    images = tables["gamma"][1]
    names = list(images)
    figure = plt.figure(figsize=(10, 7.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    for axes, name in zip(top.subplots(2, -(-len(names) // 2)).flat, names, strict=False):
        axes.imshow(10 * np.log10(images[name][-96:, :96]), cmap="gray", vmin=-17, vmax=3, interpolation="nearest")
        axes.set_title("not filtered" if name == "none" else name, fontsize=9)
    for axes in top.axes:
        axes.set_axis_off()
    for axes, model in zip(bottom.subplots(1, 2), tables, strict=True):
        rows, _, curve = tables[model]
        axes.plot(*zip(*curve, strict=True), "k.-", label="boxcar, 1 to 13 pixels")
        for row in rows[2:]:
            axes.plot(row.looks, row.blur_px, "o" if "dates" not in row.name else "s", label=row.name)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_title(f"{model} speckle", fontsize=10)
        axes.set_xlabel("equivalent looks")
        axes.set_ylabel("blur of a 10-dB step, pixels")
    bottom.axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=90)
    with Image.open(path) as drawn:
        small = drawn.convert("RGB").quantize(
            160, method=Image.Quantize.MAXCOVERAGE
        )  # the median cut would drop the colours
    small.save(path, optimize=True)


def main(words: list[str]) -> None:
    from gee_export.earth_engine.session import connect

    with tempfile.TemporaryDirectory(prefix="speckle-") as name:
        folder = Path(name)
        write(folder / "catalog")
        with connect(catalog=folder / "catalog", home=folder / "home"):
            tables = {model: table(model) for model in SPECKLES}
    for model, (rows, _, _) in tables.items():
        show(model, rows)
    if words:
        draw(Path(words[0]), tables)


if __name__ == "__main__":
    main(sys.argv[1:])
