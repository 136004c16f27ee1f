"""Indices of a few bands with a threshold: what a practitioner tries first, behind the face of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isamap.training.models.classical import PixelClassifier
from isamap.training.models.layers import check_choice

NEAR_ZERO = 1e-6  # of a denominator: reflectances below it are none
SOFTNESS = 0.25  # the chance goes from .5 to .73 within so many standard deviations of the index
SOIL = 0.5  # SAVI's L
STRETCH = (0.02, 0.98)  # shares of the pixels that a stretched band calls 0 and 1
THERMAL = "T"  # `--bands T=ST_B10` calls a thermal band so
Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class Index:
    """A formula of reflectances (0 to 1), the bands that it needs, and its source.

    factor: numbers that follow from the pixels on which the threshold is chosen, the formula's second argument.
    """

    bands: tuple[str, ...]
    formula: Callable[[Values, Tensor], Tensor]
    source: str
    factor: Callable[[Values], Tensor] = lambda _: torch.ones(())


def _ratio(left: Tensor, right: Tensor) -> Tensor:
    """(left - right) / (left + right), 0 where both are dark."""
    total = left + right
    # The divisor is filled, too: `where` alone lets NaN through in the gradient.
    return torch.where(total.abs() < NEAR_ZERO, 0.0, (left - right) / total.masked_fill(total.abs() < NEAR_ZERO, 1.0))


def _ndvi(v: Values, _: Tensor) -> Tensor:
    return _ratio(v["B8"], v["B4"])


def _ndbi(v: Values, _: Tensor) -> Tensor:
    return _ratio(v["B11"], v["B8"])


def _mndwi(v: Values, _: Tensor) -> Tensor:
    return _ratio(v["B3"], v["B11"])


def _ui(v: Values, _: Tensor) -> Tensor:
    return _ratio(v["B12"], v["B8"])


def _bui(v: Values, factor: Tensor) -> Tensor:
    return _ndbi(v, factor) - _ndvi(v, factor)


def _ibi(v: Values, factor: Tensor) -> Tensor:
    savi = (1 + SOIL) * (v["B8"] - v["B4"]) / (v["B8"] + v["B4"] + SOIL)
    # the three indices plus 1, so that no sum is near 0 (the paper's own rescaling)
    return _ratio(_ndbi(v, factor) + 1, (savi + 1 + _mndwi(v, factor) + 1) / 2)


def _pisi(v: Values, _: Tensor) -> Tensor:
    # The coefficients of Tian et al. 2018.
    return 0.8192 * v["B2"] - 0.5735 * v["B8"] + 0.0750


def _dry(v: Values) -> Tensor:
    """SWIR1 / SWIR2 + MNDWI squared, of ENDISI."""
    return v["B11"] / v["B12"].clamp(min=NEAR_ZERO) + _mndwi(v, v["B3"]).square()


def _endisi(v: Values, factor: Tensor) -> Tensor:
    return _ratio(v["B2"], factor * _dry(v))


def _endisi_factor(v: Values) -> Tensor:
    # ENDISI's alpha: it brings both terms to one size, so it belongs to the scene and is kept with the threshold.
    return 2 * v["B2"].mean() / _dry(v).mean()


_NDISI = (THERMAL, "B8")


def _ndisi(v: Values, factor: Tensor) -> Tensor:
    thermal, infrared = (
        ((v[band] - low) / width).clamp(0, 1) for band, (low, width) in zip(_NDISI, factor, strict=True)
    )
    return _ratio(thermal, infrared)


def _ndisi_factor(v: Values) -> Tensor:
    """Low end and width of each band's stretch (2, 2): kelvins and reflectances have no scale in common."""
    ends = torch.stack([torch.quantile(v[band], torch.tensor(STRETCH).to(v[band])) for band in _NDISI])
    return torch.stack((ends[:, 0], (ends[:, 1] - ends[:, 0]).clamp(min=NEAR_ZERO)), dim=1)


INDICES: dict[str, Index] = {
    "ndvi": Index(("B4", "B8"), _ndvi, "Rouse et al. 1974"),
    "ndbi": Index(("B8", "B11"), _ndbi, "Zha, Gao and Ni 2003, doi:10.1080/01431160304987"),
    "mndwi": Index(("B3", "B11"), _mndwi, "Xu 2006, doi:10.1080/01431160600589179"),
    "ui": Index(("B8", "B12"), _ui, "Kawamura et al. 1996"),
    "bui": Index(("B4", "B8", "B11"), _bui, "He et al. 2010, Remote Sensing Letters 1(4), 213"),
    "ibi": Index(("B3", "B4", "B8", "B11"), _ibi, "Xu 2008, doi:10.1080/01431160802039957"),
    "pisi": Index(("B2", "B8"), _pisi, "Tian et al. 2018, doi:10.3390/rs10101521"),
    "endisi": Index(
        ("B2", "B3", "B11", "B12"), _endisi, "Chen et al. 2019, Journal of Applied Remote Sensing 13(1)", _endisi_factor
    ),
    "ndisi": Index(_NDISI, _ndisi, "Xu 2010, PE&RS 76(5), 557, as RU-Net++ equation 1 prints it", _ndisi_factor),
}


@dataclass(frozen=True)
class SpectralIndexConfig:
    """index: of INDICES. pixels: of the validation split on which its threshold is chosen, at most."""

    classes: int = 2
    index: str = "ndbi"
    pixels: int = 1_000_000

    def __post_init__(self) -> None:
        check_choice("index", self.index, tuple(INDICES))
        if self.classes != 2 or self.pixels < 1:
            raise ValueError(f"{self}: an index divides two classes, by 1 pixel or more: use --set scheme=isa")


class SpectralIndex(PixelClassifier):
    """Impervious on one side of a threshold of an index; side and threshold have the highest MIoU on validation.

    The chance is a logistic function of the distance from the threshold: .5 there, not calibrated.
    """

    fitted_on = "val"
    mean: Tensor
    std: Tensor
    factor: Tensor
    threshold: Tensor
    steepness: Tensor

    def __init__(self, bands: Sequence[str], config: SpectralIndexConfig | None = None) -> None:
        super().__init__(bands, config or SpectralIndexConfig())
        needed = INDICES[self.config.index].bands
        if missing := [band for band in needed if band not in self.bands]:
            raise ValueError(
                f"index {self.config.index} needs {', '.join(needed)}: {', '.join(missing)} is not among the bands "
                f"({', '.join(self.bands)}); export it, or choose another index"
            )

    def standardised_by(self, mean_B: Sequence[float], std_B: Sequence[float]) -> None:
        self._hold({"mean": torch.tensor(mean_B).double(), "std": torch.tensor(std_B).double()})

    def probabilities(self, pixels_NB: Tensor) -> Tensor:
        chance_N = torch.sigmoid(self.steepness * (self.values(pixels_NB) - self.threshold))
        return torch.stack((1 - chance_N, chance_N), dim=1)

    def values(self, pixels_NB: Tensor) -> Tensor:
        """The index of standardised pixels, float64 (N,)."""
        return INDICES[self.config.index].formula(self._reflectances(pixels_NB), self.factor)

    def _reflectances(self, pixels_NB: Tensor) -> Values:
        physical_NB = pixels_NB.double() * self.std + self.mean
        return {band: physical_NB[:, self.bands.index(band)] for band in INDICES[self.config.index].bands}

    def _untaught(self) -> dict[str, Tensor]:
        count = len(self.bands)
        index, numbers = INDICES[self.config.index], {"threshold": 0.0, "steepness": 0.0}
        scalars = {name: torch.tensor(value).double() for name, value in numbers.items()}
        scalars["factor"] = index.factor({band: torch.tensor([0.0, 1.0]).double() for band in index.bands})
        return scalars | {"mean": torch.zeros(count).double(), "std": torch.ones(count).double()}

    def _taught(self, pixels_NB: np.ndarray, labels_N: np.ndarray, seed: int) -> dict[str, Tensor]:
        pixels = torch.from_numpy(pixels_NB)
        self._hold({"factor": INDICES[self.config.index].factor(self._reflectances(pixels))})
        values_N = self.values(pixels).numpy()
        # Built ground has high values of some indices (NDBI) and low ones of others (NDVI): both sides are tried.
        above, below = best_threshold(values_N, labels_N), best_threshold(-values_N, labels_N)
        side, (threshold, _) = (1, above) if above[1] >= below[1] else (-1, below)
        steepness = side / max(SOFTNESS * float(values_N.std()), NEAR_ZERO)
        return {
            "threshold": torch.tensor(side * threshold).double(),
            "steepness": torch.tensor(steepness).double(),
        }


# Sorted once, then counts of both classes below every cut by cumulative sums: N log N for all cuts together.
def best_threshold(values_N: np.ndarray, labels_N: np.ndarray) -> tuple[float, float]:
    """The threshold from which calling a value 1 gives the highest mean IoU of both classes, and that MIoU.

    Every cut between two different values is tried, and the lowest of the best is taken.
    """
    order = np.argsort(values_N, kind="stable")
    values_N, labels_N = values_N[order], labels_N[order]
    # cut k: the first k values are called 0, the others 1
    ones_below = np.concatenate(([0], np.cumsum(labels_N)))
    below, ones = np.arange(len(values_N) + 1), ones_below[-1]
    hits, right_below = ones - ones_below, below - ones_below
    zeros = len(values_N) - ones
    with np.errstate(invalid="ignore"):
        miou = (hits / (ones + zeros - right_below) + right_below / (zeros + ones_below)) / 2
    cuts = np.flatnonzero(values_N[1:] > values_N[:-1]) + 1
    if not cuts.size:
        return float(values_N[0]), 0.0
    best = cuts[np.argmax(miou[cuts])]
    return float((values_N[best - 1] + values_N[best]) / 2), float(miou[best])
