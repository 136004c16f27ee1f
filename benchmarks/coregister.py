"""Co-registration measured: `python benchmarks/coregister.py --data ../shared/data --picture FILE.png`.

Simulated pairs with known displacements at several places, seasons and distortions; pairs that must be refused; real
pairs beside the shift at which their mutual information is greatest, and known warps on them (coregister_warps.py).
Real samples that are not there are skipped.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # works from an uninstalled clone too

import numpy as np

from benchmarks import coregister_real as real
from benchmarks import coregister_warps as warps
from benchmarks import coregister_world as world
from gee_export.base.grid import Raster
from gee_export.base.regions import Month
from gee_export.coregistration.coregister import Coregistration, coregister, warped
from gee_export.earth_engine.session import connect

MONTHS = {"2019-06": ("as it is", "cubic"), "2021-10": ("as it is", "affine")}
FIGURE = ("city, Wuhan", "2019-06", "cubic")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="real samples")
    parser.add_argument("--picture", type=Path, help="a PNG of one city before and after")
    parser.add_argument("--real", action="store_true", help="real pairs and their warps only")
    parser.add_argument("--out", type=Path, help="the figures as JSON")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    if not options.real:
        with tempfile.TemporaryDirectory() as home, connect(home=Path(home)):
            figures |= {"simulated": simulated(options.picture), "refused": refusals()}
    figures["real"] = measured(options.data)
    figures["warps"] = warps.table([pair for pair in real.pairs(options.data) if pair[0].startswith("terramind")])
    if options.out is not None:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


def simulated(picture: Path | None) -> list[dict]:
    """A line for each place, month, orbit and distortion; errors in pixels at every pixel of the pair."""
    print("Simulated pairs, 7 to 8 km a side. before, left: RMS distance at every pixel, pixels; floor: what the best")
    print("cubic leaves of the world's own bends; right, down: left, by axis; rmse, loo: of the tie points.")
    print(f"{'place':<17} {'month':<8} {'orbit':>5} {'distortion':<9} order points "
          "before  left (floor) right  down   rmse   loo")  # fmt: skip
    rows = []
    for name in world.PLACES:
        for month, kinds in MONTHS.items():
            for orbit, truth in world.truths(world.place(name), Month.parse(month).period).items():
                for distortion in kinds:
                    pulled = world.distorted(truth, distortion)
                    registration = coregister([(pulled.fixed, pulled.moving)])
                    rows.append(_row(name, month, orbit, distortion, pulled, registration))
                    if picture is not None and (name, month, distortion) == FIGURE:
                        _draw(pulled, registration, picture)
                        picture = None
    applied = [row for row in rows if row["applied"]]
    for statistic in ("left", "right", "down"):
        values = [row[statistic] for row in applied]
        print(
            f"{statistic:<6} median {np.median(values):.2f}, greatest {max(values):.2f} px of {len(applied)} corrected"
        )
    return rows


def _row(name: str, month: str, orbit: int, distortion: str, truth: world.Truth, registration: Coregistration) -> dict:
    left, right, down = truth.left_px(registration.polynomial)
    row = {
        "place": name, "month": month, "orbit": orbit, "distortion": distortion, "applied": registration.applied,
        "before": truth.before_px, "left": left, "floor": truth.floor_px, "right": right, "down": down,
        "order": registration.polynomial.order, "points": int(registration.used.sum()),
    }  # fmt: skip
    head = f"{name:<17} {month:<8} {orbit:>5} {distortion:<10}"
    if not registration.applied:
        print(f"{head} not corrected: {registration.reason}", flush=True)
        return row
    row |= {"rmse": registration.fit.rmse_px, "loo": registration.fit.loo_px}
    print(
        f"{head} {row['order']:>5} {row['points']:>6} {row['before']:>6.2f} {left:>5.2f} ({row['floor']:.2f})"
        f" {right:>6.2f} {down:>5.2f} {row['rmse']:>6.2f} {row['loo']:>5.2f}",
        flush=True,
    )
    return row


def refusals() -> dict[str, str]:
    """Pairs without common structure: what is said of them. None may be corrected."""
    june = Month(2019, 6).period
    city, hills = (
        next(iter(world.truths(world.place(name), june).values())) for name in ("city, Wuhan", "hills, Dabie")
    )
    rng = np.random.default_rng(0)
    side = min(*city.fixed.geobox.shape, *hills.fixed.geobox.shape)
    fixed, radar, elsewhere = (_square(raster, side) for raster in (city.fixed, city.moving, hills.moving))
    shape = radar.values_BHW.shape
    cases = {
        "noise instead of radar": rng.normal(size=shape),
        "speckle on calm water": 10 * np.log10(rng.gamma(4.4, size=shape)),
        "a constant": np.full(shape, -20.0),
        "radar of another place": elsewhere.values_BHW,
        "radar turned by 90 degrees": np.rot90(radar.values_BHW, axes=(1, 2)),
    }
    print("\nPairs that must be refused")
    verdicts = {}
    for name, values in cases.items():
        registration = coregister([(fixed, _like(fixed, values))])
        verdicts[name] = ("CORRECTED: " if registration.applied else "refused: ") + registration.reason
        print(f"{name:<28} {verdicts[name]}", flush=True)
    return verdicts


def measured(data: Path) -> list[dict]:
    """Real pairs: the shift by mutual information beside the polynomial's mean; pixels right and down."""
    print(
        "\nReal pairs. Pixels right and down from the optical image (or mask) to radar: by mutual information, and the"
    )
    print("mean of the polynomial; rmse and loo of the tie points, uncorrected: their distance before.")
    rows = []
    for name, fixed, moving in real.pairs(data):
        shift, result = real.information_shift(fixed, moving), coregister([(fixed, moving)])
        mean = _mean_px(result, fixed)
        row = {"pair": name, "information": shift, "applied": result.applied, "mean": mean, "reason": result.reason}
        by_information = "no peak inside" if shift is None else f"{shift[0]:>6.2f} {shift[1]:>6.2f}"
        line = f"{name:<22} {by_information:<14}"
        if result.fit is not None:
            row |= {"rmse": result.fit.rmse_px, "loo": result.fit.loo_px, "uncorrected": result.fit.before_px}
        if result.applied:
            line += (
                f" {mean[0]:>6.2f} {mean[1]:>6.2f}  order {result.polynomial.order}, {result.used.sum()} points, rmse "
                f"{result.fit.rmse_px:.2f}, loo {result.fit.loo_px:.2f}, uncorrected {result.fit.before_px:.2f}"
            )
        else:
            line += f" not corrected: {result.reason}"
        print(line, flush=True)
        rows.append(row)
    if not rows:
        print(f"none: {data} is not there")
    return rows


def _mean_px(registration: Coregistration, raster: Raster) -> tuple[float, float]:
    affine = raster.geobox.affine
    rows, cols = np.mgrid[: raster.geobox.shape[0], : raster.geobox.shape[1]] + 0.5
    dx, dy = registration.polynomial.at(affine.a * cols + affine.c, affine.e * rows + affine.f)
    return float(dx.mean() / affine.a), float(dy.mean() / affine.e)


def _like(raster: Raster, values: np.ndarray) -> Raster:
    values = np.ascontiguousarray(values, np.float32)
    names = tuple(f"b{index}" for index in range(len(values)))
    return Raster(raster.geobox, names, values, np.ones(values.shape, bool))


def _square(raster: Raster, side: int) -> Raster:
    at = slice(side), slice(side)
    return Raster(raster.geobox[at], raster.bands, raster.values_BHW[:, *at], raster.valid_BHW[:, *at])


def _draw(truth: world.Truth, registration: Coregistration, path: Path) -> None:
    """Chequered optical and radar squares before and after, and the vectors found and left."""
    from matplotlib.figure import Figure
    from PIL import Image

    from gee_export.coregistration.residuals import vectors

    figure = Figure(figsize=(11, 10), layout="constrained")
    axes = figure.subplots(2, 2)
    after = warped(truth.moving, registration.polynomial)
    for axis, moving, title in ((axes[0, 0], truth.moving, "before"), (axes[0, 1], after, "after")):
        axis.imshow(_chequered(truth.fixed, moving), interpolation="nearest")
        axis.set(title=f"{title}: Sentinel-2 in colour, Sentinel-1 in grey", xticks=[], yticks=[])
    points = registration.points
    vectors_px = np.stack([points.dx / registration.step[0], points.dy / registration.step[1]], axis=1)
    left = np.full(vectors_px.shape, np.nan)
    left[registration.used] = registration.residuals_px()
    vectors(axes[1, 0], registration, vectors_px, registration.used)
    axes[1, 0].set_title(f"displacement found at {len(points)} windows (km), rejected ones red")
    vectors(axes[1, 1], registration, left, registration.used)
    axes[1, 1].set_title(
        f"left by the polynomial of order {registration.polynomial.order}: {registration.fit.rmse_px:.2f} px RMSE"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    memory = BytesIO()
    figure.savefig(memory, dpi=66)
    Image.open(memory).convert("RGB").quantize(160).save(path, optimize=True)
    print(f"picture: {path}", file=sys.stderr)


def _chequered(fixed: Raster, moving: Raster, side: int = 240, square: int = 40) -> np.ndarray:
    """Squares of both images of a corner of the ground, each stretched between its 2nd and 98th percentile."""
    top, left = 330, 30
    at = slice(top, top + side), slice(left, left + side)
    colour = np.stack([_stretched(fixed.values_BHW[k][at]) for k in (3, 2, 1)], axis=-1)  # near infrared in red
    colour = np.where(fixed.valid_BHW.all(axis=0)[at][..., None], colour, 1.0)  # clouds all month: white
    grey = np.repeat(_stretched(moving.values_BHW[0][at])[..., None], 3, axis=-1)
    rows, cols = np.mgrid[:side, :side] // square
    return np.where(((rows + cols) % 2 == 0)[..., None], colour, grey)


def _stretched(band: np.ndarray) -> np.ndarray:
    low, high = np.percentile(band, (2, 98))
    return np.clip((band - low) / max(high - low, 1e-9), 0, 1)


if __name__ == "__main__":
    main()
