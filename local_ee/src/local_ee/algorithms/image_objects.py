"""Objects of an image: connected pixels of one value, labelled and reduced (guides/image_objects)."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.algorithms.image_neighborhood import padded
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster import segments
from local_ee.raster.kernel import Kernel, Weights
from local_ee.raster.lattice import place_of
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.reducing import Reducer

MOST_SIZE = 1024  # pixels of an object that is labelled, or of its sides where it is reduced
LABELS = "labels"
_LABEL_ROWS, _LABEL_COLS = 1 << 15, 1 << 16  # after which labels repeat: they are 32-bit integers


@algorithm("Image.connectedComponents")
def connected_components(image: Image, connectedness: Kernel, maxSize: int) -> Image:
    """The image with a band labels: a number for each object of the first band, masked for objects over maxSize.

    Assumptions (not documented): the label is made of the object's first row and column on the grid, so that it does
    not depend on the window; it is a 32-bit integer and repeats for objects 32,768 rows or 65,536 columns apart; only
    the band labels is masked for what is too large.
    """
    _check_size(maxSize)
    if LABELS in image.band_names:
        raise EngineError(f"The image has a band '{LABELS}' already.")
    cells = connectedness.draw(1.0)
    if connectedness.in_metres:
        raise EngineError("The local engine takes connectedness kernels in pixels, not in meters.")
    offsets = [(int(row) - cells.row, int(col) - cells.col) for row, col in np.argwhere(cells.values != 0)]
    reach = _reach(maxSize * max((max(map(abs, offset)) for offset in offsets), default=1))
    first = image.bands[0]
    bands = [*image.bands, Band(LABELS, NAMED["int32"], first.projection, first.dimensions)]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, tuple(i for i in positions if i < len(image.bands)))
        pairs = dict(
            zip(
                (i for i in positions if i < len(image.bands)),
                zip(pixels.values, pixels.masks, strict=True),
                strict=True,
            )
        )
        if len(image.bands) in positions:
            pairs[len(image.bands)] = _labels(image, geobox, reach, offsets, maxSize)
        return Pixels(tuple(pairs[i][0] for i in positions), tuple(pairs[i][1] for i in positions))

    def needs(positions: tuple[int, ...]) -> list[set[int]]:
        return [{0, *(i for i in positions if i < len(image.bands))}]

    return recomputed(image, bands, reading, needs=needs, around=lambda geobox: padded(geobox, reach))


def _labels(
    image: Image, geobox: GeoBox, reach: Weights, offsets: list[segments.Offset], most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a window, and where they are."""
    window = padded(geobox, reach)
    pixels = image.read_at(window, (0,))
    labels = segments.labelled(pixels.values[0], opaque(pixels.masks[0]), offsets)
    centre = _centre(geobox, reach)
    valid = (labels != segments.NONE) & (segments.sizes(labels) <= most)
    return np.where(valid, object_ids(labels, window)[labels], 0)[centre].astype(np.int32), valid[centre]


def object_ids(labels: np.ndarray, window: GeoBox) -> np.ndarray:
    """A number for each label of a window, made of the place of its first pixel; a 0 at the end is that of NONE."""
    _, first = np.unique(labels[labels != segments.NONE], return_index=True)
    rows, cols = np.argwhere(labels != segments.NONE)[first].T
    origin = place_of(window)
    numbers = (rows + origin.row) % _LABEL_ROWS * _LABEL_COLS + (cols + origin.col) % _LABEL_COLS
    return np.append(numbers, 0).astype(np.int32)


@algorithm("Image.reduceConnectedComponents")
def reduce_connected_components(image: Image, reducer: Reducer, labelBand: str | None, maxSize: int) -> Image:
    """The other bands reduced over each object of the label band: connected pixels (8 ways) of one value.

    Objects wider or higher than maxSize are masked. A reducer of one output keeps the bands' names; one of several
    inputs takes the other bands together. Assumption: a neighbour's mask is its weight.
    """
    _check_size(maxSize)
    label = 0 if labelBand is None else image.positions([labelBand])[0]
    others = [i for i in image.everything if i != label]
    if not others:
        raise EngineError("The image needs a band to reduce beside the label band.")
    reducer = reducer.for_pixels().over(len(others))
    groups = [[i] for i in others] if reducer.inputs == 1 else [others]
    outputs = len(reducer.outputs)
    bands = [band for group in groups for band in _reduced_bands(image, reducer, group)]
    reach = _reach(maxSize)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        used = list(dict.fromkeys(i // outputs for i in positions))
        needed = tuple(dict.fromkeys([label, *(i for group in used for i in groups[group])]))
        pixels = image.read_at(padded(geobox, reach), needed)
        arrays = dict(zip(needed, zip(pixels.values, pixels.masks, strict=True), strict=True))
        labels = _near_labels(arrays[label], _centre(geobox, reach), maxSize)
        results = {group: _over_objects(reducer, [arrays[i] for i in groups[group]], labels) for group in used}
        pairs = [results[i // outputs][i % outputs] for i in positions]
        centre = _centre(geobox, reach)
        return Pixels(
            tuple(values[centre].astype(bands[i].type.dtype) for i, (values, _) in zip(positions, pairs, strict=True)),
            tuple(mask[centre] for _, mask in pairs),
        )

    def needs(positions: tuple[int, ...]) -> list[set[int]]:
        return [{label, *(i for position in positions for i in groups[position // outputs])}]

    return recomputed(image, bands, reading, needs=needs, around=lambda geobox: padded(geobox, reach))


def _reduced_bands(image: Image, reducer: Reducer, group: list[int]) -> list[Band]:
    model = image.bands[group[0]]
    names = reducer.keys(model.name) if reducer.inputs == 1 else list(reducer.outputs)
    for i in group:
        reducer.check(image.bands[i].name, image.bands[i].type)
    return [model.renamed(name).typed(output) for name, output in zip(names, reducer.typed(model.type), strict=True)]


def _near_labels(band: tuple[np.ndarray, np.ndarray], centre: tuple[slice, slice], most: int) -> np.ndarray:
    """Labels of the objects that reach into the centre and are not too large."""
    labels = segments.labelled(band[0], opaque(band[1]), segments.EIGHT)
    boxes = segments.boxes(labels)
    small = np.append((boxes[:, 2:] <= most).all(axis=1), False)
    near = np.zeros(len(small), bool)
    near[labels[centre]] = True
    keep = small & near
    keep[-1] = False
    numbers = np.where(keep, np.cumsum(keep) - 1, segments.NONE)
    return numbers[labels]


def _over_objects(
    reducer: Reducer, inputs: list[tuple[np.ndarray, np.ndarray]], labels: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The outputs at every pixel of each object."""
    budget.check()
    inside = labels != segments.NONE
    own = labels[inside]
    count = int(own.max()) + 1 if len(own) else 0
    samples = [(values[inside], mask[inside] if reducer.weighted else mask[inside] != 0) for values, mask in inputs]
    results = segments.reduced(reducer, samples, own, count)
    outputs = []
    for k in range(len(reducer.outputs)):
        values, valid = np.zeros(count + 1), np.zeros(count + 1, bool)
        for i, row in enumerate(results):
            valid[i] = bool(np.all(row[k][1]))
            values[i] = np.asarray(row[k][0]).item() if valid[i] else 0
        outputs.append((values[labels], valid[labels] & inside))
    return outputs


def _centre(geobox: GeoBox, reach: Weights) -> tuple[slice, slice]:
    height, width = geobox.shape
    return np.s_[reach.row : reach.row + height, reach.col : reach.col + width]


def _reach(pixels: int) -> Weights:
    return Weights(np.broadcast_to(1.0, (2 * pixels + 1, 2 * pixels + 1)), pixels, pixels)


def _check_size(size: int) -> None:
    if not 1 <= size <= MOST_SIZE:
        raise EngineError(f"maxSize must be 1 to {MOST_SIZE}, got {size}.")
