"""The curve that turns a network's probability of impervious into a calibrated one; kept in the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isamap.training.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True)
class Curve:
    """A strictly increasing function of [0, 1] onto a part of it: straight lines between knots.

    Strictly, so that a threshold that moves along keeps its pixels, but for those that lie so near to it that float32
    cannot tell them apart. method: how it was fitted.
    """

    method: str
    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.knots) != len(self.values) or len(self.knots) < 2:
            raise ValueError(f"a curve of {len(self.knots)} knots and {len(self.values)} values: expected two or more")
        if self.knots[0] != 0 or self.knots[-1] != 1 or not 0 <= self.values[0] < self.values[-1] <= 1:
            raise ValueError("a curve of probabilities begins at 0, ends at 1, and has values between them")
        if not (np.all(np.diff(self.knots) > 0) and np.all(np.diff(self.values) > 0)):
            raise ValueError("a curve of probabilities whose knots or values do not increase")

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float32."""
        calibrated: np.ndarray = np.interp(probability, self.knots, self.values).astype(np.float32)
        return calibrated

    def at(self, probability: float) -> float:
        """One calibrated probability in full precision, as a threshold is kept."""
        return float(np.interp(probability, self.knots, self.values))

    def inverse(self, calibrated: float) -> float:
        """The network's own probability that becomes this one."""
        return float(np.interp(calibrated, self.values, self.knots))

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return {"method": self.method, "knots": list(self.knots), "values": list(self.values)}


def curve_of(checkpoint: Checkpoint) -> Curve | None:
    """The checkpoint's curve; None where its probabilities are the network's."""
    stored: Mapping[str, Any] = checkpoint.calibration
    return Curve(stored["method"], tuple(stored["knots"]), tuple(stored["values"])) if stored else None


def calibrated(checkpoint: Checkpoint, probabilities: np.ndarray, *, axis: int, impervious: int = 1) -> np.ndarray:
    """Class probabilities after the checkpoint's curve, if any; of two classes, both changed.

    axis: that of classes, two of them, or one that is impervious alone (as maps are blended).
    """
    curve = curve_of(checkpoint)
    if curve is None:
        return probabilities
    if probabilities.shape[axis] == 1:
        return curve(probabilities)
    share = curve(probabilities.take(impervious, axis))
    parts = [1 - share, share] if impervious else [share, 1 - share]
    return np.stack(parts, axis=axis)
