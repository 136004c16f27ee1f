"""Structure of images that radar and optical sensors share: where edges are and how they run, not which side is bright.

Channel features of oriented gradients (CFOG: Ye et al. 2019, doi 10.1109/TGRS.2019.2924684), on ranks of grey values,
so that any rising or falling change of radiometry (linear power or decibels, gamma, inversion) gives the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# As CFOG has it: half a turn in steps of 20 degrees.
ORIENTATIONS = 9
EDGE_SIGMA_PX = 1.0  # of the gradient; the least error on simulated and real pairs of .7, 1, 1.5 and 2
SMOOTH_SIGMA_PX = 0.8  # of the channels
DAMPING = 0.1  # share of the mean energy below which a pixel's structure fades instead of being blown up
HOLE_SIGMA_PX = 1.5  # holes of up to some 3 pixels are filled, larger ones are missing
# A hole whose surroundings are mostly known is filled; beside a large one the fill would be an edge of its own.
_MOSTLY = 0.6
_REACH_PX = 4  # of the gradient: pixels this near to a missing one have none
# Finer than any edge that counts, and the ends 0 and 1 are levels themselves.
_LEVELS = 257
# Neighbouring orientations share an edge, so that one that turns a little between sensors still matches.
_ORIENTATION_WEIGHTS = np.array([1, 2, 1], np.float32) / 4


@dataclass(frozen=True)
class Structure:
    """channels [orientation, row, column], of length near one on edges and 0 where not usable; usable [row, column]."""

    channels: np.ndarray
    usable: np.ndarray


def structure(values_BHW: np.ndarray, valid_BHW: np.ndarray) -> Structure:
    """The structure of all bands together; a pixel is usable where every band is valid around it, small holes aside."""
    valid = np.asarray(valid_BHW.all(axis=0))
    valid_share = ndimage.gaussian_filter(valid.astype(np.float32), HOLE_SIGMA_PX)
    filled = valid | (valid_share > _MOSTLY)
    usable = ndimage.binary_erosion(filled, np.ones((3, 3)), iterations=_REACH_PX, border_value=1)
    channels = np.zeros((ORIENTATIONS, *valid.shape), np.float32)
    if not usable.any():
        return Structure(channels, usable)
    for band in values_BHW:
        channels += _oriented(_without_holes(_ranks(band, valid), valid, valid_share), usable)
    channels = ndimage.gaussian_filter(channels, (0, SMOOTH_SIGMA_PX, SMOOTH_SIGMA_PX))
    # Orientations are a circle: the last one is the first one's neighbour.
    channels = ndimage.convolve1d(channels, _ORIENTATION_WEIGHTS, axis=0, mode="wrap")
    energy = (channels**2).sum(axis=0)
    typical = float(energy[usable].mean())
    if typical > 0:
        channels *= usable / np.sqrt(energy + DAMPING * typical)
    return Structure(channels, usable)


def _without_holes(ranks: np.ndarray, valid: np.ndarray, valid_share: np.ndarray) -> np.ndarray:
    """Missing pixels filled from the valid ones around them; a cloud mask's single pixels are no edges."""
    around = ndimage.gaussian_filter(ranks * valid, HOLE_SIGMA_PX)
    return np.where(valid | (valid_share <= 0), ranks, around / np.where(valid_share > 0, valid_share, 1)).astype(
        np.float32
    )


def _ranks(band: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Grey values as their share of smaller valid ones, 0 to 1; a half where there is none."""
    levels = np.linspace(0, 1, _LEVELS)
    quantiles, first = np.unique(np.quantile(band[valid], levels), return_index=True)
    if len(quantiles) < 2:
        return np.full(band.shape, 0.5, np.float32)
    return np.where(valid, np.interp(band, quantiles, levels[first]), 0.5).astype(np.float32)


def _oriented(ranks: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """How steep the image is across each orientation, either way, in units of its own mean steepness."""
    # Zeroed before the mean: the step from ground to no data would outweigh all edges.
    across = ndimage.gaussian_filter(ranks, EDGE_SIGMA_PX, order=(0, 1)) * usable
    down = ndimage.gaussian_filter(ranks, EDGE_SIGMA_PX, order=(1, 0)) * usable
    steepness = float(np.sqrt((across**2 + down**2)[usable].mean()))
    angle = (np.arange(ORIENTATIONS, dtype=np.float32) * np.float32(np.pi / ORIENTATIONS))[:, None, None]
    # The sign goes: radar may be bright where the optical image is dark.
    return np.abs(np.cos(angle) * across + np.sin(angle) * down) / (steepness or 1.0)
