"""What maps of real ground are held against: a forest of the place's own points, ground without buildings, fewer bands.

Used by benchmarks/real_samples.py (`--judge`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from benchmarks.real_ground import BANDS, RADAR, KnownGround, judged, mapped, threshold_of, written
from isamap.training.checkpoints import checkpoint as ck
from tests.support import bigearthnet

OWN_POINTS = "own points"
EACH = 50  # points of either class that a forest learns from; Leipzig has fewer
FOLDS, TREES, SEED = 5, 200, 0


def of_own_points(ground: KnownGround) -> np.ndarray:
    """Probabilities at a ground's pixels: each by a forest of at most EACH points of either class from other cells."""
    with rasterio.open(ground.image) as source:
        values_NB = source.read()[: len(BANDS), ground.row_N, ground.col_N].T
    probability_N = np.zeros(len(values_NB))
    for learned, here in folds(ground):
        forest = RandomForestClassifier(TREES, random_state=SEED)
        forest.fit(values_NB[learned], ground.impervious_N[learned])
        at = list(forest.classes_).index(True)
        probability_N[here] = forest.predict_proba(values_NB[here])[:, at]
    return probability_N


def folds(ground: KnownGround) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """FOLDS times: at most EACH points of either class to learn from, and all pixels of the cells that gave none."""
    rng = np.random.default_rng(SEED)
    for others, here in GroupKFold(FOLDS).split(ground.row_N, groups=ground.cell_N):
        of_class = [others[ground.impervious_N[others] == built] for built in (False, True)]
        yield np.concatenate([rng.permutation(points)[:EACH] for points in of_class]), here


def nothing_built(out: Path) -> list[KnownGround]:
    """BigEarthNet's six patches (L2A, sigma0): the labels of none name anything built."""
    out.mkdir(parents=True, exist_ok=True)
    return [_of_pair(pair, out) for pair in bigearthnet.pairs()]


def _of_pair(pair: bigearthnet.Pair, out: Path) -> KnownGround:
    height, width = pair.grid.shape
    row, col = np.indices((height, width)).reshape(2, -1)
    bands = {band: _at_10_m(pair.s2[band], height) * 1e-4 for band in BANDS}
    backscatter = {band: pair.s1_db[band] for band in RADAR}
    image = written(out / f"{pair.name}.tif", bands | backscatter, pair.grid.affine, str(pair.grid.crs))
    return KnownGround(pair.name, f"{pair.name}, {pair.month}", image, row, col, np.zeros(len(row), bool))


def _at_10_m(values_HW: np.ndarray, height: int) -> np.ndarray:
    ratio = height // len(values_HW)
    return values_HW.repeat(ratio, axis=0).repeat(ratio, axis=1)


def called_built(checkpoint: Path, grounds: Sequence[KnownGround], out: Path) -> dict[str, float]:
    """By ground: the share of pixels that a checkpoint's map calls impervious."""
    threshold = threshold_of(checkpoint)
    return {each.told: round(float((mapped(checkpoint, each, out) >= threshold).mean()), 4) for each in grounds}


def of_radar_alone(checkpoint: Path, ground: KnownGround, out: Path) -> dict[str, Any]:
    """How a network of both sensors did on an image of radar alone, beside the order that VV by itself gives."""
    figures = judged(checkpoint, [ground], out)[ground.name]
    with rasterio.open(ground.image) as source:
        vv_N = source.read(source.descriptions.index("VV") + 1)[ground.row_N, ground.col_N]
    return figures | {"auc_of_vv": round(float(roc_auc_score(ground.impervious_N, vv_N)), 4)}


def may_lack_a_band(checkpoint: Path) -> bool:
    """Whether a network learned with a band missing."""
    trained = ck.load(str(checkpoint))
    return all(trained.may_lack([name]) for name in trained.band_names)


def with_bands_missing(
    checkpoint: Path, grounds: Sequence[KnownGround], out: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """F1 and AUC by ground and missing bands, on the grounds that have all bands of a checkpoint."""
    missing = [(band,) for band in BANDS] + ([RADAR, BANDS] if knows_radar(checkpoint) else [])
    needed = set(ck.load(str(checkpoint)).band_names)
    return {each.name: _missing(checkpoint, each, missing, out) for each in grounds if needed <= set(_bands(each))}


def knows_radar(checkpoint: Path) -> bool:
    """Whether a network takes Sentinel-1."""
    return set(RADAR) <= set(ck.load(str(checkpoint)).band_names)


def _missing(
    checkpoint: Path, ground: KnownGround, missing: Sequence[tuple[str, ...]], out: Path
) -> dict[str, dict[str, float]]:
    """By missing bands: F1 and AUC of the image without them."""
    lacking = [
        replace(ground, name=f"{ground.name}-{'-'.join(bands)}", image=_without(ground, bands, out))
        for bands in missing
    ]
    figures = judged(checkpoint, lacking, out).values()
    return {", ".join(bands): {"f1": of["f1"], "auc": of["auc"]} for bands, of in zip(missing, figures, strict=True)}


def _bands(ground: KnownGround) -> tuple[str, ...]:
    with rasterio.open(ground.image) as source:
        names: tuple[str, ...] = source.descriptions
        return names


def _without(ground: KnownGround, bands: Sequence[str], out: Path) -> Path:
    with rasterio.open(ground.image) as source:
        stored = dict(zip(source.descriptions, source.read(), strict=True))
        affine, crs = source.transform, source.crs.to_string()
    kept = {name: values for name, values in stored.items() if name not in bands}
    return written(out / f"{ground.name}-{'-'.join(bands)}.tif", kept, affine, crs)
