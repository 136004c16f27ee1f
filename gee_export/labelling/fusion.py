"""Fusion of several labels into one: what agrees, what any says, what most say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN, Scheme

# labels (sources, rows, columns) uint8 and their scheme -> one label; 255 is unknown on both sides
Fusion = Callable[[np.ndarray, Scheme], np.ndarray]


def single(labels: np.ndarray, scheme: Scheme) -> np.ndarray:
    """The one source as it is; ValueError for several."""
    if len(labels) != 1:
        raise ValueError(f"--fusion single takes one label source, not {len(labels)}: {_OTHERS}")
    return labels[0]


def intersection(labels: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Where every source says the same; the rest is unknown (RU-Net++'s two products)."""
    # Unknown is a value too, so a pixel that one source does not know stays unknown.
    return np.where((labels == labels[0]).all(axis=0), labels[0], np.uint8(UNKNOWN))


def union(labels: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Impervious where any source says so, pervious where none does and one knows; for two classes only."""
    if set(scheme.classes) != {0, 1, UNKNOWN}:
        raise ValueError(
            f"--fusion union joins impervious ground, scheme {scheme.name} has {len(scheme.classes) - 1} classes: "
            "take intersection or majority, or --scheme isa"
        )
    any_built, any_known = (labels == 1).any(axis=0), (labels != UNKNOWN).any(axis=0)
    return np.where(any_known, any_built, UNKNOWN).astype(np.uint8)


def majority(labels: np.ndarray, scheme: Scheme) -> np.ndarray:
    """What more sources say than anything else, of those that know; unknown where two are even."""
    numbers = [value for value in scheme.classes if value != UNKNOWN]
    votes = np.stack([(labels == value).sum(axis=0) for value in numbers])
    most = votes.max(axis=0)
    # Even votes are unknown: the order of the sources must not decide.
    alone = ((votes == most).sum(axis=0) == 1) & (most > 0)
    return np.where(alone, np.array(numbers, np.uint8)[votes.argmax(axis=0)], np.uint8(UNKNOWN))


FUSIONS: dict[str, Fusion] = {
    "single": single,
    "intersection": intersection,
    "union": union,
    "majority": majority,
}
_OTHERS = f"give --fusion {', '.join(name for name in FUSIONS if name != 'single')}"


def check(name: str, count: int, scheme: Scheme) -> None:
    """ValueError for fusions that do not exist or do not fit the number of sources or the scheme."""
    if name not in FUSIONS:
        raise ValueError(f"--fusion {name!r}: expected one of {', '.join(FUSIONS)}")
    if count:
        FUSIONS[name](np.full((count, 1, 1), UNKNOWN, np.uint8), scheme)
