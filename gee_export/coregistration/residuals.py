"""A picture of a co-registration: how far images lay apart, and what the polynomial leaves, at every tie point."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.coregistration.coregister import Coregistration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {True: "#1b6ca8", False: "#c8553d"}


def draw(results: Mapping[str, Coregistration], path: str | Path) -> None:
    """A PNG with a row for each co-registration, by title: vectors found, vectors left, and their scatter."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.9 * len(results)), layout="constrained")
    rows = figure.subplots(len(results), 3, squeeze=False)
    for (title, result), axes in zip(results.items(), rows, strict=True):
        dx, dy = result.points.dx / result.step[0], result.points.dy / result.step[1]
        vectors(axes[0], result, np.stack([dx, dy], axis=1), result.used)
        axes[0].set_title(f"{title}: found, {len(result.points)} matches, {int(result.used.sum())} used")
        left = np.full((len(result.points), 2), np.nan)
        left[result.used] = result.residuals_px()
        vectors(axes[1], result, left, result.used)
        axes[1].set_title(f"left by order {result.polynomial.order}" if result.applied else "not corrected")
        _scatter(axes[2], result)
    memory = BytesIO()
    figure.savefig(memory, dpi=80)
    write_whole(Path(path), memory.getvalue())


def vectors(axes: Axes, result: Coregistration, d_px: np.ndarray, used: np.ndarray) -> None:
    """Arrows at the tie points (km from the frame's corner), rejected ones red; a key says how long a pixel is."""
    left, bottom, right, top = result.polynomial.bounds
    size = np.array([right - left, top - bottom])
    unit = 1000 if max(size) > 5000 else 1
    longest = float(np.nanpercentile(np.hypot(*d_px[used].T), 95)) if used.any() else 1.0
    scale = max(longest, 0.05) / (0.07 * max(size) / unit)
    for is_used in (False, True):
        selection = used == is_used
        tails_km = (result.points.x[selection] - left) / unit, (result.points.y[selection] - bottom) / unit
        arrows = axes.quiver(
            *tails_km,
            *d_px[selection].T,
            color=_COLOURS[is_used],
            angles="xy",
            scale_units="xy",
            scale=scale,
            width=0.003,
        )
    key = float(f"{max(longest, 0.05):.1g}")
    axes.quiverkey(arrows, 0.9, -0.1, key, f"{key:g} px", labelpos="W", coordinates="axes")
    axes.set(aspect="equal", xlim=(0, size[0] / unit), ylim=(0, size[1] / unit))


def _scatter(axes: Axes, result: Coregistration) -> None:
    """Displacements of the used points, and around zero what is left of them."""
    dx, dy = result.points.dx[result.used] / result.step[0], result.points.dy[result.used] / result.step[1]
    axes.plot(dx, dy, ".", color="#999999", markersize=3, label="found")
    axes.plot(*result.residuals_px().T, ".", color=_COLOURS[True], markersize=3, label="left")
    axes.axhline(0, color="#cccccc", linewidth=0.6)
    axes.axvline(0, color="#cccccc", linewidth=0.6)
    if result.fit is not None and result.applied:
        axes.set_title(f"RMSE {result.fit.rmse_px:.2f} px, leave-one-out {result.fit.loo_px:.2f} px")
    axes.set(aspect="equal", xlabel="px to the right", ylabel="px up")
    axes.legend(loc="best", frameon=False)
