"""Whether probabilities of impervious mean what they say: calibration errors, Brier score and the diagram.

Expected calibration error: Naeini et al. 2015, AAAI, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
in 15 bins of equal width; adaptive: 15 bins of equally many pixels (Nixon et al. 2019, CVPR Workshops, "Measuring
Calibration in Deep Learning"). Brier 1950. Intervals draw whole spatial blocks (training/accuracy/bootstrap.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.bootstrap import DRAWS, MOST_AT_ONCE, SEED, Interval
from isamap.training.accuracy.curve_fits import Counts

STEPS, BINS = 960, 15  # fine steps, a whole number of them in each bin
MEASURES = {"ece": "ECE", "adaptive_ece": "adaptive ECE", "brier": "Brier score"}
PIXELS, IMPERVIOUS, SUM, SQUARES, PRODUCT = range(5)  # of each step: numbers and sums of p, p^2 and p times label


@dataclass(frozen=True, eq=False)
class Reliability:
    """Sums by spatial block and step of probability, float64 (blocks, 5, STEPS)."""

    by_block: np.ndarray

    @cached_property
    def counts(self) -> Counts:
        """Of all blocks, as curves are fitted to; ValueError where the labels hold one class only."""
        total = self.by_block.sum(axis=0)
        middle = (np.arange(STEPS) + 0.5) / STEPS
        mean = np.divide(total[SUM], total[PIXELS], out=middle, where=total[PIXELS] > 0)
        return Counts(mean, total[PIXELS], total[IMPERVIOUS])

    @cached_property
    def values(self) -> dict[str, float]:
        """Each of MEASURES."""
        return {name: float(value[0]) for name, value in _measured(self.by_block.sum(axis=0)[None]).items()}

    @cached_property
    def intervals(self) -> dict[str, Interval | None]:
        """95 % interval of each measure; None with fewer than two blocks."""
        if len(self.by_block) < 2:
            return dict.fromkeys(MEASURES)
        parts = [_measured(sums_DSN) for sums_DSN in self._drawn()]
        drawn = {name: np.concatenate([measures[name] for measures in parts]) for name in MEASURES}
        return {name: bootstrap.bounds(values, np.isfinite(values)) for name, values in drawn.items()}

    @property
    def bins(self) -> np.ndarray:
        """Pixels, mean probability and share of impervious of each bin of equal width, (3, BINS); nan where empty."""
        sums = self.by_block.sum(axis=0).reshape(5, BINS, -1).sum(axis=2)
        with np.errstate(invalid="ignore"):
            return np.stack([sums[PIXELS], sums[SUM] / sums[PIXELS], sums[IMPERVIOUS] / sums[PIXELS]])

    def to_json(self) -> dict[str, Any]:
        """Measures, intervals and the diagram's bins."""
        pixels, mean, share = self.bins
        return {
            **{name: round(value, 5) for name, value in self.values.items()},
            "intervals": bootstrap.rounded(self.intervals),
            "bins": {
                "pixels": pixels.astype(np.int64).tolist(),
                "probability": [None if np.isnan(value) else round(float(value), 5) for value in mean],
                "impervious": [None if np.isnan(value) else round(float(value), 5) for value in share],
            },
        }

    def __str__(self) -> str:
        cells = []
        for name, word in MEASURES.items():
            bounds = self.intervals[name]
            cells.append(f"{word} {self.values[name]:.4f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else ""))
        return f"probability of impervious: {', '.join(cells)}"

    def draw(self, path: str | Path, title: str = "") -> None:
        """The reliability diagram as a PNG: share of impervious by probability, and how many pixels have it."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        pixels, mean, share = self.bins
        figure = Figure(figsize=(4.5, 5.5), layout="constrained")
        # Without pyplot, which would keep every figure and may ask for a display.
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
        upper.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="calibrated")
        upper.plot(mean, share, marker="o", color="#e31a1c", label=f"ECE {self.values['ece']:.3f}")
        upper.set(ylabel="share of impervious", title=title, xlim=(0, 1), ylim=(0, 1))
        upper.legend(loc="upper left")
        lower.bar((np.arange(BINS) + 0.5) / BINS, pixels / pixels.sum(), width=0.9 / BINS, color="0.5")
        lower.set(xlabel="probability of impervious", ylabel="share of pixels")
        figure.savefig(path, dpi=150, format="png")

    def _drawn(self) -> Iterator[np.ndarray]:
        """Sums of `DRAWS` samples of as many blocks as there are, float64 (draws, 5, STEPS) a few at a time."""
        count, rng = len(self.by_block), np.random.default_rng(SEED)
        times_DN = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)
        flat = self.by_block.reshape(count, -1)
        at_once = max(1, MOST_AT_ONCE // flat.shape[1])
        for at in range(0, DRAWS, at_once):
            yield (times_DN[at : at + at_once] @ flat).reshape(-1, 5, STEPS)


def sums(probability: np.ndarray, label: np.ndarray, impervious: int = 1) -> np.ndarray:
    """The five sums of known pixels by step of probability, float64 (5, STEPS)."""
    labelled = label != UNKNOWN
    return _sums(probability[labelled], label[labelled] == impervious)


def share_sums(share: np.ndarray, percent: np.ndarray) -> np.ndarray:
    """The same of predicted shares and known percents: a pixel of 30 % counts as .3 of an impervious one."""
    labelled = percent != UNKNOWN
    return _sums(share[labelled], percent[labelled] / 100)


def _sums(probability: np.ndarray, impervious: np.ndarray) -> np.ndarray:
    p, hit = probability.astype(np.float64), impervious.astype(np.float64)
    step = np.minimum((p * STEPS).astype(np.int64), STEPS - 1)
    weights = (np.ones_like(p), hit, p, p * p, p * hit)
    return np.stack([np.bincount(step, weights=weight, minlength=STEPS) for weight in weights])


def _measured(sums_DSN: np.ndarray) -> dict[str, np.ndarray]:
    """MEASURES of many sums at once, (draws, 5, STEPS)."""
    total = sums_DSN[:, PIXELS].sum(axis=1)
    gap = sums_DSN[:, SUM] - sums_DSN[:, IMPERVIOUS]
    brier = (sums_DSN[:, SQUARES] - 2 * sums_DSN[:, PRODUCT] + sums_DSN[:, IMPERVIOUS]).sum(axis=1) / total
    equal_width = np.abs(gap.reshape(len(gap), BINS, -1).sum(axis=2)).sum(axis=1) / total
    before = sums_DSN[:, PIXELS].cumsum(axis=1) - sums_DSN[:, PIXELS]
    # A fine step goes as a whole into the bin of equal mass that its first pixel is in: no pixel is sorted or kept.
    bin_DN = np.minimum((before / total[:, None] * BINS).astype(np.int64), BINS - 1)
    flat = (np.arange(len(gap))[:, None] * BINS + bin_DN).ravel()
    equal_mass = np.bincount(flat, weights=gap.ravel(), minlength=len(gap) * BINS).reshape(-1, BINS)
    return {"ece": equal_width, "adaptive_ece": np.abs(equal_mass).sum(axis=1) / total, "brier": brier}
