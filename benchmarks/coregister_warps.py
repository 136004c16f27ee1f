"""Known warps on real pairs: what co-registration, SimpleITK and scikit-image answer to them.

The offset of a real pair has no truth, but a warp that is put on its radar image has: the answer on the warped pair
must differ from the same method's answer on the pair by exactly that warp. SimpleITK and scikit-image are left out
where they are not installed; isamap does not need them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from gee_export.base.grid import Raster
from gee_export.coregistration.cells import area_error_px
from gee_export.coregistration.coregister import SEARCH_PX, Coregistration, coregister
from gee_export.coregistration.information import information_shift

Field = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # pixels right and down at (row, column)


@dataclass(frozen=True)
class Warp:
    """A displacement of known size; vector: pixels right and down by u and v of -1 to 1."""

    name: str
    vector: Field


def _turned(degrees: float, side_px: float = 112.0) -> Field:
    angle = np.deg2rad(degrees)
    return lambda v, u: (-side_px * np.sin(angle) * v, side_px * np.sin(angle) * u)


WARPS = (
    Warp("shift .3", lambda v, u: (0.3 + 0 * u, -0.2 + 0 * u)),
    Warp("shift 3", lambda v, u: (2.6 + 0 * u, 1.5 + 0 * u)),
    Warp("shift 8", lambda v, u: (-6.4 + 0 * u, 4.8 + 0 * u)),
    Warp("rotation .4", _turned(0.4)),
    Warp("rotation 1", _turned(1.0)),
    Warp("affine", lambda v, u: (1 + 2 * u - v, -1 + u + 1.5 * v)),
    Warp("cubic 2", lambda v, u: (0.8 * u**3 + 1.5 * u * v - 0.9 * v, 1.2 * v**2 - 0.7 * u + 0.9 * v**3)),
    Warp("cubic 4", lambda v, u: (2 + 2 * u**3 - 2 * v**2 + u, -1.5 + 2.4 * u * v + 1.6 * v**3 - u)),
)


def warped_by(raster: Raster, warp: Warp) -> Raster:
    """The raster with its content moved by the warp: cubic interpolation, as nearest beyond the edge."""
    rows, cols = _places(raster)
    row, col = rows, cols
    for _ in range(30):  # the place that the warp moves here
        right, down = _at(warp, raster, row, col)
        row, col = rows - down, cols - right
    values = np.stack([map_coordinates(band, (row, col), order=3, mode="nearest") for band in raster.values_BHW])
    height, width = raster.geobox.shape
    inside = (row >= 0) & (row <= height - 1) & (col >= 0) & (col <= width - 1)
    near = tuple(np.clip(np.rint(axis), 0, length - 1).astype(int) for axis, length in ((row, height), (col, width)))
    valid = np.stack([band[near] & inside for band in raster.valid_BHW])
    return Raster(raster.geobox, raster.bands, np.where(valid, values, 0).astype(np.float32), valid)


def inconsistency_px(warp: Warp, raster: Raster, before: np.ndarray, after: np.ndarray) -> float:
    """Root mean square over all pixels of the answer on the warped pair less the answer on the pair and the warp.

    before, after: pixels right and down at every pixel [axis, row, column].
    """
    rows, cols = _places(raster)
    right, down = _at(warp, raster, rows + before[1], cols + before[0])
    return float(np.sqrt(((after - before - np.stack([right, down])) ** 2).sum(axis=0).mean()))


def size_px(warp: Warp, raster: Raster) -> float:
    """Root mean square length of the warp."""
    right, down = _at(warp, raster, *_places(raster))
    return float(np.sqrt((right**2 + down**2).mean()))


def vectors_of(registration: Coregistration, raster: Raster) -> np.ndarray:
    """Pixels right and down at every pixel [axis, row, column]."""
    affine = raster.geobox.affine
    rows, cols = _places(raster)
    dx, dy = registration.polynomial.at(affine.a * (cols + 0.5) + affine.c, affine.e * (rows + 0.5) + affine.f)
    return np.stack([dx / affine.a, dy / affine.e])


def table(pairs: Sequence[tuple[str, Raster, Raster]]) -> list[dict]:
    """Prints and gives a line for each pair and warp: what every method leaves, and what isamap says of its own."""
    methods = {"isamap": by_isamap, "isamap MI": by_own_information, **peers()}
    print("\nKnown warps on real pairs. left: RMS in pixels over all pixels of (answer on the warped pair - answer on")
    print("the pair - the warp); rmse: of the tie points, cells: error by cell of the area, as the report says them.")
    print(
        f"{'pair':<16} {'warp':<12} {'size':>5} " + " ".join(f"{name:>20}" for name in methods) + " order  rmse cells"
    )
    rows = []
    for name, fixed, moving in pairs:
        before = {method: answer(fixed, moving) for method, answer in methods.items()}
        for warp in WARPS:
            pulled = warped_by(moving, warp)
            report = coregister([(fixed, pulled)])
            after = {method: answer(fixed, pulled) for method, answer in methods.items() if method != "isamap"}
            after["isamap"] = vectors_of(report, fixed)
            left = {method: inconsistency_px(warp, fixed, before[method], after[method]) for method in methods}
            row = {"pair": name, "warp": warp.name, "size": size_px(warp, fixed), "left": left}
            row |= {"applied": report.applied, "order": report.polynomial.order, "verdict": report.verdict}
            row |= {"rmse": report.fit.rmse_px if report.fit else None, "cells": area_error_px(report.cells)}
            rows.append(row)
            print(_line(row, list(methods)), flush=True)
    return rows


def _line(row: Mapping[str, Any], methods: Sequence[str]) -> str:
    figures = " ".join(f"{row['left'][method]:>20.2f}" for method in methods)
    own = " ".join(f"{'-' if row[name] is None else format(row[name], '.2f'):>5}" for name in ("rmse", "cells"))
    answer = row["order"] if row["applied"] else "none"
    return (
        f"{row['pair'][-16:]:<16} {row['warp']:<12} {row['size']:>5.2f} {figures} {answer:>5} {own}  {row['verdict']}"
    )


def by_own_information(fixed: Raster, moving: Raster) -> np.ndarray:
    """The shift of our second opinion, everywhere."""
    shift = information_shift([(fixed, moving)], search_px=SEARCH_PX)
    right_down = (np.nan, np.nan) if shift is None else (shift.right_px, -shift.up_px)
    return _everywhere(fixed, right_down)


def by_isamap(fixed: Raster, moving: Raster) -> np.ndarray:
    """What `isamap coregister` applies; zero where it refuses."""
    return vectors_of(coregister([(fixed, moving)]), fixed)


def peers() -> Mapping[str, Callable[[Raster, Raster], np.ndarray]]:
    """The other programs that are installed, by name."""
    methods: dict[str, Callable[[Raster, Raster], np.ndarray]] = {}
    try:
        import SimpleITK  # noqa: F401

        methods["SimpleITK MI, shift"] = partial(_by_simpleitk, degree="translation")
        methods["SimpleITK MI, affine"] = partial(_by_simpleitk, degree="affine")
    except ImportError:
        print("SimpleITK is not installed: left out")
    try:
        import skimage.registration  # noqa: F401

        methods["scikit-image phase"] = _by_phase
    except ImportError:
        print("scikit-image is not installed: left out")
    return methods


def _by_simpleitk(fixed: Raster, moving: Raster, *, degree: str) -> np.ndarray:
    """Mattes mutual information in three steps of the pyramid, regular-step descent, all pixels."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    still, loose = (sitk.GetImageFromArray(_grey(raster).astype(np.float32)) for raster in (fixed, moving))
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 100, 0.5, 1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 1])
    transform = sitk.TranslationTransform(2) if degree == "translation" else sitk.AffineTransform(2)
    if degree == "affine":
        height, width = fixed.geobox.shape
        transform.SetCenter((width / 2, height / 2))
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(still, loose)
    rows, cols = _places(fixed)
    if degree == "translation":
        return _everywhere(fixed, transform.GetOffset())
    matrix, centre, offset = (
        np.array(values) for values in (transform.GetMatrix(), transform.GetCenter(), transform.GetTranslation())
    )
    away = np.stack([cols - centre[0], rows - centre[1]]).reshape(2, -1)
    moved = matrix.reshape(2, 2) @ away + (centre + offset)[:, None]
    return moved.reshape(2, *rows.shape) - np.stack([cols, rows])


def _by_phase(fixed: Raster, moving: Raster) -> np.ndarray:
    """Phase correlation of the steepness of both, to a hundredth of a pixel."""
    from skimage.registration import phase_cross_correlation

    steep = [np.hypot(*np.gradient(gaussian_filter(_grey(raster), 1.0))) for raster in (fixed, moving)]
    shift, *_ = phase_cross_correlation(*steep, upsample_factor=100)
    return _everywhere(fixed, (-shift[1], -shift[0]))


def _grey(raster: Raster) -> np.ndarray:
    """The mean of the bands, each in units of its own spread; the mean where a pixel is missing."""
    valid = raster.valid_BHW.all(axis=0)
    bands = [(band - band[valid].mean()) / (band[valid].std() or 1.0) for band in raster.values_BHW.astype(float)]
    return np.where(valid, np.mean(bands, axis=0), 0.0)


def _everywhere(raster: Raster, right_down: tuple[float, float]) -> np.ndarray:
    return np.broadcast_to(np.array(right_down)[:, None, None], (2, *raster.geobox.shape))


def _places(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.mgrid[: raster.geobox.shape[0], : raster.geobox.shape[1]]
    return rows.astype(float), cols.astype(float)


def _at(warp: Warp, raster: Raster, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = raster.geobox.shape
    right, down = warp.vector(2 * row / (height - 1) - 1, 2 * col / (width - 1) - 1)
    return right, down
