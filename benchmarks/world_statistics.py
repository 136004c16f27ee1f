"""The statistics of docs/reference/world.md, "Does it look real" on plain arrays; rendered and real pixels go through
the same functions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats

BUILT, CROP, TREES, BARE = "built", "crop", "trees", "bare"
PAGE, OURS = "page", "ours"


@dataclass(frozen=True)
class Row:
    """One statistic: its number in docs/reference/world.md, "Does it look real", name, target range and whose it is,
    value, real value.
    """

    number: int
    name: str
    target: tuple[float, float]
    whose: str
    value: float
    real: float = float("nan")

    @property
    def passed(self) -> bool:
        return self.target[0] <= self.value <= self.target[1]

    def __str__(self) -> str:
        low, high = (f"{edge:.3g}" for edge in self.target)
        real = "-" if np.isnan(self.real) else f"{self.real:.3g}"
        verdict = "pass" if self.passed else "FAIL"
        target = f"{low:>6} .. {high:<6} {self.whose}"
        return f"{self.number:>2}  {self.name:<49} {target}  {self.value:>7.3g} {real:>7}  {verdict}"


@dataclass(frozen=True)
class Scene:
    """One window: reflectance by band (NaN where cloudy), backscatter in linear power, and a mask for each class."""

    optical: dict[str, np.ndarray]
    radar: dict[str, np.ndarray]
    classes: dict[str, np.ndarray]


def gathered(scenes: Iterable[Scene], of, name: str) -> np.ndarray:
    """A quantity of every pixel of one class that holds a number, all scenes together."""
    values = np.concatenate([of(scene)[scene.classes[name]] for scene in scenes])
    return values[np.isfinite(values)]


def _index(a: str, b: str):
    return lambda scene: (scene.optical[a] - scene.optical[b]) / (scene.optical[a] + scene.optical[b])


def band(name: str):
    """Reads one band of a scene."""
    return lambda scene: scene.optical[name]


ndvi, ndbi = _index("B8", "B4"), _index("B11", "B8")
QUANTITIES = {"NDVI": ndvi, "NDBI": ndbi, "B4": band("B4"), "B8": band("B8"), "B11": band("B11")}


def decibels(name: str, sigma: float = 0.0):
    """Reads one polarisation in dB, smoothed in power by a Gaussian of `sigma` pixels."""

    def of(scene: Scene) -> np.ndarray:
        power = ndimage.gaussian_filter(scene.radar[name], sigma) if sigma else scene.radar[name]
        return 10 * np.log10(power)

    return of


def roughness(scene: Scene) -> np.ndarray:
    """Standard deviation of B2 in 5 x 5 pixels."""
    values = scene.optical["B2"]
    mean = ndimage.uniform_filter(values, 5)
    return np.sqrt(np.maximum(ndimage.uniform_filter(values**2, 5) - mean**2, 0))


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that a value of the first sample exceeds one of the second; NaN under 30 values."""
    if min(len(high), len(low)) < 30:
        return float("nan")
    return float(stats.mannwhitneyu(high, low).statistic / (len(high) * len(low)))


def ks(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance between two samples' cumulative histograms (Kolmogorov-Smirnov)."""
    return float(stats.ks_2samp(a, b).statistic) if min(len(a), len(b)) >= 30 else float("nan")


def patches(values: np.ndarray, side: int = 224) -> list[np.ndarray]:
    """The whole patches of a window that hold no gap."""
    corners = itertools.product(*(range(0, n - side + 1, side) for n in values.shape))
    parts = [values[r : r + side, c : c + side] for r, c in corners]
    return [patch for patch in parts if np.isfinite(patch).all()]


def mean(values: Iterable[float]) -> float:
    """Mean of what there is; NaN of nothing."""
    samples = list(values)
    return float(np.mean(samples)) if samples else float("nan")


def autocorrelation(values: np.ndarray, lag: int) -> float:
    """Correlation of pixels `lag` apart, both directions."""
    pairs = ((values[:, lag:], values[:, :-lag]), (values[lag:], values[:-lag]))
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))


def gradient(values: np.ndarray, percent: float) -> float:
    """A percentile of the gradient's magnitude over the band's spread."""
    dy, dx = np.gradient(values)
    return float(np.percentile(np.hypot(dx, dy), percent) / values.std())


def _spectrum(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean power of ln(values) between edges of frequency (cycles per pixel), all directions."""
    values = np.log(np.maximum(values, 1e-4))
    window = np.hanning(values.shape[0])[:, None] * np.hanning(values.shape[1])[None]
    power = np.abs(np.fft.fft2((values - values.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(values.shape[0])[:, None], np.fft.fftfreq(values.shape[1])[None])
    return np.array([power[(radius >= a) & (radius < b)].mean() for a, b in itertools.pairwise(edges)])


def slope(values: np.ndarray, low: float, high: float) -> float:
    """Log-log slope of the power spectrum between two frequencies."""
    edges = np.geomspace(low, high, 13)
    return float(np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(_spectrum(values, edges)), 1)[0])


def nyquist(values: np.ndarray) -> float:
    """Power at the Nyquist frequency over power at .11 cycles per pixel."""
    coarse, fine = (_spectrum(values, np.array(edges))[0] for edges in ((0.10, 0.12), (0.47, 0.50)))
    return float(fine / coarse)


def looks(power: np.ndarray, percent: float) -> float:
    """A percentile of the equivalent number of looks of 7 x 7 windows."""
    rows, cols = (n // 7 for n in power.shape)
    blocks = power[: rows * 7, : cols * 7].reshape(rows, 7, cols, 7).transpose(0, 2, 1, 3).reshape(-1, 49)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    return float(np.percentile(blocks.mean(1) ** 2 / blocks.var(1), percent))


def kappa(a: np.ndarray, b: np.ndarray) -> float:
    """Cohen's kappa of two masks."""
    agree, pa, pb = np.mean(a == b), a.mean(), b.mean()
    chance = pa * pb + (1 - pa) * (1 - pb)
    return float((agree - chance) / (1 - chance))


EDGES = (-20, -10, -6, -3, 0, 3, 6, 10, 20)


def boundary_curve(reference: np.ndarray, candidate: np.ndarray) -> list[float]:
    """P(candidate is built | signed distance in pixels to the reference's boundary), inside positive, between EDGES."""
    inside, outside = ndimage.distance_transform_edt(reference), ndimage.distance_transform_edt(~reference)
    signed = np.where(reference, inside - 0.5, 0.5 - outside)
    zones = [(signed >= a) & (signed < b) for a, b in itertools.pairwise(EDGES)]
    return [float(candidate[zone].mean()) if zone.any() else float("nan") for zone in zones]


def votes(masks: Iterable[np.ndarray]) -> list[float]:
    """Shares of pixels that 0, 1, 2, .. of the masks call built."""
    stack = np.stack(list(masks))
    counts = stack.sum(axis=0).ravel()
    return (np.bincount(counts, minlength=len(stack) + 1) / counts.size).tolist()


def mixed_shares(roofs: np.ndarray) -> list[float]:
    """Of the 10-m pixels that touch a roof, shares under 1/4, 1/2, 3/4, 1, and pure; from 1-m roofs."""
    rows, cols = (n // 10 for n in roofs.shape)
    cells = roofs[: rows * 10, : cols * 10].reshape(rows, 10, cols, 10).mean(axis=(1, 3))
    touched = cells[cells > 0]
    return (np.histogram(touched, (0, 0.25, 0.5, 0.75, 0.9999, 1.1))[0] / touched.size).tolist()


def lag_inside(values: np.ndarray, inside: np.ndarray) -> float:
    """Correlation of neighbours (one pixel apart, both directions) that both lie inside a mask."""
    pairs = [(values[:, 1:], values[:, :-1], inside[:, 1:] & inside[:, :-1])]
    pairs.append((values[1:], values[:-1], inside[1:] & inside[:-1]))
    return float(np.mean([np.corrcoef(a[both], b[both])[0, 1] for a, b, both in pairs]))


def agreement(truth: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """MIoU of two classes and F1 of the first mask's."""
    hit, extra, missed = (truth & drawn).sum(), (~truth & drawn).sum(), (truth & ~drawn).sum()
    clear = truth.size - hit - extra - missed
    ious = hit / (hit + extra + missed), clear / (clear + extra + missed)
    return float(np.mean(ious)), float(2 * hit / (2 * hit + extra + missed))
