"""Can the simulated world tell networks apart? What single pixels tell of built ground, beside the real samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from benchmarks import world_statistics as st
from benchmarks.world_samples import Samples
from benchmarks.world_scenes import CODES, Eye
from benchmarks.world_statistics import BUILT, OURS, PAGE, Row, Scene
from gee_export.base.grid import grid_of
from gee_export.base.regions import Month, named
from local_ee.world.lattice import TILE, Cut
from local_ee.world.optical import Overpass
from local_ee.world.plane import utm_of
from local_ee.world.truths import TRUTH
from reproduction.pairs import STRATA

NAN = float("nan")
BANDS = ("B2", "B3", "B4", "B8")
_MONTH, _DAYS = Month(2019, 6), (5, 15, 25)  # CroFuseNet's month
_PIXELS, _TREES = 20_000, 20  # of the forest, as the study's
_TEST = 4  # every fourth window is a test window
_WATER = 80  # WorldCover
_LAND = "land"
S002_FOREST = 0.789  # MIoU of Table II


@dataclass(frozen=True)
class Box:
    """Windows of one tile each: bands [window, band, row, column], VV and VH (dB) last; truth; WorldCover's codes."""

    image: np.ndarray
    truth: np.ndarray
    cover: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """What WorldCover calls built."""
        return self.cover == CODES[BUILT]

    def parts(self, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Pixels and labels to learn from, then those to test on."""
        test = np.arange(len(self.image)) % _TEST == 0
        flat = [self.image[chosen].transpose(0, 2, 3, 1).reshape(-1, self.image.shape[1]) for chosen in (~test, test)]
        return flat[0], labels[~test].ravel(), flat[1], labels[test].ravel()


def box_of(eye: Eye, windows: int) -> Box:
    """windows x windows tiles over region wuhan in June 2019: median of three dates without clouds, mean of the passes;
    the truth of more than half a pixel, and WorldCover 2020."""
    grid = grid_of(named("wuhan"))
    rows, cols = (np.linspace(0.08, 0.88, windows) * side for side in grid.shape)
    cuts = [_tile(Cut.of(grid), int(row), int(col)) for row in rows for col in cols]
    period = _MONTH.period
    passes = eye.world.images("COPERNICUS/S1_GRD_FLOAT", period.start_ms, period.end_ms, named("wuhan").bounds_wsen)
    passes = [image for image in passes if image.properties["relativeOrbitNumber_start"] == 113]
    truth10 = eye.yearly("projects/local/assets/world/truth10", _MONTH.year)
    images, truths, covers = [], [], []
    for cut in cuts:
        window = geobox(cut)
        power = np.mean([image.read(("VV", "VH"), window)[0] for image in passes], axis=0)
        images.append(np.concatenate([clear_sky(eye, cut), 10 * np.log10(power)]))
        truths.append(truth10.read(("impervious",), window)[0][0] >= 50)
        covers.append(eye.worldcover(window, "v100"))
    return Box(np.stack(images), np.stack(truths), np.stack(covers))


def clear_sky(eye: Eye, cut: Cut, month: Month = _MONTH) -> np.ndarray:
    """Reflectance of BANDS, the median of three dates whose clouds are left out: float [band, row, column]."""
    camera = eye.camera
    sky = np.zeros((cut.height, cut.width), np.float32)
    dates = [Overpass(date(month.year, month.month, day), 32) for day in _DAYS]
    views = [[camera.reflectance(name, cut, overpass, (sky, sky, sky)) for name in BANDS] for overpass in dates]
    return np.median(np.array(views, float), axis=0) / 1e4


def geobox(cut: Cut) -> GeoBox:
    """The window of a cut."""
    step = cut.step_m
    affine = Affine(step, 0, cut.col * step, 0, -step, -cut.row * step)
    return GeoBox((cut.height, cut.width), affine, f"EPSG:{cut.epsg}")


def _tile(grid: Cut, row: int, col: int) -> Cut:
    """The world tile that holds a pixel of a grid."""
    return Cut(grid.epsg, (grid.row + row) // TILE * TILE, (grid.col + col) // TILE * TILE, TILE, TILE)


def yardstick(eye: Eye, real: Samples, box: Box, network: bool) -> Iterator[Row]:
    """Rows of what one pixel tells, and, where `network`, of what a U-Net tells more (minutes)."""
    scene = _scene(box)
    chile = real.chile if real.present else None
    targets = {"VV": (0.59, 0.76), "VH": (0.58, 0.67), "B2": (0.53, 0.73), "NDVI": (0.55, 0.75)}
    makers = {"VV": st.decibels("VV"), "VH": st.decibels("VH"), "B2": st.band("B2"), "NDVI": st.ndvi}
    for name, of in makers.items():
        values = [_apart(s, of) for s in (scene, chile)]
        whose = PAGE if name[0] == "V" else OURS
        yield Row(13, f"AUC built / all else (either way), {name}", targets[name], whose, *values)
    dry = Scene(scene.optical, scene.radar, {BUILT: scene.classes[BUILT], _LAND: np.concatenate(box.cover != _WATER)})
    for name, of in makers.items():  # much of this box is water, hardly any of the real sample
        values = [_apart(s, of) for s in (dry, chile)]
        yield Row(13, f"AUC built / other land (either way), {name}", targets[name], OURS, *values)
    for name in ("B4", "B8"):
        values = [NAN if s is None else st.lag_inside(s.optical[name], s.classes[BUILT]) for s in (scene, chile)]
        yield Row(13, f"{name} autocorrelation lag 1 inside built", (0.75, 0.80), PAGE, *values)
    spread = [NAN if s is None else float(np.subtract(*np.percentile(st.gathered([s], st.ndvi, BUILT), (75, 25))))
              for s in (scene, chile)]  # fmt: skip
    yield Row(13, "built NDVI: interquartile range", (0.15, 0.35), OURS, *spread)
    forests = {name: forest(*box.parts(labels)) for name, labels in (("truth", box.truth), ("WorldCover", box.label))}
    target = (S002_FOREST - 0.05, S002_FOREST + 0.05)
    for name, (miou, _) in forests.items():
        yield Row(13, f"random forest of single pixels, MIoU, {name}", target, PAGE, miou, S002_FOREST)
    yield Row(
        13, "random forest, F1 of impervious, WorldCover", (0.3, 0.8), OURS, forests["WorldCover"][1], _there(chile)
    )
    if network:
        from benchmarks.world_network import unet

        miou = unet(box.image, box.truth, np.arange(len(box.image)) % _TEST == 0)
        yield Row(13, "U-Net less random forest, MIoU, truth", (0.10, 0.30), PAGE, miou - forests["truth"][0], 0.147)
    yield Row(13, "majority of 10 m, F1 at 1 m (town edges)", (0.75, 0.85), OURS, majority(eye))


def by_cover(box: Box, real: Samples) -> Iterator[str]:
    """Lines: of each cover that is not built, its share there and the AUC of B2 and NDVI of built ground against it."""
    scene = _scene(box)
    own = {name: np.concatenate(box.cover == code) for name, code in {**CODES, "water": _WATER}.items()}
    places = {"world": replace(scene, classes=own)} | ({"real": real.chile} if real.present else {})
    for place, seen in places.items():
        built = seen.classes[BUILT]
        for name, cover in seen.classes.items():
            if name != BUILT:
                among = cover & ~built
                aucs = [st.auc(of(seen)[built][::5], of(seen)[among][::5]) for of in (st.band("B2"), st.ndvi)]
                share = among.sum() / (~built).sum()
                yield f"{place}: built / {name:<6} {share:>4.0%} of the rest  B2 {aucs[0]:.2f}  NDVI {aucs[1]:.2f}"


def _scene(box: Box) -> Scene:
    """All windows below each other."""
    bands = {name: np.concatenate(box.image[:, at]) for at, name in enumerate(BANDS)}
    power = {name: 10 ** (np.concatenate(box.image[:, 4 + at]) / 10) for at, name in enumerate(("VV", "VH"))}
    return Scene(bands, power, {BUILT: np.concatenate(box.label)})


def _apart(scene: Scene | None, of) -> float:
    if scene is None:
        return NAN
    values, built = of(scene), scene.classes[BUILT]
    others = scene.classes.get(_LAND, True) & ~built
    auc = st.auc(values[built][::5], values[others][::5])
    return max(auc, 1 - auc)


def forest(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> tuple[float, float]:
    """MIoU and F1 of impervious ground of a forest of single pixels on pixels that it has not seen."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    chosen = rng.choice(len(x), min(_PIXELS, len(x)), replace=False)
    tested = rng.choice(len(x_test), min(3 * _PIXELS, len(x_test)), replace=False)
    model = RandomForestClassifier(_TREES, min_samples_leaf=10, random_state=0).fit(x[chosen], y[chosen])
    return st.agreement(y_test[tested], model.predict(x_test[tested]))


def _there(chile: Scene | None) -> float:
    """The same forest on the real sample: learned on its western half, tested on its eastern."""
    if chile is None:
        return NAN
    bands = [chile.optical[name] for name in BANDS] + [10 * np.log10(chile.radar[name]) for name in ("VV", "VH")]
    image, built = np.stack(bands, -1), chile.classes[BUILT]
    half = built.shape[1] // 2
    west, east = (image[:, :half].reshape(-1, 6), image[:, half:].reshape(-1, 6))
    return forest(west, built[:, :half].ravel(), east, built[:, half:].ravel())[1]


def majority(eye: Eye) -> float:
    """F1 at 1 m of calling whole 10-m pixels what most of them is, over JointSeg's four town edges."""
    hits = wrong = 0
    for west, south, east, north in STRATA["town edges"].values():
        zone = int((west + 180) // 6) + 1
        image = eye.world.image(f"{TRUTH}/2021_{zone:02d}N")
        for share in (0.2, 0.5, 0.8):
            x, y = utm_of(west + share * (east - west), south + share * (north - south), 32600 + zone)
            fine = Cut(32600 + zone, int(-y // 1280) * 1280, int(x // 1280) * 1280, 1280, 1280, 1)
            hard = image.read(("impervious",), geobox(fine))[0][0].astype(bool)
            cells = hard.reshape(128, 10, 128, 10).mean(axis=(1, 3)) >= 0.5
            drawn = np.repeat(np.repeat(cells, 10, axis=0), 10, axis=1)
            hits, wrong = hits + int((drawn & hard).sum()), wrong + int((drawn != hard).sum())
    return 2 * hits / (2 * hits + wrong)
