"""Does the simulated world look real? Compares it with the list of world.md section 7; real samples beside it.

    python benchmarks/world.py [--pictures FOLDER]

Prints one line per statistic with its target, the world's value and pass or fail, and the time the world took.
Needs no network; statistics of real patches are added where ../shared/data exists.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage, stats

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gee_export.engine.catalog import SourceImage  # noqa: E402
from gee_export.engine.catalog.world import World  # noqa: E402
from gee_export.engine.catalog.world.truths import TRUTH, TRUTH_10  # noqa: E402
from gee_export.grid import Window, crop, grid_of  # noqa: E402
from gee_export.regions import Month, named  # noqa: E402

SIDE = 504
# Windows of region wuhan (row, column): western suburb, Optics Valley's edge, northern country, eastern country.
PLACES = ((2300, 900), (3800, 4000), (900, 2300), (2700, 4900))
BANDS_10 = ("B2", "B3", "B4", "B8")
BUILT, CROP, TREES, BARE = 50, 40, 10, 60
SAMPLES = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Row:
    """One statistic: its number in world.md section 7, what it is, target range, value."""

    number: int
    name: str
    low: float
    high: float
    value: float

    @property
    def passed(self) -> bool:
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        return f"{self.number:>2}  {self.name:<44} {self.low:>8.3g} .. {self.high:<8.3g} {self.value:>8.3g}  {verdict}"


@dataclass(frozen=True)
class Scene:
    """A clear window: reflectance by band (NaN where cloudy), backscatter in linear power, labels, truth share."""

    optical: dict[str, np.ndarray]
    radar: dict[str, np.ndarray]
    label: np.ndarray
    older_label: np.ndarray
    share: np.ndarray


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the windows")
    arguments = parser.parse_args()
    started, cpu = time.perf_counter(), time.process_time()
    world = World()
    scenes = [look(world, place, Month(2020, month)) for place, month in zip(PLACES, (4, 7, 10, 10), strict=True)]
    rows = [*reflectance(scenes), *separation(scenes), *texture(scenes), *speckle(world), *radar_tail(scenes)]
    rows += [*seasons(world, scenes), *label_pairs(scenes), *shares(world)]
    print("no  statistic                                       target                value")
    print("\n".join(map(str, rows)))
    good = sum(row.passed for row in rows)
    print(
        f"{good} of {len(rows)} inside; {time.perf_counter() - started:.0f} s, "
        f"{time.process_time() - cpu:.0f} CPU-seconds"
    )
    for line in real_rows():
        print(line)
    if arguments.pictures:
        pictures(scenes, arguments.pictures)


def look(world: World, place: tuple[int, int], month: Month) -> Scene:
    """The clearest scene of a month at a place, with radar and labels on the same pixels."""
    region = named("wuhan")
    window = crop(grid_of(region), Window(*place, SIDE, SIDE))
    period, bounds = month.period, region.bounds_wsen
    optical = [
        image
        for image in world.images("COPERNICUS/S2_SR_HARMONIZED", period.start_ms, period.end_ms, bounds)
        if "_T50RK" in image.id and read(image, ("B2",), crop(window, Window(0, 0, 1, SIDE)))[1].all()
    ]
    scores = [_clear(world, image, window) for image in optical]
    best = int(np.argmax([score.mean() for score in scores]))
    clear = scores[best]
    values, _ = read(optical[best], BANDS_10, window)
    bands = {name: np.where(clear, value / 1e4, np.nan) for name, value in zip(BANDS_10, values, strict=True)}
    swir = _on_10m(optical[best], "B11", window)
    bands["B11"] = np.where(clear, swir / 1e4, np.nan)
    passes = world.images("COPERNICUS/S1_GRD_FLOAT", period.start_ms, period.end_ms, bounds)
    first = next(image for image in passes if image.properties["orbitProperties_pass"] == "ASCENDING")
    power, _ = read(first, ("VV", "VH"), window)
    share, _ = read(_of_year(world, TRUTH_10, month.year), ("impervious",), window)
    labels = [_worldcover(world, name, window) for name in ("ESA/WorldCover/v200", "ESA/WorldCover/v100")]
    return Scene(bands, dict(zip(("VV", "VH"), power, strict=True)), *labels, share[0])


def read(image: SourceImage, names: tuple[str, ...], window) -> tuple[np.ndarray, np.ndarray]:
    """Values and masks of bands over a window."""
    return image.read(names, window)


def _clear(world: World, image: SourceImage, window) -> np.ndarray:
    scores = world.image(f"GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED/{image.properties['system:index']}")
    return ndimage.minimum_filter(read(scores, ("cs",), window)[0][0], 5) > 0.6


def _on_10m(image: SourceImage, name: str, window) -> np.ndarray:
    """A 20-m band repeated 2 x 2 on the window's 10-m pixels."""
    grid = next(band.grid for band in image.bands if band.name == name)
    col, row = (window.affine.c - grid.affine.c) / 20, (grid.affine.f - window.affine.f) / 20
    part = crop(grid, Window(int(row), int(col), SIDE // 2 + 1, SIDE // 2 + 1))
    twice = read(image, (name,), part)[0][0].repeat(2, 0).repeat(2, 1)
    dy, dx = round(2 * (row - int(row))), round(2 * (col - int(col)))
    return twice[dy : dy + SIDE, dx : dx + SIDE]


def _of_year(world: World, collection: str, year: int) -> SourceImage:
    period = Month(year, 1).period
    return world.images(collection, period.start_ms, period.end_ms, named("wuhan").bounds_wsen)[-1]


def _worldcover(world: World, collection: str, window) -> np.ndarray:
    """WorldCover on the window's pixels, nearest."""
    from pyproj import Transformer

    image = world.images(collection, None, None, None)[0]
    grid = image.bands[0].grid
    rows, cols = np.mgrid[: window.shape[0], : window.shape[1]]
    x, y = window.affine * (cols + 0.5, rows + 0.5)
    lon, lat = Transformer.from_crs(window.crs, 4326, always_xy=True).transform(x, y)
    c = np.floor((lon - grid.affine.c) / grid.affine.a).astype(int)
    r = np.floor((grid.affine.f - lat) / grid.affine.a).astype(int)
    part = crop(grid, Window(r.min(), c.min(), int(np.ptp(r)) + 1, int(np.ptp(c)) + 1))
    return read(image, ("Map",), part)[0][0][r - r.min(), c - c.min()]


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that a value of the first sample exceeds one of the second."""
    high, low = high[np.isfinite(high)], low[np.isfinite(low)]
    if len(high) < 30 or len(low) < 30:
        return float("nan")
    return float(stats.mannwhitneyu(high, low).statistic / (len(high) * len(low)))


def gathered(scenes: list[Scene], of, code: int) -> np.ndarray:
    """A quantity of every pixel of one label code, all scenes together."""
    return np.concatenate([of(scene)[scene.label == code] for scene in scenes])


def ndvi(scene: Scene) -> np.ndarray:
    return (scene.optical["B8"] - scene.optical["B4"]) / (scene.optical["B8"] + scene.optical["B4"])


def ndbi(scene: Scene) -> np.ndarray:
    return (scene.optical["B11"] - scene.optical["B8"]) / (scene.optical["B11"] + scene.optical["B8"])


def band(name: str):
    """Reads one band of a scene."""
    return lambda scene: scene.optical[name]


_TARGETS = {
    ("built", BUILT): {
        "NDVI": (ndvi, 0.20, 0.44, 0.77), "NDBI": (ndbi, -0.30, 0.01, 0.24), "B4": (band("B4"), 0.025, 0.073, 0.137),
        "B8": (band("B8"), 0.11, 0.20, 0.29), "B11": (band("B11"), 0.11, 0.20, 0.30),
    },
    ("crop", CROP): {"NDVI": (ndvi, 0.19, 0.37, 0.87), "NDBI": (ndbi, -0.44, 0.09, 0.28)},
    ("trees", TREES): {"NDVI": (ndvi, 0.58, 0.82, 0.89), "NDBI": (ndbi, -0.62, -0.38, -0.03)},
}  # fmt: skip


def reflectance(scenes: list[Scene]) -> Iterator[Row]:
    """Statistic 1: the median of each class lies in the middle half of the real 5-95 % range."""
    for (name, code), quantities in _TARGETS.items():
        for quantity, (of, low, middle, high) in quantities.items():
            values = gathered(scenes, of, code)
            median = float(np.nanmedian(values))
            yield Row(1, f"{name} {quantity} median", middle - (middle - low) / 2, middle + (high - middle) / 2, median)


def separation(scenes: list[Scene]) -> Iterator[Row]:
    """Statistics 2 to 5: how far classes separate by one pixel of one date, and by texture."""
    yield Row(2, "AUC built > bare, NDBI", 0.12, 0.70, _auc(scenes, ndbi, BUILT, BARE))
    yield Row(2, "AUC built > bare, B2", 0.12, 0.80, _auc(scenes, band("B2"), BUILT, BARE))
    for name, low, high in (("VV", 0.40, 0.90), ("VH", 0.57, 0.98)):
        yield Row(3, f"AUC built > bare, {name} pixel", low, high, _auc(scenes, _radar(name, 0), BUILT, BARE))
    for name, low, high in (("VV", 0.75, 0.97), ("VH", 0.75, 0.98)):
        yield Row(
            3, f"AUC built > bare, {name} after Gaussian 2 px", low, high, _auc(scenes, _radar(name, 2), BUILT, BARE)
        )
    # Chilean suburbs .37 and .36; Beijing's built ground outshines its parks (section 2a: -4.9 against -9.5 dB).
    for name in ("VV", "VH"):
        yield Row(4, f"AUC built > trees, {name} pixel", 0.30, 0.80, _auc(scenes, _radar(name, 0), BUILT, TREES))
    yield Row(5, "AUC built > bare, sd of B2 in 5x5", 0.70, 0.95, _auc(scenes, _roughness, BUILT, BARE))
    yield Row(5, "AUC built > trees, sd of B2 in 5x5", 0.85, 1.00, _auc(scenes, _roughness, BUILT, TREES))


def _auc(scenes: list[Scene], of, code: int, other: int) -> float:
    return auc(gathered(scenes, of, code), gathered(scenes, of, other))


def _radar(name: str, sigma: float):
    def of(scene: Scene) -> np.ndarray:
        power = ndimage.gaussian_filter(scene.radar[name], sigma) if sigma else scene.radar[name]
        return 10 * np.log10(power)

    return of


def _roughness(scene: Scene) -> np.ndarray:
    values = scene.optical["B2"]
    mean = ndimage.uniform_filter(values, 5)
    return np.sqrt(np.maximum(ndimage.uniform_filter(values**2, 5) - mean**2, 0))


def texture(scenes: list[Scene]) -> Iterator[Row]:
    """Statistics 6 to 8: autocorrelation, gradients and spectrum of whole clear windows."""
    targets = {"B4": ((0.89, 0.94), (0.74, 0.85), (0.64, 0.77)), "B8": ((0.88, 0.95), (0.71, 0.87), (0.61, 0.80))}
    slopes = {"B4": ((-2.6, -2.1), (-4.7, -3.4)), "B8": ((-3.0, -1.9), (-4.9, -3.5))}
    gradients = {"B4": ((0.14, 0.30), (0.50, 0.83), (1.2, 1.5)), "B8": ((0.15, 0.33), (0.47, 0.90), (0.92, 1.5))}
    for name in ("B4", "B8"):
        patches = [p for scene in scenes for p in clear_patches(scene.optical[name])]
        for lag, (low, high) in enumerate(targets[name], 1):
            yield Row(
                6, f"{name} autocorrelation lag {lag}", low, high, _mean(autocorrelation(p, lag) for p in patches)
            )
        for percent, (low, high) in zip((50, 90, 99), gradients[name], strict=True):
            yield Row(7, f"{name} gradient / sd, p{percent}", low, high, _mean(gradient(p, percent) for p in patches))
        for (a, b), (low, high) in zip(((0.03, 0.2), (0.25, 0.5)), slopes[name], strict=True):
            yield Row(8, f"{name} spectrum slope {a}-{b}", low, high, _mean(slope(np.log(p), a, b) for p in patches))


def clear_patches(values: np.ndarray, side: int = 224) -> list[np.ndarray]:
    """The patches of a window that hold no cloud."""
    corners = [(r, c) for r in range(0, SIDE - side + 1, side) for c in range(0, SIDE - side + 1, side)]
    parts = [values[r : r + side, c : c + side] for r, c in corners]
    return [part for part in parts if np.isfinite(part).all()]


def _mean(values) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def autocorrelation(values: np.ndarray, lag: int) -> float:
    """Correlation of pixels `lag` apart, both directions."""
    pairs = ((values[:, lag:], values[:, :-lag]), (values[lag:], values[:-lag]))
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))


def gradient(values: np.ndarray, percent: float) -> float:
    """A percentile of the gradient's magnitude over the band's spread."""
    dy, dx = np.gradient(values)
    return float(np.percentile(np.hypot(dx, dy), percent) / values.std())


def slope(values: np.ndarray, low: float, high: float) -> float:
    """Log-log slope of the radially averaged power spectrum between two frequencies (cycles per pixel)."""
    window = np.hanning(values.shape[0])[:, None] * np.hanning(values.shape[1])[None]
    power = np.abs(np.fft.fft2((values - values.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(values.shape[0])[:, None], np.fft.fftfreq(values.shape[1])[None])
    edges = np.geomspace(low, high, 13)
    means = [power[(radius >= a) & (radius < b)].mean() for a, b in itertools.pairwise(edges)]
    return float(np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(means), 1)[0])


def speckle(world: World) -> Iterator[Row]:
    """Statistic 9 on open water, where the ground itself has no texture."""
    from gee_export.engine.catalog.world import radar

    grain = radar.speckle(SIDE, SIDE, np.uint64(1), 0, 0)
    blocks = (
        grain[: SIDE // 7 * 7, : SIDE // 7 * 7]
        .reshape(SIDE // 7, 7, SIDE // 7, 7)
        .transpose(0, 2, 1, 3)
        .reshape(-1, 49)
    )
    looks = blocks.mean(1) ** 2 / blocks.var(1)
    for percent, target in ((10, 3.6), (50, 5.8), (90, 9.3)):
        yield Row(
            9, f"ENL of 7x7 windows, p{percent}", 0.8 * target, 1.2 * target, float(np.percentile(looks, percent))
        )
    for lag, target in ((1, 0.68), (2, 0.21), (3, 0.0)):
        yield Row(9, f"speckle autocorrelation lag {lag}", target - 0.06, target + 0.06, autocorrelation(grain, lag))


def radar_tail(scenes: list[Scene]) -> Iterator[Row]:
    """Statistic 10: tail of built VV and the ratio of polarisations."""
    vv, vh = (gathered(scenes, _radar(name, 1.0), BUILT) for name in ("VV", "VH"))
    yield Row(10, "built VV p95 - p50, dB (smoothed 1 px)", 4.0, 10.0, float(np.percentile(vv, 95) - np.median(vv)))
    yield Row(10, "built VV p99 - p50, dB (smoothed 1 px)", 7.0, 16.0, float(np.percentile(vv, 99) - np.median(vv)))
    yield Row(10, "built VH - VV, dB of medians", -10.7, -5.5, float(np.median(vh) - np.median(vv)))


def seasons(world: World, scenes: list[Scene]) -> Iterator[Row]:
    """Statistic 11 from the year's monthly mean backscatter and the ground's own NDVI, at one place."""
    region = named("wuhan")
    window = crop(grid_of(region), Window(PLACES[2][0] + 100, PLACES[2][1], 300, 300))
    label = _worldcover(world, "ESA/WorldCover/v200", window)
    built = [float(np.nanmedian(ndvi(scene)[scene.label == BUILT])) for scene in scenes]
    yield Row(11, "built NDVI, lowest median of four scenes", 0.15, 0.32, min(built))
    yield Row(11, "built NDVI, highest median of four scenes", 0.20, 0.40, max(built))
    months = np.stack([_monthly_vv(world, window, region.bounds_wsen, month) for month in range(1, 13)])
    spread = months.std(axis=0)
    yield Row(11, "monthly sd of VV, built, dB", 0.7, 1.4, float(np.median(spread[label == BUILT])))
    yield Row(11, "monthly sd of VV, crop, dB", 1.6, 3.0, float(np.median(spread[label == CROP])))


def _monthly_vv(world: World, window, bounds, month: int) -> np.ndarray:
    period = Month(2020, month).period
    passes = world.images("COPERNICUS/S1_GRD_FLOAT", period.start_ms, period.end_ms, bounds)
    chosen = [image for image in passes if image.properties["relativeOrbitNumber_start"] == 113]
    return 10 * np.log10(np.mean([read(image, ("VV",), window)[0][0] for image in chosen], axis=0))


def kappa(a: np.ndarray, b: np.ndarray) -> float:
    """Cohen's kappa of two masks."""
    agree, pa, pb = np.mean(a == b), a.mean(), b.mean()
    chance = pa * pb + (1 - pa) * (1 - pb)
    return float((agree - chance) / (1 - chance))


def label_pairs(scenes: list[Scene]) -> Iterator[Row]:
    """Statistic 12: agreement of label products with each other and with the truth."""
    new = np.concatenate([scene.label.ravel() == BUILT for scene in scenes])
    old = np.concatenate([scene.older_label.ravel() == BUILT for scene in scenes])
    truth = np.concatenate([scene.share.ravel() >= 50 for scene in scenes])
    yield Row(12, "kappa WorldCover 2020 - 2021, built", 0.60, 0.95, kappa(new, old))
    yield Row(12, "kappa WorldCover 2021 - truth over half", 0.60, 0.90, kappa(new, truth))


def shares(world: World) -> Iterator[Row]:
    """Section 4: impervious share of region and centre, and mixed pixels at houses (Prague .50, Boulder .81)."""
    region = named("wuhan")
    grid = grid_of(region)
    truth = _of_year(world, TRUTH_10, 2020)
    starts = range(100, 6000, 720)
    parts = [read(truth, ("impervious",), crop(grid, Window(r, c, 128, 128)))[0] for r in starts for c in starts]
    yield Row(0, "impervious share of region wuhan, percent", 25, 35, float(np.mean(parts)))
    centre = crop(grid, Window(2700, 2300, 1000, 700))
    yield Row(
        0, "impervious share of the centre, percent", 50, 68, float(read(truth, ("impervious",), centre)[0].mean())
    )
    fine = _of_year(world, TRUTH, 2020)
    window = crop(fine.bands[0].grid, _fine_window(fine, grid, 300, 3700))
    roofs = read(fine, ("class",), window)[0][0] >= 11
    cells = roofs.reshape(200, 10, 200, 10).mean(axis=(1, 3))
    touched = cells[cells > 0]
    yield Row(12, "village: touched pixels under 3/4 roof, share", 0.49, 0.90, float((touched < 0.75).mean()))


def _fine_window(image: SourceImage, grid, row: int, col: int) -> Window:
    x, y = grid.affine * (col, row)
    fine = image.bands[0].grid.affine
    return Window(round(fine.f - y), round(x - fine.c), 2000, 2000)


def real_rows() -> Iterator[str]:
    """The same texture statistics of the real Chilean patch, for the eye; nothing where the samples are absent."""
    path = next((SAMPLES / "terramind" / "S2L2A").glob("*433D*"), None) if SAMPLES.is_dir() else None
    if path is None:
        yield "real samples: none found beside the repository"
        return
    import rasterio

    with rasterio.open(path) as source:
        values = source.read().astype(float) - 1000
    for name, index in (("B4", 3), ("B8", 7)):
        patch = np.maximum(values[index], 1) / 1e4
        lags = " ".join(f"{autocorrelation(patch, lag):.2f}" for lag in (1, 2, 3))
        steps = " ".join(f"{gradient(patch, p):.2f}" for p in (50, 90, 99))
        tails = f"{slope(np.log(patch), 0.03, 0.2):.1f} {slope(np.log(patch), 0.25, 0.5):.1f}"
        yield f"real Chile {name}: autocorrelation {lags}; gradient {steps}; slopes {tails}"


def pictures(scenes: list[Scene], folder: Path) -> None:
    """True colour, VV and labels of each window as PNG."""
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(scenes):
        rgb = np.nan_to_num(np.stack([scene.optical[name] for name in ("B4", "B3", "B2")], -1), nan=1.0)
        plt.imsave(folder / f"{number}-optical.png", np.clip(rgb / 0.22, 0, 1))
        plt.imsave(folder / f"{number}-vv.png", 10 * np.log10(scene.radar["VV"]), cmap="gray", vmin=-22, vmax=2)
        plt.imsave(folder / f"{number}-label.png", scene.label, cmap="tab20")


if __name__ == "__main__":
    main()
