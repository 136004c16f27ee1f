"""A student of made-up weights inside Earth Engine, beside the same arithmetic here: what `isamap to-ee` rests on."""

from __future__ import annotations

from typing import Any

import numpy as np

from isamap.gee_export.base.grid import Raster, grid_of
from isamap.gee_export.base.periods import Period
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Composite, Settings
from isamap.inference.prove.facts import place_of
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe
from isamap.inference.student.graph import student_image
from isamap.inference.student.parameters import DenseLayer, Parameters, StoredRange

SIDE, HIDDEN = 64, 8
LARGEST_DIFFERENCE = 1e-6
LIMITS = {"reflectance": (0, 12_000), "dB": (-5_000, 1_500)}  # stored numbers


def parameters() -> Parameters:
    """Six bands with their means of 3 x 3 pixels, one hidden layer, weights by rule."""
    bands = tuple(StoredRange(b.name, b.unit, b.scale, *LIMITS[b.unit]) for b in Settings().stored_bands)
    count = 2 * len(bands)
    weights = np.sin(np.arange(1, HIDDEN * count + 1)).reshape(HIDDEN, count).round(4)
    last = np.cos(np.arange(1, 2 * HIDDEN + 1)).reshape(2, HIDDEN).round(4)
    return Parameters(
        bands=bands,
        means=(3,),
        deviations=(),
        centre=tuple(float(b.low + b.high) / 2 for b in bands) * 2,
        spread=tuple(float(b.high - b.low) / 4 for b in bands) * 2,
        layers=(
            DenseLayer(tuple(map(tuple, weights.tolist())), (0.1,) * HIDDEN),
            DenseLayer(tuple(map(tuple, last.tolist())), (0.0, 0.1)),
        ),
        classes=("pervious", "impervious"),
        threshold=0.5,
    )


def image_of(made: Composite) -> Any:
    return student_image(made.packed, parameters())


def _made() -> Composite:
    return composite.build(place_of(), Period.parse("2019-06"), Settings())


def _same(place: ProofPlace) -> Any:
    """Whether the graph's probabilities and masks are those that NumPy computes of the composite's pixels."""
    made, grid = _made(), grid_of(place_of())
    row, col = (side // 2 - SIDE // 2 for side in grid.shape)
    around = pixels.fetch(made.packed, grid[row - 1 : row + SIDE + 1, col - 1 : col + SIDE + 1], made.bands)
    answer = pixels.fetch(image_of(made), grid[row : row + SIDE, col : col + SIDE], ["isa", "prob"])
    expected, seen = computed(around, parameters())
    valid_HW = answer.valid_BHW[1]
    largest = float(np.abs(answer.values_BHW[1] - expected)[valid_HW & seen].max(initial=0.0))
    return {"masks": bool(np.array_equal(valid_HW, seen)), "probabilities": largest < LARGEST_DIFFERENCE}


def computed(around: Raster, numbers: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Probability of impervious and which pixels have one, of all pixels of a raster but its outermost."""
    low, high = (np.array([getattr(b, end) for b in numbers.bands])[:, None, None] for end in ("low", "high"))
    stored = np.rint(around.values_BHW.astype(np.float64)).clip(low, high)
    valid = around.valid_BHW.astype(np.float64)
    totals, counts = (_windows(values) for values in (stored * valid, valid))
    means = totals / np.maximum(counts, 1)
    inner = np.s_[:, 1:-1, 1:-1]
    values = np.concatenate([stored[inner], means])
    centre, spread = (np.array(each)[:, None, None] for each in (numbers.centre, numbers.spread))
    first, last = numbers.layers
    hidden = np.maximum(_dense((values - centre) / spread, first), 0)
    scores = _dense(hidden, last)
    seen = np.asarray(around.valid_BHW[inner].all(axis=0))
    return 1 / (1 + np.exp(scores[0] - scores[1])), seen


def _windows(values_BHW: np.ndarray) -> np.ndarray:
    """Sums of the 3 x 3 pixels about each pixel but the outermost."""
    rows, cols = values_BHW.shape[1] - 2, values_BHW.shape[2] - 2
    parts = [values_BHW[:, at : at + rows, to : to + cols] for at in range(3) for to in range(3)]
    return np.sum(parts, axis=0)


def _dense(values_BHW: np.ndarray, layer: DenseLayer) -> np.ndarray:
    sums = np.tensordot(np.array(layer.weights), values_BHW, axes=1)
    biased_NHW: np.ndarray = sums + np.array(layer.biases)[:, None, None]
    return biased_NHW


PROBES = (
    Probe(
        "scripts.student",
        "a network inside Earth Engine gives what the same arithmetic gives here",
        _same,
        {"masks": True, "probabilities": True},
        "inside-earth-engine",
        30,
    ),
)
