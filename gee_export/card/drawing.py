"""What the card's pictures share: colours, a figure with its title, and its PNG."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.gee_export.card.card import Card

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPLIT_COLOURS = {"train": "#1b6ca8", "val": "#e3a018", "test": "#b5383c"}
# By class name; the seven are those of paper LandCover3m
CLASS_COLOURS = {
    "pervious": "#dfe8d0",
    "impervious": "#b5383c",
    "cropland": "#e9cf7c",
    "woodland": "#2f7d4a",
    "grassland": "#9ccc74",
    "water": "#3f7fbf",
    "bare": "#c9b69a",
    "snow/ice": "#eef6fb",
    "unknown": "#8f8f8f",
}
NOTHING = "#d9d9d9"
_STYLE: dict[Any, Any] = {  # only new versions of matplotlib name the type of its keys
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
}
_DPI = 110


def style() -> AbstractContextManager:
    """The card's fonts and lines, for as long as its pictures are drawn."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def figure(card: Card, title: str, size_in: tuple[float, float]) -> Figure:
    """An empty figure under the dataset's name; simulated data say so in red."""
    from matplotlib.figure import Figure

    made = Figure(figsize=size_in, layout="constrained")
    made.suptitle(f"{card.name}: {title}", fontsize=11, x=0.01, ha="left", color="#222222")
    if card.simulated:
        made.text(0.99, 0.995, "SIMULATED", ha="right", va="top", color="#b5383c", fontsize=10, fontweight="bold")
    return made


def png(made: Figure) -> bytes:
    """The figure's PNG: the same figure gives the same bytes."""
    memory = BytesIO()
    made.savefig(memory, dpi=_DPI, format="png", metadata={"Software": None})
    return memory.getvalue()


def show(ax: Axes, image: np.ndarray, title: str = "", **options) -> None:
    """An image without axes."""
    ax.imshow(image, interpolation="nearest", **options)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color="#999999", linewidth=0.5)
    ax.set_title(title, fontsize=7.5, pad=3)


def stretched(physical_HWB: np.ndarray, limits: Sequence[tuple[float, float]]) -> np.ndarray:
    """Colours 0 to 1 (rows, columns, 3) between each band's limits; one band is grey; NaN becomes light grey."""
    low, high = np.array(limits, float).T
    scaled = np.clip((physical_HWB - low) / np.where(high > low, high - low, 1), 0, 1)
    missing = np.isnan(scaled).any(axis=-1)
    if scaled.shape[-1] == 1:
        scaled = np.repeat(scaled, 3, axis=-1)
    scaled[missing] = 0.85
    return scaled


def hide_rest(all_axes: np.ndarray, used: int) -> None:
    """Takes the axes after the first `used` away."""
    for ax in all_axes.ravel()[used:]:
        ax.set_axis_off()
