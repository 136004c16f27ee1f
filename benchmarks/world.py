"""Does the simulated world look real? Compares it with the whole list of docs/reference/world.md, "Does it look real";
real samples beside it.

    python benchmarks/world.py [--data ../shared/data] [--pictures FOLDER] [--only yardstick] [--network]

One line per statistic: its target and whose it is ("page": printed on docs/reference/world.md, "Does it look real",
used exactly; "ours": a band set here around the page's one figure), the world's value, the same statistic of real
pixels where a sample allows it, pass or fail. Then the counts and the time. Needs no network.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import world_statistics as st  # noqa: E402
from benchmarks.world_pictures import pictures  # noqa: E402
from benchmarks.world_samples import Samples  # noqa: E402
from benchmarks.world_scenes import CENTRE, CODES, PLACES, SIDE, Eye  # noqa: E402
from benchmarks.world_statistics import BARE, BUILT, CROP, OURS, PAGE, TREES, Row, Scene  # noqa: E402
from benchmarks.world_yardstick import box_of, by_cover, yardstick  # noqa: E402
from gee_export.base.grid import Window, crop, grid_of  # noqa: E402
from local_ee.world import World  # noqa: E402
from local_ee.world.truths import TRUTH, TRUTH_10  # noqa: E402

NAN = float("nan")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of real samples")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of twelve places in two seasons (alone)")
    parser.add_argument("--only", choices=("yardstick",), help="only what tells networks apart (number 13)")
    parser.add_argument("--windows", type=int, default=8, help="of the yardstick, along a side")
    parser.add_argument("--network", action="store_true", help="train a U-Net too (minutes)")
    options = parser.parse_args()
    started, cpu = time.perf_counter(), time.process_time()
    if options.pictures:
        pictures(options.pictures)
        return
    eye = Eye(World())
    real = Samples(options.data)
    if not real.present:
        print(f"no real samples in {options.data}: rows that compare with them are left out")
    makers = (histograms, separation, texture, speckle, radar_tail, seasons, label_pairs, shares)
    rows = [] if options.only else [row for make in makers for row in make(eye, real)]
    box = box_of(eye, options.windows)
    rows += yardstick(eye, real, box, options.network)
    print(f"{'no':>2}  {'statistic':<49} {'target':>12}     whose    world    real")
    print("\n".join(map(str, rows)))
    for whose in (PAGE, OURS):
        own = [row for row in rows if row.whose == whose]
        print(f"{whose}: {sum(row.passed for row in own)} of {len(own)} pass")
    print("\n".join(by_cover(box, real)))
    print(f"{time.perf_counter() - started:.0f} s, {time.process_time() - cpu:.0f} CPU-seconds")


def around(value: float, share: float) -> tuple[float, float]:
    """A band of a share to each side of a figure."""
    return value * (1 - share), value * (1 + share)


_PRINTED = {
    BUILT: {
        "NDVI": (0.20, 0.44, 0.77), "NDBI": (-0.30, 0.01, 0.24), "B4": (0.025, 0.073, 0.137),
        "B8": (0.11, 0.20, 0.29), "B11": (0.11, 0.20, 0.30),
    },
    CROP: {"NDVI": (0.19, 0.37, 0.87), "NDBI": (-0.44, 0.09, 0.28)},
    TREES: {"NDVI": (0.58, 0.82, 0.89), "NDBI": (-0.62, -0.38, -0.03)},
}  # fmt: skip


def histograms(eye: Eye, real: Samples) -> Iterator[Row]:
    """Statistic 1: medians in the middle half of the real 5-95 % range, and KS < .15 against each real sample.

    The "real" of a KS line is the KS of Chile against Denmark: how far two real places lie from each other.
    """
    for name, quantities in _PRINTED.items():
        for quantity, (low, middle, high) in quantities.items():
            of = st.QUANTITIES[quantity]
            own = st.gathered(eye.scenes, of, name)
            chile = st.gathered([real.chile], of, name) if real.present else np.array([])
            band = (middle - (middle - low) / 2, middle + (high - middle) / 2)
            middle_real = float(np.median(chile)) if len(chile) else NAN
            yield Row(1, f"{name} {quantity}: median", band, OURS, float(np.median(own)), middle_real)
            if real.present:
                denmark = st.gathered([real.denmark], of, name)
                apart = st.ks(chile, denmark)
                yield Row(1, f"{name} {quantity}: KS with Chile 433D", (0, 0.15), PAGE, st.ks(own, chile), apart)
                yield Row(1, f"{name} {quantity}: KS with Denmark 637U", (0, 0.15), PAGE, st.ks(own, denmark), apart)
    yield from _by_month(eye, real)


def _by_month(eye: Eye, real: Samples) -> Iterator[Row]:
    """KS with WorldCereal's same months (Belgium); real: KS of that month with the sample's next."""
    for month, scenes in ((4, eye.scenes[:1]), (7, eye.scenes[1:2]), (10, eye.scenes[2:])):
        for name in (BUILT, CROP):
            for quantity in ("NDVI", "B4") if real.belgium else ():
                of = st.QUANTITIES[quantity]
                reference = st.gathered([real.belgium[month]], of, name)
                apart = st.ks(reference, st.gathered([real.belgium[month + 1]], of, name))
                value = st.ks(st.gathered(scenes, of, name), reference)
                yield Row(1, f"{name} {quantity}, month {month}: KS with Belgium", (0, 0.15), PAGE, value, apart)


def separation(eye: Eye, real: Samples) -> Iterator[Row]:
    """Statistics 2 to 5: how far classes separate by one pixel of one date, and by texture. Real: Chile 433D."""

    def row(statistic: int, name: str, of, cover: str, target: tuple[float, float], whose: str) -> Row:
        pairs = [(st.gathered(s, of, BUILT), st.gathered(s, of, cover)) for s in _both(eye, real)]
        values = [st.auc(*pair) for pair in pairs]
        return Row(statistic, f"AUC built > {cover}, {name}", target, whose, *values)

    yield row(2, "NDBI", st.ndbi, BARE, (0.12, 0.61), PAGE)
    yield row(2, "B2", st.band("B2"), BARE, (0.12, 0.80), PAGE)
    yield row(2, "NDVI (circular there)", st.ndvi, BARE, (0.60, 0.95), OURS)
    for name, low, high, figures in (("VV", 0.40, 0.90, (0.91, 0.94)), ("VH", 0.57, 0.98, (0.93, 0.95))):
        yield row(3, f"{name} pixel", st.decibels(name), BARE, (low, high), PAGE)
        for sigma, figure in zip((1, 2), figures, strict=True):
            target = (figure - 0.10, min(figure + 0.10, 0.98))
            yield row(3, f"{name} Gaussian {sigma} px", st.decibels(name, sigma), BARE, target, OURS)
    for name in ("VV", "VH"):
        yield row(4, f"{name} pixel", st.decibels(name), TREES, (0.25, 0.65), OURS)
    yield from _yearly_separation(eye, real)
    yield row(5, "sd of B2 in 5x5", st.roughness, BARE, (0.70, 0.95), OURS)
    yield row(5, "sd of B2 in 5x5", st.roughness, TREES, (0.85, 1.00), OURS)


def _both(eye: Eye, real: Samples) -> list[list[Scene]]:
    return [eye.scenes, [real.chile]] if real.chile else [eye.scenes]


def _year(eye: Eye, corner: tuple[int, int], side: int) -> list[list[np.ndarray]]:
    """Linear VV and VH [2, row, column] of each pass of orbit 113, by month of 2020."""
    window = eye.window(corner, side)
    return [[image.read(("VV", "VH"), window)[0] for image in eye.passes(month)] for month in range(1, 13)]


def _yearly_separation(eye: Eye, real: Samples) -> Iterator[Row]:
    label = eye.worldcover(eye.window(PLACES[2], 300))
    mean = np.mean([np.mean(month, axis=0) for month in _year(eye, PLACES[2], 300)], axis=0)
    for index, (name, figure) in enumerate((("VV", 0.66), ("VH", 0.85))):
        reference = NAN
        if real.belgium:
            classes = real.belgium[5].classes
            power = np.mean([scene.radar[name] for scene in real.belgium.values()], axis=0)
            reference = st.auc(power[classes[BUILT]], power[classes[CROP]])
        own = st.auc(mean[index][label == CODES[BUILT]], mean[index][label == CODES[CROP]])
        yield Row(4, f"AUC built > crop, {name}, mean of 12 months", (figure - 0.1, figure + 0.1), OURS, own, reference)


_LAGS = {
    "B4": ((0.89, 0.94), (0.74, 0.85), (0.64, 0.77)), "B8": ((0.88, 0.95), (0.71, 0.87), (0.61, 0.80)),
    "B11": ((0.94, 0.95), (0.88, 0.90), (0.77, 0.81)),
}  # fmt: skip
_STEPS = {"B4": ((0.14, 0.30), (0.50, 0.83), (1.2, 1.5)), "B8": ((0.15, 0.33), (0.47, 0.90), (0.92, 1.5))}
_SLOPES = {"B4": ((-2.6, -2.1), (-4.7, -3.4)), "B8": ((-3.0, -1.9), (-4.9, -3.5))}


def texture(eye: Eye, real: Samples) -> Iterator[Row]:
    """Statistics 6 to 8: autocorrelation, gradients and spectrum of whole clear windows. Real: Chile 433D."""

    def row(statistic: int, name: str, of, target: tuple[float, float], whose: str = PAGE) -> Row:
        band = name.split()[0]
        values = [st.mean(of(p) for s in scenes for p in st.patches(s.optical[band])) for scenes in _both(eye, real)]
        return Row(statistic, name, target, whose, *values)

    for name, targets in _LAGS.items():
        for lag, target in enumerate(targets, 1):
            yield row(6, f"{name} autocorrelation lag {lag}", lambda p, lag=lag: st.autocorrelation(p, lag), target)
    for name, targets in _STEPS.items():
        for percent, target in zip((50, 90, 99), targets, strict=True):
            yield row(7, f"{name} gradient / sd, p{percent}", lambda p, at=percent: st.gradient(p, at), target)
    for name, targets in _SLOPES.items():
        for (a, b), target in zip(((0.03, 0.2), (0.25, 0.5)), targets, strict=True):
            yield row(8, f"{name} spectrum slope {a}-{b}", lambda p, a=a, b=b: st.slope(p, a, b), target)
        yield row(8, f"{name} P(Nyquist) / P(.11), page .01", st.nyquist, (0.003, 0.03), OURS)


def speckle(eye: Eye, real: Samples) -> Iterator[Row]:
    """Statistic 9: looks of pure speckle (page: its recipe; real: Brazil, flat) and of mixed windows (real: Chile)."""
    from local_ee.world import radar

    grain = radar.speckle(SIDE, SIDE, np.uint64(1), 0, 0)
    flat, mixed = (s.radar["VV"] if s else None for s in (real.brazil, real.chile))
    for percent, target in ((10, 3.6), (50, 5.8), (90, 9.3)):
        reference = NAN if flat is None else st.looks(flat, percent)
        yield Row(
            9, f"ENL of 7x7, speckle alone, p{percent}", around(target, 0.2), OURS, st.looks(grain, percent), reference
        )
    for percent, target in ((10, 1.4), (50, 4.2), (90, 8.7)):
        own = st.mean(st.looks(scene.radar["VV"], percent) for scene in eye.scenes)
        reference = NAN if mixed is None else st.looks(mixed, percent)
        yield Row(9, f"ENL of 7x7, mixed scene, p{percent}", around(target, 0.4), OURS, own, reference)
    for lag, target in ((1, 0.68), (2, 0.21), (3, 0.0)):
        own = st.autocorrelation(grain, lag)
        yield Row(9, f"speckle autocorrelation lag {lag}", (target - 0.06, target + 0.06), PAGE, own)


def radar_tail(eye: Eye, real: Samples) -> Iterator[Row]:
    """Statistic 10: tail of a dense town's yearly median VV against Beijing's, and the ratio of polarisations."""
    passes = [power for month in _year(eye, CENTRE, 400) for power in month]
    yearly = 10 * np.log10(np.median([power[0] for power in passes], axis=0))
    own = yearly[eye.worldcover(eye.window(CENTRE, 400)) == CODES[BUILT]]
    reference = real.beijing[0][real.beijing[1][0]] if real.beijing else np.array([NAN])
    for percent, figure in ((95, 8.1), (99, 14.0)):
        values = [
            float(np.nanpercentile(v, percent) - np.nanmedian(v)) for v in (own, reference[np.isfinite(reference)])
        ]
        target = (figure - 2, figure + 2)
        yield Row(10, f"built VV p{percent} - p50, dB, yearly median", target, OURS, *values)
    yield Row(10, "built VH - VV, dB of medians", (-10.7, -5.5), PAGE, *(_ratio(scenes) for scenes in _both(eye, real)))


def _ratio(scenes: list[Scene]) -> float:
    vv, vh = (np.median(st.gathered(scenes, st.decibels(name, 1.0), BUILT)) for name in ("VV", "VH"))
    return float(vh - vv)


def seasons(eye: Eye, real: Samples) -> Iterator[Row]:
    """Statistic 11: the year's spread of monthly VV, and built NDVI by month, at one place. Real: Belgium."""
    window = eye.window(PLACES[2], 300)
    label = eye.worldcover(window)
    own = np.std([10 * np.log10(np.mean(month, axis=0)[0]) for month in _year(eye, PLACES[2], 300)], axis=0)
    reference = {}
    if real.belgium:
        spread = np.std([10 * np.log10(scene.radar["VV"]) for scene in real.belgium.values()], axis=0)
        reference = {name: float(np.median(spread[real.belgium[5].classes[name]])) for name in (BUILT, CROP)}
    for name, figure in ((BUILT, 1.05), (CROP, 2.46)):
        value = float(np.median(own[label == CODES[name]]))
        yield Row(11, f"monthly sd of VV, {name}, dB", around(figure, 0.35), OURS, value, reference.get(name, NAN))
    greens = [_built_ndvi(eye, window, label == CODES[BUILT], month) for month in range(1, 13)]
    theirs = [st.gathered([scene], st.ndvi, BUILT) for scene in real.belgium.values()]
    medians = [float(np.median(values)) for values in theirs if len(values)] or [NAN]
    yield Row(11, "built NDVI, least green month", (0.25, 0.32), PAGE, float(np.nanmin(greens)), min(medians))
    yield Row(11, "built NDVI, greenest month", (0.25, 0.32), PAGE, float(np.nanmax(greens)), max(medians))


def _built_ndvi(eye: Eye, window, built: np.ndarray, month: int) -> float:
    image, clear = eye.clearest(window, month)
    red, near = image.read(("B4", "B8"), window)[0].astype(float)
    kept = built & clear
    return float(np.median(((near - red) / (near + red))[kept])) if kept.sum() > 200 else NAN


# Beijing's four masks (docs/reference/world.md, "Label errors"): share of pixels by votes for built, and the three
# curves at the boundary.
_VOTES = (0.06, 0.07, 0.09, 0.21, 0.57)
_CURVES = (
    (0.20, 0.42, 0.63, 0.88, 0.96, 0.99, 1.0, 0.99), (0.03, 0.09, 0.24, 0.51, 0.65, 0.75, 0.85, 0.91),
    (0.14, 0.24, 0.44, 0.72, 0.85, 0.94, 0.99, 1.0),
)  # fmt: skip


def label_pairs(eye: Eye, real: Samples) -> Iterator[Row]:
    """Statistic 12: WorldCover, ESRI, Dynamic World and GAIA against each other. Real: Beijing's four masks."""
    masks = eye.built_masks(eye.window(PLACES[0]))
    newest, older, *others = masks
    beijing = real.beijing[1] if real.beijing else None
    reference = NAN if beijing is None else st.mean(st.kappa(beijing[0], mask) for mask in beijing[1:])
    names = ("ESRI", "Dynamic World", "GAIA")
    for name, mask in zip(names, others, strict=True):
        yield Row(12, f"suburb: kappa WorldCover - {name}", (0.30, 0.50), PAGE, st.kappa(newest, mask), reference)
    wide = [np.concatenate([m.ravel() for m in layers]) for layers in zip(*_sampled(eye), strict=True)]
    for name, mask in zip(names, wide[2:], strict=True):
        yield Row(12, f"municipality: kappa WorldCover - {name}", (0.60, 0.80), PAGE, st.kappa(wide[0], mask))
    yield Row(12, "suburb: kappa WorldCover 2020 - 2021", (0.60, 0.95), OURS, st.kappa(newest, older))
    truth = eye.yearly(TRUTH_10).read(("impervious",), eye.window(PLACES[0]))[0][0] >= 50
    yield Row(12, "suburb: kappa WorldCover 2021 - truth over half", (0.60, 0.90), OURS, st.kappa(newest, truth))
    counted = st.votes([newest, *others])
    counted_there = [NAN] * 5 if beijing is None else st.votes(beijing)
    for count, figure in enumerate(_VOTES):
        band = (max(0.0, figure - 0.1), figure + 0.1)
        yield Row(12, f"suburb: share with {count} of 4 votes", band, OURS, counted[count], counted_there[count])
    curves = np.array([st.boundary_curve(newest, mask) for mask in others])
    edges = [f"{a}..{b}" for a, b in zip(st.EDGES[:-1], st.EDGES[1:], strict=True)]
    for at, name in enumerate(edges):
        three = [curve[at] for curve in _CURVES]
        value = float(np.nanmean(curves[:, at]))
        yield Row(
            12, f"built of others at {name} px of boundary", (min(three), max(three)), PAGE, value, st.mean(three)
        )


def _sampled(eye: Eye) -> list[list[np.ndarray]]:
    """The products' masks in nine windows spread over the region."""
    return [eye.built_masks(eye.window((row, col), 160)) for row in (700, 2700, 4700) for col in (900, 2700, 4500)]


# Of the pixels that touch a roof: under 1/4, 1/2, 3/4, 1, and pure (docs/reference/world.md, "Towns and fields":
# SpaceNet 7, Boulder, Prague).
_MIXED = ((0.38, 0.25, 0.19, 0.12, 0.07), (0.36, 0.26, 0.19, 0.13, 0.06), (0.20, 0.16, 0.14, 0.21, 0.31))


def shares(eye: Eye, real: Samples) -> Iterator[Row]:
    """Section 4: mixed pixels at houses of a village, and impervious shares of region and centre."""
    grid = grid_of(eye.region)
    fine = eye.yearly(TRUTH)
    x, y = grid.affine * (3700, 300)
    corner = fine.bands[0].grid.affine
    window = crop(fine.bands[0].grid, Window(round(corner.f - y), round(x - corner.c), 2000, 2000))
    mixed = st.mixed_shares(fine.read(("class",), window)[0][0] >= 11)
    for at, name in enumerate(("under 1/4", "1/4 to 1/2", "1/2 to 3/4", "3/4 to 1", "pure")):
        three = [village[at] for village in _MIXED]
        yield Row(12, f"village: touched pixels {name} roof", (min(three), max(three)), PAGE, mixed[at], three[0])
    below = [sum(village[:3]) for village in _MIXED]
    yield Row(12, "village: touched pixels under 3/4 roof", (0.65, 0.95), OURS, sum(mixed[:3]), below[0])
    truth = eye.yearly(TRUTH_10)
    starts = range(100, 6000, 720)
    parts = [truth.read(("impervious",), crop(grid, Window(r, c, 128, 128)))[0] for r in starts for c in starts]
    yield Row(0, "impervious share of region wuhan, percent", (25, 35), OURS, float(np.mean(parts)), 31.5)
    centre = truth.read(("impervious",), crop(grid, Window(2700, 2300, 1000, 700)))[0]
    yield Row(0, "impervious percent of the centre (page: districts)", (55, 65), PAGE, float(centre.mean()))


if __name__ == "__main__":
    main()
