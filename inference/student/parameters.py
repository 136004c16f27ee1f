"""A student's numbers as plain tuples: what its Earth Engine graph, its script and `student.json` are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isamap.gee_export.datasets.manifest import Band
from isamap.inference.inputs.checks import usual_range
from isamap.training.checkpoints.checkpoint import BandNorm, Checkpoint
from isamap.training.models.student import LARGEST, MISSING, Student

MODEL = "student"


@dataclass(frozen=True)
class DenseLayer:
    """weights: a row for each neuron; biases: one for each."""

    weights: tuple[tuple[float, ...], ...]
    biases: tuple[float, ...]


@dataclass(frozen=True)
class StoredRange:
    """A band, its unit, the unit's part that a stored number counts, and the least and greatest stored number."""

    name: str
    unit: str
    scale: float
    low: int
    high: int


@dataclass(frozen=True)
class Parameters:
    """A student: bands, window sides, standardisation of each feature, layers, classes and threshold.

    Features are the bands' stored numbers, then each window's means of all bands, then their deviations.
    """

    bands: tuple[StoredRange, ...]
    means: tuple[int, ...]
    deviations: tuple[int, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    layers: tuple[DenseLayer, ...]
    classes: tuple[str, ...]
    threshold: float

    @classmethod
    def of(cls, trained: Checkpoint) -> Parameters:
        """The numbers of a student's checkpoint; ValueError where it is of another model."""
        if trained.model != MODEL:
            raise ValueError(f"the checkpoint's model is {trained.model}, expected {MODEL}: make one with isamap to-ee")
        network = trained.build()
        assert isinstance(network, Student)
        return cls(
            bands=tuple(_range(band) for band in trained.bands),
            means=network.config.means,
            deviations=network.config.deviations,
            centre=tuple(network.centre.tolist()),
            spread=tuple(network.spread.tolist()),
            layers=tuple(
                DenseLayer(tuple(map(tuple, layer.weight.tolist())), tuple(layer.bias.tolist()))
                for layer in network.linear
            ),
            classes=trained.classes,
            threshold=float(trained.thresholds.get("impervious", 0.5)),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The bands' names."""
        return tuple(band.name for band in self.bands)

    @property
    def count(self) -> int:
        """Weights and biases."""
        return sum(len(layer.biases) * (1 + len(layer.weights[0])) for layer in self.layers)

    @property
    def halo(self) -> int:
        """Pixels around one that its value depends on."""
        return max((side // 2 for side in (*self.means, *self.deviations)), default=0)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def student_bands(stored: Sequence[Band], teacher: Sequence[BandNorm]) -> tuple[BandNorm, ...]:
    """The standardisation by which a student reads stored whole numbers from the same files as its teacher.

    (value - mean) / std is the stored number minus MISSING. Values are clipped where the teacher's range warnings
    begin. ValueError: a band is stored with an offset, which Earth Engine composites never have.
    """
    return tuple(_norm(band, norm) for band, norm in zip(stored, teacher, strict=True))


def _norm(band: Band, norm: BandNorm) -> BandNorm:
    if band.offset:
        raise ValueError(f"band {band.name} is stored with offset {band.offset}: a student reads composites only")
    low, high = (max(-LARGEST, min(LARGEST, round(limit / band.scale))) for limit in usual_range(norm))
    return BandNorm(band.name, band.unit, MISSING * band.scale, band.scale, low * band.scale, high * band.scale)


def _range(band: BandNorm) -> StoredRange:
    if band.clip_min is None or band.clip_max is None:
        raise ValueError(f"band {band.name} of the student has no range: make the student again with isamap to-ee")
    low, high = round(band.clip_min / band.std), round(band.clip_max / band.std)
    return StoredRange(band.name, band.unit, band.std, low, high)
