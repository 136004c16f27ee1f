"""Which windows make a network's map: blended ones, or, where that is cheaper, larger ones with a halo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference.lattice import Lattice

if TYPE_CHECKING:
    from training.checkpoints.checkpoint import Checkpoint

LARGEST_PX = 512  # output pixels of a side: larger windows waste more at a raster's edges, and take more memory
GAIN = 1.1  # windows with a halo are taken where they are so many times cheaper
NEARLY = 1.05  # smaller windows may cost so many times the cheapest


def lattice_of(trained: Checkpoint) -> Lattice:
    """The windows of a checkpoint's maps, counted from the origin of the ground.

    A network of finite reach gives in the middle of a window, a halo away from its edges, what it gives on the whole
    image. Such middles side by side need no blending. What a map costs is the area of its windows by the area that
    they give (docs/inference-speed.md). It follows from the checkpoint alone, so that any two maps share their windows.
    """
    blended = Lattice(trained.window, trained.lattice)
    if trained.halo is None or trained.frames:  # dates are chosen by what a whole window shows
        return blended
    exact = _with_halo(trained.halo, trained.multiple, LARGEST_PX // trained.scale)
    return exact if exact and GAIN * cost(exact) < cost(blended) else blended


def cost(lattice: Lattice) -> float:
    """Pixels that the network computes for each pixel of a large map."""
    return (lattice.side / lattice.stride) ** 2


def _with_halo(halo: int, multiple: int, largest: int) -> Lattice | None:
    """The smallest windows with a halo that are hardly dearer than the cheapest; None where none has a middle.

    Edges and middles lie on multiples of `multiple`, so that a network's strides count from the same pixels everywhere.
    """
    edge = -(-halo // multiple) * multiple
    lattices = [
        Lattice(side, side - 2 * edge, halo=edge) for side in range(2 * edge + multiple, largest + 1, multiple) if edge
    ]
    if not lattices:
        return None
    cheapest = min(cost(lattice) for lattice in lattices)
    return next(lattice for lattice in lattices if cost(lattice) <= NEARLY * cheapest)
