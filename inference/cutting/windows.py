"""Which windows make a network's map: blended ones, or, where that is cheaper, larger ones with a halo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isamap.inference.cutting.lattice import Lattice

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint

LARGEST_PX = 512  # output pixels of a side: larger windows take more memory
GPU_CALL_PX = 1 << 22  # output pixels of a call: some gigabytes of a network's activations
# Bounds the memory of a call where windows are small.
GPU_WINDOWS = 64
MAP_PX = 3000  # input pixels
# So that only shallow networks get one (docs/inference-speed.md).
GAIN = 1.1  # windows with a halo are taken where they are so many times cheaper
NEARLY = 1.02  # smaller windows may cost so many times the cheapest


def lattice_of(trained: Checkpoint) -> Lattice:
    """The windows of a checkpoint's maps, counted from the origin of the ground.

    A network of finite reach gives in the middle of a window, a halo away from its edges, what it gives on the whole
    image. Such middles side by side need no blending. Windows follow from the checkpoint alone, not from the raster, so
    that any two maps share them.
    """
    blended = Lattice(trained.window, trained.lattice)
    if trained.halo is None or trained.frames:  # dates are chosen by what a whole window shows
        return blended
    exact = _with_halo(trained.halo, trained.multiple, LARGEST_PX // trained.scale)
    return exact if exact and GAIN * cost(exact) < cost(blended) else blended


def batch_of(lattice: Lattice, scale: int, device: str) -> int:
    """Windows in each call of the network: one on a processor, on a GPU so many that each call has enough to do.

    It follows from the checkpoint and the device alone, so that cuts change no bit.
    """
    return 1 if device == "cpu" else min(max(GPU_CALL_PX // (lattice.side * scale) ** 2, 1), GPU_WINDOWS)


def cost(lattice: Lattice) -> float:
    """Pixels that the network computes for each pixel of a square map of MAP_PX a side (docs/inference-speed.md).

    Windows that reach over the edges count: on the average half a window on each side.
    """
    middle = lattice.side - 2 * lattice.halo
    windows = max((MAP_PX - middle) / lattice.stride, 0) + 2
    return (windows * lattice.side / MAP_PX) ** 2


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
