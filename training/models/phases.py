"""Enlargement by a fixed ratio whose weights depend only on the position within a period, never on the image's size.

torch's `interpolate` computes source coordinates in floating point from the whole image's size, so for x2.5 and x10
a crop differs from the same part of the whole (docs/reference/networks.md, "JointSeg"); here it is equal bit for bit.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import floor
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

KINDS = ("nearest", "bilinear", "cubic")
RESIZE: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
    "cubic": {"mode": "bicubic", "align_corners": False},
}
CUBIC = -0.75  # the constant of torch's and OpenCV's bicubic kernel


def enlarge(x_BCHW: Tensor, factor: Fraction | int, method: str = "bilinear") -> Tensor:
    """The image at `factor` times its size, pixel edges aligned, border pixels repeated outward.

    factor: 1 or more; rows and columns must be multiples of its denominator (x5/2: even sizes). method: of KINDS.
    """
    ratio = Fraction(factor)
    if ratio < 1 or method not in KINDS:
        raise ValueError(f"enlargement by {ratio}, {method}: expected 1 or more and one of {', '.join(KINDS)}")
    if any(size % ratio.denominator for size in x_BCHW.shape[2:]):
        raise ValueError(
            f"image of {x_BCHW.shape[2]} x {x_BCHW.shape[3]} pixels: "
            f"both sides must be multiples of {ratio.denominator} to be enlarged {ratio} times"
        )
    # One resize in a graph: JointSeg takes 431 ms with it and 720 with slices and sums (docs/runtimes.md).
    if torch.onnx.is_in_onnx_export():
        return F.interpolate(x_BCHW, scale_factor=float(ratio), **RESIZE[method])
    return _along_columns(_along_rows(x_BCHW, ratio, method), ratio, method)


def _along_rows(x_BCHW: Tensor, ratio: Fraction, method: str) -> Tensor:
    return _along_columns(x_BCHW.transpose(2, 3), ratio, method).transpose(2, 3)


def _along_columns(x_BCHW: Tensor, ratio: Fraction, method: str) -> Tensor:
    """Each of the ratio's numerator output phases is one weighted sum of strided slices."""
    phases, stride = _phases(ratio, method), ratio.denominator
    # Padded once for all phases, so that each is a plain strided slice.
    before = -min(start for start, _ in phases)
    after = max(start + len(weights) for start, weights in phases) - stride
    padded = F.pad(x_BCHW, (max(before, 0), max(after, 0), 0, 0), mode="replicate")
    periods = x_BCHW.shape[3] // stride
    columns = [_weighted(padded, start + max(before, 0), weights, (stride, periods)) for start, weights in phases]
    return torch.stack(columns, dim=-1).flatten(3)


def _weighted(x_BCHW: Tensor, start: int, weights: tuple[float, ...], steps: tuple[int, int]) -> Tensor:
    """Sum of the slices from `start` on, each every `stride` columns, weighted."""
    stride, periods = steps
    total: Tensor | None = None
    for tap, weight in enumerate(weights):
        term = x_BCHW[..., start + tap :: stride][..., :periods]
        term = term if weight == 1.0 else term * weight
        total = term if total is None else total + term
    if total is None:
        raise ValueError("a sum needs one weight at least")
    return total


@cache
def _phases(ratio: Fraction, method: str) -> tuple[tuple[int, tuple[float, ...]], ...]:
    """Per output position within a period: the first input position and the weights from there on."""
    return tuple(_phase(position, ratio, method) for position in range(ratio.numerator))


def _phase(position: int, ratio: Fraction, method: str) -> tuple[int, tuple[float, ...]]:
    if method == "nearest":
        return floor(position / ratio), (1.0,)
    # As a fraction: floats would put some phases a last digit beside a pixel.
    source = Fraction(2 * position + 1, 2) / ratio - Fraction(1, 2)
    base = floor(source)
    fraction = source - base
    if method == "bilinear":
        return (base, (float(1 - fraction), float(fraction))) if fraction else (base, (1.0,))
    return base - 1, tuple(_cubic(float(abs(fraction - tap))) for tap in (-1, 0, 1, 2))


def _cubic(distance: float) -> float:
    """Keys' kernel with the constant of torch."""
    if distance <= 1:
        return ((CUBIC + 2) * distance - (CUBIC + 3)) * distance * distance + 1
    return ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
