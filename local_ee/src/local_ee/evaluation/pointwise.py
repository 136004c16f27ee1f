"""Images whose pixels follow from their parents' pixels at the same place: chains of them are computed in one pass.

An image of this sort takes in the parents of its sort that nobody else reads. What is left are inputs: they are read
once, over the whole window. The chain is then computed by strips of a few rows, so that what lies between two steps
stays in the processor's cache and no array as large as the window is made for it. Each step sees the same numbers as
in a pass over the whole window, so the pixels are the same bits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.evaluation.instructions import BandPixels, Instructions, Slot
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.arithmetic import COPY, Operation
from local_ee.raster.memo import askers_of
from local_ee.raster.pixels import Pixels, blank, is_blank, is_valid, valid

# Positions of the result's bands, and for each of them the bands that every parent needs, in that order.
Needs = Callable[[tuple[int, ...]], Sequence[Sequence[int]]]
# Those positions, the parents' bands as `Needs` lists them, and the shape of the strip, to the bands of the result.
Compute = Callable[[tuple[int, ...], Sequence[Sequence[BandPixels]], tuple[int, ...]], Sequence[BandPixels]]

STRIP_PIXELS = 65_536  # 512 kB of a band of doubles: a few of them stay in the processor's cache
LEAST_PIXELS = 100_000  # for which instructions are worth their preparation
LEAST_STEPS = 3  # of a chain that is worth strips: each strip is copied into its place
LEAST_INSTRUCTIONS = 3  # fewer take less time than bringing whole numbers and floats to doubles
MOST_INPUTS = 8  # images held whole at once by a chain; longer ones are cut


def pointwise(
    parents: Sequence[Image],
    bands: Sequence[Band],
    compute: Compute,
    needs: Needs,
    *,
    operation: Callable[[int], Operation | None] = lambda position: None,
    **others: Any,
) -> Image:
    """An image of a function of its parents' pixels at the same place; others: as `derived` takes them.

    operation: the same of a band as an instruction, where there is one.
    """
    return derived(parents, bands, PointReading(tuple(parents), compute, needs, operation), needs=needs, **others)


@dataclass(frozen=True, eq=False)
class PointReading:
    """Reads an image of a function of pixels, with what it takes in."""

    parents: tuple[Image, ...]
    compute: Compute
    needs: Needs
    operation: Callable[[int], Operation | None]

    def __call__(self, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        chain = _ordered(self, _taken_in(self))
        positions_of = _wanted(chain, positions)
        slots = _inputs(chain, positions_of, geobox)
        targets = [(id(self), position) for position in positions]
        shape: tuple[int, int] = geobox.shape.yx
        program = _program(chain, positions_of, slots) if shape[0] * shape[1] > LEAST_PIXELS else None
        if program is not None:
            pairs = program.computed(targets, shape)
        else:
            steps = [_Step(reading, tuple(positions_of[id(reading)])) for reading in chain]
            pairs = _computed(steps, slots, targets, shape)
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))


def _taken_in(root: PointReading) -> dict[int, PointReading]:
    """The root and the readings below it that nobody but them reads, by id, while the chain has few inputs."""
    members: dict[int, PointReading] = {}
    waiting: dict[int, set[tuple[int, int]]] = {}  # askers that are no members
    inputs: set[int] = set()
    ready = deque([root])
    while ready:
        reading = ready.popleft()
        parents = {id(parent.reading) for parent in reading.parents}
        grown = (inputs - {id(reading)}) | (parents - members.keys())
        if members and len(grown) > MOST_INPUTS:
            continue
        members[id(reading)] = reading
        inputs = grown
        for index, parent in enumerate(reading.parents):
            inner = parent.reading
            if not isinstance(inner, PointReading) or id(inner) in members:
                continue
            askers = waiting.setdefault(id(inner), set(askers_of(inner)))
            askers.discard((id(reading), index))
            if not askers and inner not in ready:
                ready.append(inner)
    return members


def _ordered(root: PointReading, members: Mapping[int, PointReading]) -> list[PointReading]:
    """The members, each after those that it reads; the root is the last."""
    order: list[PointReading] = []
    seen: set[int] = set()
    stack: list[tuple[PointReading, bool]] = [(root, False)]
    while stack:
        reading, left = stack.pop()
        if left:
            order.append(reading)
        elif id(reading) not in seen:
            seen.add(id(reading))
            stack.append((reading, True))
            inner = (parent.reading for parent in reading.parents)
            stack += [(members[id(each)], False) for each in inner if id(each) in members]
    return order


def _wanted(chain: Sequence[PointReading], positions: tuple[int, ...]) -> dict[int, dict[int, None]]:
    """Which bands of each member and input are needed (dictionaries as ordered sets)."""
    positions_of = {id(chain[-1]): dict.fromkeys(positions)}
    for reading in reversed(chain):
        own = tuple(positions_of.setdefault(id(reading), {}))
        for parent, bands in zip(reading.parents, reading.needs(own), strict=True):
            positions_of.setdefault(id(parent.reading), {}).update(dict.fromkeys(bands))
    return positions_of


def _inputs(
    chain: Sequence[PointReading], wanted: Mapping[int, Iterable[int]], geobox: GeoBox
) -> dict[Slot, BandPixels]:
    """Bands of the images that the chain reads, over the whole window; chains first, as they hold inputs."""
    members = {id(reading) for reading in chain}
    images = {id(parent.reading): parent for reading in chain for parent in reading.parents}
    inputs = [image for key, image in images.items() if key not in members and wanted[key]]
    slots: dict[Slot, BandPixels] = {}
    for image in sorted(inputs, key=lambda image: not isinstance(image.reading, PointReading)):
        positions = tuple(wanted[id(image.reading)])
        pixels = image.read_at(geobox, positions)
        for position, values, mask in zip(positions, pixels.values, pixels.masks, strict=True):
            slots[id(image.reading), position] = values, _known(mask)
    return slots


def _known(mask: np.ndarray) -> np.ndarray:
    """The mask, without its cost where it lets every pixel through."""
    return valid(mask.shape) if mask.dtype == bool and not is_valid(mask) and mask.size and mask.all() else mask


def _program(
    chain: Sequence[PointReading], wanted: Mapping[int, Iterable[int]], slots: Mapping[Slot, BandPixels]
) -> Instructions | None:
    """The chain as instructions; None where a step or a mask is beyond them."""
    instructions = Instructions.of(slots)
    for reading in chain:
        for position in wanted[id(reading)]:
            operation = reading.operation(position)
            parents = zip(reading.parents, reading.needs((position,)), strict=True)
            sources = [(id(parent.reading), band) for parent, bands in parents for band in bands]
            slot = id(reading), position
            if instructions is None or operation is None or not instructions.add(slot, operation, sources):
                return None
    return instructions if instructions is not None and len(instructions) >= LEAST_INSTRUCTIONS else None


class _Step:
    """One member's bands from slots."""

    def __init__(self, reading: PointReading, positions: tuple[int, ...]) -> None:
        self._compute = reading.compute
        self._positions = positions
        needs = zip(reading.parents, reading.needs(positions), strict=True)
        self.sources = [[(id(parent.reading), band) for band in bands] for parent, bands in needs]
        self.targets = [(id(reading), position) for position in positions]
        operation = reading.operation(positions[0]) if positions else None
        self.computes = bool(positions) and (operation is None or operation.code != COPY or operation.cast)

    def run(self, slots: dict[Slot, BandPixels], shape: tuple[int, ...]) -> None:
        if self._positions:
            inputs = [[slots[source] for source in sources] for sources in self.sources]
            slots.update(zip(self.targets, self._compute(self._positions, inputs, shape), strict=True))


def _computed(
    steps: Sequence[_Step], inputs: Mapping[Slot, BandPixels], targets: Sequence[Slot], shape: tuple[int, ...]
) -> list[BandPixels]:
    """The targets' bands over the window."""
    height, width = shape
    rows = max(1, STRIP_PIXELS // max(width, 1))
    at_once = height <= rows or any(values.dtype == object for values, _ in inputs.values())
    if at_once or sum(step.computes for step in steps) < LEAST_STEPS:
        slots = dict(inputs)
        for step in steps:
            step.run(slots, shape)
        return [slots[target] for target in targets]
    canvases = {target: _Canvas(shape) for target in targets}
    last = _last_uses(steps, targets)
    for top in range(0, height, rows):
        budget.check()
        below = min(top + rows, height)
        slots = {slot: (values[top:below], mask[top:below]) for slot, (values, mask) in inputs.items()}
        for index, step in enumerate(steps):
            step.run(slots, (below - top, width))
            for slot in last[index]:  # its memory serves the next step while it is still in the cache
                slots.pop(slot, None)
        for target, canvas in canvases.items():
            canvas.put(top, slots[target])
    return [canvases[target].band for target in targets]


def _last_uses(steps: Sequence[_Step], targets: Sequence[Slot]) -> list[list[Slot]]:
    """For each step the slots that no later one reads."""
    last = {slot: index for index, step in enumerate(steps) for slots in step.sources for slot in slots}
    ends: list[list[Slot]] = [[] for _ in steps]
    for slot, index in last.items():
        if slot not in targets:
            ends[index].append(slot)
    return ends


class _Canvas:
    """A band that is put together from strips; a mask that is the same everywhere costs nothing."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._values: np.ndarray | None = None
        self._strips: list[tuple[int, np.ndarray]] = []

    def put(self, top: int, band: BandPixels) -> None:
        """Takes the strip that begins in a row."""
        values, mask = band
        if self._values is None:
            self._values = np.empty(self._shape, values.dtype)
        self._values[top : top + len(values)] = values
        self._strips.append((top, mask))

    @property
    def band(self) -> BandPixels:
        """Values and mask of all strips."""
        masks = [mask for _, mask in self._strips]
        if self._values is None:
            raise ValueError("a band without rows was asked for: a window has at least one")
        if all(map(is_valid, masks)):
            return self._values, valid(self._shape)
        if all(map(is_blank, masks)):
            return self._values, blank(self._shape)
        out = np.empty(self._shape, np.result_type(*{mask.dtype for mask in masks}))
        for top, mask in self._strips:
            out[top : top + len(mask)] = mask
        return self._values, out
