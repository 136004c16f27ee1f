"""Real images with known ground: written as GeoTIFFs that `isamap map --input` takes, and maps judged on them.

Used by benchmarks/real_samples.py (`--judge`). Cells of 250 m are drawn with replacement for 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import Resampling, calculate_default_transform, reproject

from benchmarks.real_catalogs import BASELINE_OFFSET, TERRAMIND, TERRAMIND_BANDS
from isamap import inference
from isamap.gee_export.base.feature_table import read_table
from isamap.inference.map_files.legend import PROB_STEPS
from isamap.inference.map_files.map_file import open_map
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.point_threshold import PointSample, choose_threshold
from isamap.training.checkpoints import checkpoint as ck

BANDS = ("B2", "B3", "B4", "B8", "B11")
RADAR = ("VV", "VH")  # in dB
CELL_PX = 25
DENMARK = "637U_59R_1_3"  # of TerraMesh like 433D, without the offset
COUNTRY_OF = {TERRAMIND: "Chile", DENMARK: "Denmark"}
UTM_50 = "EPSG:32650"
SLOVENIA_BANDS = {"B2": 1, "B3": 2, "B4": 3, "B8": 7, "B11": 11}
SLOVENIA_CLEAR = (2, 3, 4)  # dates; the first is overcast, the second hazy
# what the card says of the table
ABOUT = (
    "`benchmarks/real_samples.py --judge`: each at its own threshold, and at the one of the best F1 over all other "
    "grounds, which weigh alike (ground where nothing is built among them, but for own points). In brackets 95 % "
    "intervals over cells of 250 m. The forest and the indices learned from the same patches."
)
BUILT = {"leipzig": "urban", "slovenia": 8, "terramesh": 5}


@dataclass(frozen=True, eq=False)
class KnownGround:
    """An image of BANDS in reflectance, RADAR or both, and pixels (row, col) whose class is known, with their cells.

    told: place, level and pixels in words, for tables.
    """

    name: str
    told: str
    image: Path
    row_N: np.ndarray
    col_N: np.ndarray
    impervious_N: np.ndarray

    @property
    def cell_N(self) -> np.ndarray:
        """The number of the cell of CELL_PX pixels that each lies in."""
        corners = np.column_stack([self.row_N, self.col_N]) // CELL_PX
        numbers: np.ndarray = np.unique(corners, axis=0, return_inverse=True)[1].ravel()
        return numbers


def known_grounds(data: Path, out: Path) -> list[KnownGround]:
    """Every real sample that has an image, its neighbours and classes."""
    out.mkdir(parents=True, exist_ok=True)
    return [
        leipzig(data, out),
        slovenia(data, out),
        terramesh(data, out, TERRAMIND, BASELINE_OFFSET),
        terramesh(data, out, DENMARK, 0),
    ]


def leipzig(data: Path, out: Path) -> KnownGround:
    """Leipzig (L1C) with 97 points of the field: urban is impervious; forest, pasture and water are not."""
    with rasterio.open(data / "leipzig" / "leipzig_raster.tif") as source:
        names, pixels, profile = source.descriptions, source.read() * 1e-4, source.profile
    stored = {name.upper().replace("B0", "B"): pixels[at] for at, name in enumerate(names)}
    points = read_table(data / "leipzig" / "leipzig_points.gpkg")
    col, row = ~profile["transform"] * (np.array([p.x for p in points.shapes]), np.array([p.y for p in points.shapes]))
    image = written(out / "leipzig.tif", stored, profile["transform"], "EPSG:32632")
    urban = points.columns["land_cover"] == BUILT["leipzig"]
    told = f"Leipzig, L1C, {len(urban)} field points, {urban.sum()} urban"
    return KnownGround("leipzig", told, image, np.floor(row).astype(int), np.floor(col).astype(int), urban)


def slovenia(data: Path, out: Path) -> KnownGround:
    """A village, a road and woods in Slovenia (L1C): the median of its clear dates; class 8 is artificial."""
    folder = data / "eolearn_slovenia"
    scenes = np.load(folder / "REFERENCE_SCENES.npy")[list(SLOVENIA_CLEAR)]
    label = np.load(folder / "LULC.npy")[..., 0]
    median = np.median(scenes, axis=0)
    west, north, east, south = 465181.0522318204, 5080254.63349641, 466180.53145382757, 5079244.8912012065
    affine = Affine((east - west) / label.shape[1], 0, west, 0, (south - north) / label.shape[0], north)
    stored = {band: median[..., at] for band, at in SLOVENIA_BANDS.items()}
    row, col = np.nonzero(label > 0)
    image = written(out / "slovenia.tif", stored, affine, "EPSG:32633")
    artificial = label[row, col] == BUILT["slovenia"]
    told = f"Slovenia, L1C, a road and houses, {_share(artificial)}"
    return KnownGround("slovenia", told, image, row, col, artificial)


def terramesh(data: Path, out: Path, patch: str, offset: int) -> KnownGround:
    """A patch of TerraMesh (L2A, gamma0) with its LULC: class 5 is built, and calls whole hamlets so."""
    with rasterio.open(data / "terramind" / "S2L2A" / f"{patch}.tif") as source:
        pixels, affine, crs = (source.read() + float(offset)) * 1e-4, source.transform, source.crs
    with rasterio.open(data / "terramind" / "LULC" / f"{patch}.tif") as source:
        label = source.read(1)
    with rasterio.open(data / "terramind" / "S1RTC" / f"{patch}.tif") as source:
        backscatter = dict(zip(RADAR, source.read(), strict=True))
    stored = {band: pixels[TERRAMIND_BANDS.index(band)] for band in BANDS} | backscatter
    row, col = np.nonzero(label > 0)
    image = written(out / f"{patch}.tif", stored, affine, f"EPSG:{crs.to_epsg()}")
    built = label[row, col] == BUILT["terramesh"]
    level = f"L2A less {-offset}" if offset else "L2A"
    told = f"{COUNTRY_OF[patch]} (TerraMesh {patch[:4]}), {level}, {_share(built)}"
    return KnownGround(patch, told, image, row, col, built)


def beijing(data: Path, out: Path) -> KnownGround:
    """Around Tsinghua University: the median of Sentinel-1 of 2020, no Sentinel-2, and a mask of 30 m of 2017.

    They are warped from degrees to the UTM grid of 10 m. Other masks of this place call up to .91 of it built.
    """
    folder = data / "beijing_thu"
    with rasterio.open(folder / "THU_2020_sentinel_1_50pt.tif") as source:
        shape, bounds, backscatter = source.shape, source.bounds, source.read()
        of_source = {"src_transform": source.transform, "src_crs": source.crs}
    with rasterio.open(folder / "isa_from-glc2017_bj.tif") as source:
        label = source.read(1).astype(np.float32)
    affine, width, height = calculate_default_transform(
        of_source["src_crs"], UTM_50, *shape[::-1], *bounds, resolution=10
    )

    def warped(values_HW: np.ndarray, resampling: Resampling) -> np.ndarray:
        made = np.full((height, width), np.nan, np.float32)
        reproject(
            values_HW, made, **of_source, dst_transform=affine, dst_crs=UTM_50, dst_nodata=np.nan, resampling=resampling
        )
        return made

    stored = {band: warped(each, Resampling.bilinear) for band, each in zip(RADAR, backscatter, strict=True)}
    mask = warped(label, Resampling.nearest)
    row, col = np.nonzero(np.isfinite(mask + stored["VV"]))
    built = mask[row, col] == 1
    image = written(out / "beijing.tif", stored, affine, UTM_50)
    return KnownGround("beijing", f"Beijing, radar of a year, {_share(built)}", image, row, col, built)


def _share(is_impervious_N: np.ndarray) -> str:
    return f"{is_impervious_N.mean():.2g} of {len(is_impervious_N):,} px".removeprefix("0")


def judged(
    checkpoint: Path, grounds: Sequence[KnownGround], out: Path, bare: Sequence[KnownGround] = ()
) -> dict[str, dict[str, Any]]:
    """By ground: how a checkpoint's map did (figures_of); bare: ground where nothing is built."""
    probabilities = {ground.name: mapped(checkpoint, ground, out) for ground in (*grounds, *bare)}
    return figures_of(probabilities, threshold_of(checkpoint), grounds, bare)


def figures_of(
    probabilities: Mapping[str, np.ndarray],
    threshold: float,
    grounds: Sequence[KnownGround],
    bare: Sequence[KnownGround] = (),
) -> dict[str, dict[str, Any]]:
    """By ground: OA, F1 of impervious and AUC, each with its interval, and F1 at two thresholds.

    from_others: best_threshold of all other grounds, bare ones among them. from_points: of Leipzig alone, F1 of points
    that did not choose the threshold (training/accuracy/point_threshold.py).
    """
    counts = {
        ground.name: by_cell(probabilities[ground.name], ground.impervious_N, ground.cell_N)
        for ground in (*grounds, *bare)
    }
    figures = {ground.name: scores_at(counts[ground.name], threshold) for ground in grounds}
    for name in figures:
        others = [each.sum(axis=0) for other_name, each in counts.items() if other_name != name]
        if others:
            at_it = scores_at(counts[name], best_threshold(others))
            figures[name]["from_others"] = {
                "threshold": at_it["threshold"],
                "f1": at_it["f1"],
                "f1_interval": at_it["intervals"]["f1"],
            }
    for ground in grounds:
        if ground.name == "leipzig":
            points = PointSample(probabilities[ground.name], ground.impervious_N, ground.cell_N)
            fitted = choose_threshold(points, threshold)
            figures[ground.name]["from_points"] = {"threshold": fitted.threshold, "f1": round(fitted.f1, 4)} | (
                bootstrap.rounded({"threshold_interval": fitted.interval, "f1_interval": fitted.f1_interval})
            )
    return figures


def threshold_of(checkpoint: Path) -> float:
    """The probability from which a checkpoint calls a pixel impervious."""
    return float(ck.load(str(checkpoint)).thresholds["impervious"])


def mapped(checkpoint: Path, ground: KnownGround, out: Path) -> np.ndarray:
    """Probabilities of a checkpoint's map at the pixels whose class is known."""
    made = out / f"{ground.name}-{checkpoint.name}.tif"
    inference.map_region(str(checkpoint), input=str(ground.image), out=made, overwrite=True, progress=False)
    probability: np.ndarray = open_map(made).probability.read()[ground.row_N, ground.col_N] / PROB_STEPS
    return probability


def scores_at(counts_C2S: np.ndarray, threshold: float) -> dict[str, Any]:
    """The measures of all cells at a threshold, with their intervals over cells."""
    values = {
        name: round(float(value[0]), 4) for name, value in measures(counts_C2S.sum(axis=0)[None], threshold).items()
    }
    values_of_draws = measures(drawn(counts_C2S), threshold)
    intervals = {name: bootstrap.bounds(each, np.isfinite(each)) for name, each in values_of_draws.items()}
    return {"threshold": threshold, **values, "intervals": bootstrap.rounded(intervals)}


def best_threshold(counts_2S: Sequence[np.ndarray]) -> float:
    """The threshold of the best F1 over all grounds at once, each of which weighs as much however many pixels it has.

    So ground where nothing is built speaks through what is called built there; a mean of F1 would not hear it.
    """
    weighed = np.sum([counts / counts.sum() for counts in counts_2S], axis=0)
    thresholds = np.arange(1, PROB_STEPS + 1) / PROB_STEPS
    f1 = [measures(weighed[None], float(each))["f1"][0] for each in thresholds]
    return float(thresholds[int(np.argmax(f1))])


def best_threshold_of(checkpoint: Path, grounds: Sequence[KnownGround], out: Path) -> float:
    """The best_threshold of a checkpoint's maps of these grounds."""
    return best_threshold(
        [by_cell(mapped(checkpoint, ground, out), ground.impervious_N, ground.cell_N).sum(axis=0) for ground in grounds]
    )


def by_cell(probability_N: np.ndarray, impervious_N: np.ndarray, cell_N: np.ndarray) -> np.ndarray:
    """Pixels by cell, class and stored step of probability, float64 (cells, 2, PROB_STEPS + 1)."""
    cells, steps = int(cell_N.max()) + 1, PROB_STEPS + 1
    at = (cell_N * 2 + impervious_N) * steps + np.rint(probability_N * PROB_STEPS).astype(int)
    return np.bincount(at, minlength=cells * 2 * steps).reshape(cells, 2, steps).astype(np.float64)


def measures(counts_D2S: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """OA, F1 of impervious and AUC of many samples; nan where a class is missing. Ties count one half."""
    is_called = np.arange(PROB_STEPS + 1) / PROB_STEPS >= threshold
    false, hit = (counts_D2S[:, k][:, is_called].sum(axis=1) for k in (0, 1))
    negatives, positives = counts_D2S.sum(axis=2).T
    # AUC from counts: the share of pairs whose impervious pixel has the larger probability (Mann and Whitney).
    below = counts_D2S[:, 0].cumsum(axis=1) - counts_D2S[:, 0] / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "oa": (hit + negatives - false) / (negatives + positives),
            "f1": 2 * hit / (hit + false + positives),
            "auc": (counts_D2S[:, 1] * below).sum(axis=1) / (negatives * positives),
        }


def by_ground(
    figures: Mapping[str, Mapping[str, Any]], grounds: Sequence[KnownGround]
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The figures of predictors on grounds, by what is told of the ground and then by predictor."""
    return {ground.told: {name: each[ground.name] for name, each in figures.items()} for ground in grounds}


def note(checkpoint: Path, grounds: Mapping[str, Mapping[str, Any]], day: str) -> ck.Checkpoint:
    """Write how it was judged on a day into the checkpoint's description and card; weights and fingerprint stay.

    grounds: as by_ground gives them, the checkpoint's own figures first.
    """
    trained = ck.load(checkpoint)
    judged = {"fingerprint": trained.fingerprint, "about": f"{day}, {ABOUT}", "grounds": grounds}
    return ck.rewrite(replace(trained, origin={**trained.origin, "judged": judged}), Path(trained.location))


def drawn(counts_C2S: np.ndarray) -> np.ndarray:
    """Sums of bootstrap.DRAWS samples of as many cells as there are, each cell's counts whole."""
    count = len(counts_C2S)
    times = np.random.default_rng(bootstrap.SEED).multinomial(count, np.full(count, 1 / count), size=bootstrap.DRAWS)
    return (times.astype(np.float64) @ counts_C2S.reshape(count, -1)).reshape(-1, *counts_C2S.shape[1:])


def written(path: Path, stored: Mapping[str, np.ndarray], affine: Affine, crs: str) -> Path:
    """Those of BANDS and RADAR that are stored, as float32 with their names."""
    names = [name for name in (*BANDS, *RADAR) if name in stored]
    height, width = stored[names[0]].shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": len(names), "dtype": "float32"}
    with rasterio.open(path, "w", **profile, crs=crs, transform=affine) as made:
        made.write(np.stack([stored[band] for band in names]).astype(np.float32))
        made.descriptions = names
    return path
