"""A picture of a co-registration: how far images lay apart, and what the polynomial leaves, at every tie point."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gee_export.base.atomic import write_whole
from gee_export.coregistration.coregister import Coregistration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {True: "#1b6ca8", False: "#c8553d"}


def draw(found: Mapping[str, Coregistration], path: str | Path) -> None:
    """A PNG with a row for each co-registration, by title: vectors found, vectors left, and their scatter."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.9 * len(found)), layout="constrained")
    rows = figure.subplots(len(found), 3, squeeze=False)
    for (title, one), axes in zip(found.items(), rows, strict=True):
        dx, dy = one.points.dx / one.step[0], one.points.dy / one.step[1]
        vectors(axes[0], one, np.stack([dx, dy], axis=1), one.used)
        axes[0].set_title(f"{title}: found, {len(one.points)} matches, {int(one.used.sum())} used")
        left = np.full((len(one.points), 2), np.nan)
        left[one.used] = one.residuals_px()
        vectors(axes[1], one, left, one.used)
        axes[1].set_title(f"left by order {one.polynomial.order}" if one.applied else "not corrected")
        _scatter(axes[2], one)
    memory = BytesIO()
    figure.savefig(memory, dpi=80)
    write_whole(Path(path), memory.getvalue())


def vectors(axes: Axes, one: Coregistration, d_px: np.ndarray, used: np.ndarray) -> None:
    """Arrows at the tie points (km from the frame's corner), rejected ones red; a key says how long a pixel is."""
    left, bottom, right, top = one.polynomial.bounds
    size = np.array([right - left, top - bottom])
    unit = 1000 if max(size) > 5000 else 1
    longest = float(np.nanpercentile(np.hypot(*d_px[used].T), 95)) if used.any() else 1.0
    scale = max(longest, 0.05) / (0.07 * max(size) / unit)
    for kind in (False, True):
        chosen = used == kind
        place = (one.points.x[chosen] - left) / unit, (one.points.y[chosen] - bottom) / unit
        arrows = axes.quiver(
            *place, *d_px[chosen].T, color=_COLOURS[kind], angles="xy", scale_units="xy", scale=scale, width=0.003
        )
    key = float(f"{max(longest, 0.05):.1g}")
    axes.quiverkey(arrows, 0.9, -0.1, key, f"{key:g} px", labelpos="W", coordinates="axes")
    axes.set(aspect="equal", xlim=(0, size[0] / unit), ylim=(0, size[1] / unit))


def _scatter(axes: Axes, one: Coregistration) -> None:
    """Displacements of the used points, and around zero what is left of them."""
    dx, dy = one.points.dx[one.used] / one.step[0], one.points.dy[one.used] / one.step[1]
    axes.plot(dx, dy, ".", color="#999999", markersize=3, label="found")
    axes.plot(*one.residuals_px().T, ".", color=_COLOURS[True], markersize=3, label="left")
    axes.axhline(0, color="#cccccc", linewidth=0.6)
    axes.axvline(0, color="#cccccc", linewidth=0.6)
    if one.fit is not None and one.applied:
        axes.set_title(f"RMSE {one.fit.rmse_px:.2f} px, leave-one-out {one.fit.loo_px:.2f} px")
    axes.set(aspect="equal", xlabel="px to the right", ylabel="px up")
    axes.legend(loc="best", frameon=False)
