"""How near a sharpened image comes to a real finer one, tile by tile, and judges that measure it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from isamap.reproduction.evaluators import run_of
from isamap.reproduction.study import Evaluated, Trial
from isamap.training.accuracy import bootstrap

if TYPE_CHECKING:
    from isamap.gee_export.datasets.dataset import Dataset, Patch

METHODS = ("nearest", "bilinear", "cubic")  # of models/phases.py, which imports torch
# The sample's images were stretched to 8 bits.
PEAK = 255.0
EDGE = 8  # finer pixels along each side that are not judged: enlargement invents what lies beyond
PSNR, SSIM, EDGES, ANGLE, GAIN, LOW, HIGH = "psnr", "ssim", "edges", "angle", "gain", "gain_low", "gain_high"
_SIGMA, _TRUNCATE = 1.5, 3.5  # a window of 11 pixels
# K1 and K2 of Wang et al. 2004, section III-B: they keep flat dark windows from dividing by 0.
_C1, _C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def psnr(made_CHW: np.ndarray, true_CHW: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all bands, of numbers up to PEAK."""
    return float(10 * np.log10(PEAK**2 / np.mean((made_CHW - true_CHW) ** 2)))


def ssim(made_CHW: np.ndarray, true_CHW: np.ndarray) -> float:
    """Structural similarity, a mean over pixels and bands."""
    return float(ssim_map(made_CHW, true_CHW).mean())


def ssim_map(made_CHW: np.ndarray, true_CHW: np.ndarray) -> np.ndarray:
    """Structural similarity of each pixel's window (Wang et al. 2004, section III-B: a Gaussian of 1.5 pixels)."""
    window = [0.0, _SIGMA, _SIGMA]

    def mean(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, window, truncate=_TRUNCATE)

    a, b = made_CHW.astype(np.float64), true_CHW.astype(np.float64)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    return (2 * ma * mb + _C1) * (2 * cov + _C2) / ((ma**2 + mb**2 + _C1) * (va + vb + _C2))


def edges(made_CHW: np.ndarray, true_CHW: np.ndarray) -> float:
    """Correlation of the lengths of both images' gradients, over all bands: 1 where edges lie alike."""
    made, true = (np.hypot(*np.gradient(image.astype(np.float64), axis=(1, 2))) for image in (made_CHW, true_CHW))
    return float(np.corrcoef(made.ravel(), true.ravel())[0, 1])


def spectral_angle(made_CHW: np.ndarray, true_CHW: np.ndarray) -> float:
    """Mean angle in degrees between both images' colours as vectors (Kruse et al. 1993, equation 2)."""
    a, b = made_CHW.astype(np.float64), true_CHW.astype(np.float64)
    lengths = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    cosine = np.divide((a * b).sum(axis=0), lengths, out=np.ones_like(lengths), where=lengths > 0)
    # Rounding takes the cosine of equal colours above 1, of which arccos is NaN.
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


MEASURES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    PSNR: psnr,
    SSIM: ssim,
    EDGES: edges,
    ANGLE: spectral_angle,
}


@dataclass(frozen=True)
class Enlarged:
    """A judge of the input's visible bands, enlarged by a method of models/phases.py, on the test patches."""

    method: str

    def __call__(self, trial: Trial) -> Evaluated:
        return judged([(_enlarged(*tile, self.method), *tile) for tile in _tiles(trial)])


def of_network(trial: Trial) -> Evaluated:
    """A judge of the image that the trial's network sharpens."""
    sharpened = dict(_sharpened(run_of(trial), trial))
    return judged([(sharpened[patch.id], data, patch) for data, patch in _tiles(trial)])


def judged(images: list[tuple[np.ndarray, Dataset, Patch]]) -> Evaluated:
    """MEASURES as means over tiles, and PSNR's gain over bilinear enlargement with a 95 % interval over tiles."""
    by_tile, gains = [], []
    for made, data, patch in images:
        true, bilinear = _inner(data.read_fine(patch)), _inner(_enlarged(data, patch, "bilinear"))
        by_tile.append([measure(_inner(made), true) for measure in MEASURES.values()])
        gains.append(by_tile[-1][0] - psnr(bilinear, true))
    values = dict(zip(MEASURES, np.mean(by_tile, axis=0).tolist(), strict=True))
    low, high = _interval(np.array(gains))
    return Evaluated(values | {GAIN: float(np.mean(gains)), LOW: low, HIGH: high})


def _interval(gains_N: np.ndarray) -> bootstrap.Interval:
    rng = np.random.default_rng(bootstrap.SEED)
    drawn = gains_N[rng.integers(0, len(gains_N), (bootstrap.DRAWS, len(gains_N)))].mean(axis=1)
    tail = (1 - bootstrap.CONFIDENCE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return float(low), float(high)


def _inner(image_CHW: np.ndarray) -> np.ndarray:
    return image_CHW[:, EDGE:-EDGE, EDGE:-EDGE].astype(np.float64)


def _tiles(trial: Trial) -> list[tuple[Dataset, Patch]]:
    from isamap.gee_export.datasets.dataset import Dataset

    return [(data, patch) for data in map(Dataset.open, trial.addresses) for patch in data.in_split("test")]


def _enlarged(data: Dataset, patch: Patch, method: str) -> np.ndarray:
    """The visible bands of the input with as many pixels as the finer image."""
    import torch

    from isamap.training.models.phases import enlarge
    from isamap.training.models.sharpened import RGB

    names = list(data.manifest.band_names)
    visible = data.read_image(patch)[[names.index(name) for name in RGB]].astype(np.float32)
    return enlarge(torch.from_numpy(visible)[None], data.stored("fine").ratio, method)[0].numpy()


def _sharpened(run: Path, trial: Trial) -> Iterator[tuple[str, np.ndarray]]:
    """Id and sharpened image, in the input's stored numbers, of each test patch."""
    import torch

    from isamap.training.accuracy.evaluation import source_for
    from isamap.training.checkpoints import checkpoint as ck
    from isamap.training.samples.data import loader

    trained = ck.load(run)
    source, network = source_for(trained, list(trial.addresses)), trained.build().eval()
    norms = [band for name in network.config.rgb for band in trained.bands if band.name == name]
    mean, std = (np.array([getattr(norm, key) for norm in norms])[:, None, None] for key in ("mean", "std"))
    for batch in loader(source.split("test"), 1):
        with torch.inference_mode():
            image = network(source.prepare(batch).image_BCHW).image
        if image is None:
            raise ValueError(f"{run} holds a network that sharpens no image: judge one that does, such as jointseg")
        (index,) = batch.patch_B.tolist()
        yield source.patches("test")[index][1].id, image[0].numpy() * std + mean
