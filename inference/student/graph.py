"""The student as an Earth Engine graph: a function of a composite in stored numbers, equal to `isamap map`'s pixels.

Every step is a documented method of ee.Image, so that the Code Editor script states the same (script.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.sentinel.rounding import half_even
from isamap.inference.map_files.legend import PROBABILITY, Legend
from isamap.inference.student.parameters import DenseLayer, Parameters

if TYPE_CHECKING:
    import ee

PAYLOAD_LIMIT_BYTES = 10 << 20  # of a request (https://developers.google.com/earth-engine/guides/usage)


def student_image(packed: ee.Image, parameters: Parameters) -> ee.Image:
    """Class and probability of impervious (Legend.band, "prob" as 0 to 1, float64), masked where a band is missing.

    packed: the composite in stored numbers, not rounded (composite.Composite.packed).
    """
    import ee

    stored = stored_numbers(packed, parameters)
    centre, spread = ee.Image.constant(list(parameters.centre)), ee.Image.constant(list(parameters.spread))
    values = features(stored, parameters).subtract(centre).divide(spread)
    for layer in parameters.layers[:-1]:
        values = dense(values, layer).max(0)
    chances = probabilities(values, parameters)
    # Every band must be there: a mean over fewer would be another feature.
    seen = stored.mask().reduce(ee.Reducer.min())
    return classified(chances, parameters).updateMask(seen)


def stored_numbers(packed: ee.Image, parameters: Parameters) -> ee.Image:
    """Whole numbers as a map reads them: rounded half to even, within the student's range; float64.

    Means of an even number of scenes often are halves.
    """
    import ee

    # float32 first, as requests bring it: a half in float64 may be none there.
    exact = packed.select(list(parameters.names)).toFloat().toDouble()
    low = ee.Image.constant([band.low for band in parameters.bands])
    high = ee.Image.constant([band.high for band in parameters.bands])
    return half_even(exact).max(low).min(high).toDouble()


def features(stored: ee.Image, parameters: Parameters) -> ee.Image:
    """The bands, each window's means, each window's deviations: over valid pixels, in pixels of the output's grid."""
    import ee

    reductions = [(ee.Reducer.mean(), side) for side in parameters.means]
    reductions += [(ee.Reducer.stdDev(), side) for side in parameters.deviations]
    return ee.Image(
        [stored]
        + [stored.reduceNeighborhood(reducer, ee.Kernel.square(side // 2, "pixels")) for reducer, side in reductions]
    )


def dense(values: ee.Image, layer: DenseLayer) -> ee.Image:
    """One band a neuron: the weighted sum of all bands of `values`, and its bias."""
    import ee

    sums = [values.multiply(ee.Image.constant(list(row))).reduce(ee.Reducer.sum()) for row in layer.weights]
    return ee.Image(sums).add(ee.Image.constant(list(layer.biases)))


def probabilities(values: ee.Image, parameters: Parameters) -> ee.Image:
    """A band for each class that is blended in a map: impervious alone of two, else all."""
    import ee

    layer, legend = parameters.layers[-1], Legend(parameters.classes, parameters.threshold)
    if legend.binary:
        # One neuron instead of two halves the last layer of a graph that has a limit of size.
        odds = dense(values, difference(layer, legend.impervious))
        return odds.multiply(-1).exp().add(1).pow(-1)
    scores = dense(values, layer)
    # Less the largest: exp of a large score would be infinite.
    powers = scores.subtract(scores.reduce(ee.Reducer.max())).exp()
    return powers.divide(powers.reduce(ee.Reducer.sum()))


def difference(layer: DenseLayer, impervious: int) -> DenseLayer:
    """The last layer of two classes as one neuron: the logit of impervious against the other."""
    pervious = 1 - impervious
    row = tuple(a - b for a, b in zip(layer.weights[impervious], layer.weights[pervious], strict=True))
    return DenseLayer((row,), (layer.biases[impervious] - layer.biases[pervious],))


def classified(chances: ee.Image, parameters: Parameters) -> ee.Image:
    """Class (byte) by threshold or as the most probable, and the probability of impervious."""
    legend = Legend(parameters.classes, parameters.threshold)
    if legend.binary:
        # Compared as float32, as `quantise` does: equal maps need equal last bits.
        sure = chances.toFloat().gte(float(np.float32(legend.threshold)))
        classes = sure if legend.impervious else sure.Not()
        return classes.toByte().rename(legend.band).addBands(chances.rename(PROBABILITY))
    best, classes = chances.select(0), chances.select(0).multiply(0)
    for class_number in range(1, len(legend.names)):
        chance = chances.select(class_number)
        # Strictly greater: of equal chances the first class wins, as argmax has it.
        classes, best = classes.where(chance.gt(best), class_number), best.max(chance)
    impervious = chances.select(legend.impervious).rename(PROBABILITY)
    return classes.toByte().rename(legend.band).addBands(impervious)


def as_function(parameters: Parameters) -> str:
    """The student as a serialised function of one image, the composite in stored numbers; JSON."""
    import ee

    function = ee.CustomFunction.create(lambda packed: student_image(ee.Image(packed), parameters), "Image", ["Image"])
    return str(function.serialize())


def serialised(image: ee.Image) -> str:
    """The image's graph as a request carries it, JSON; ValueError where Google would refuse its size."""
    text = json.dumps(json.loads(image.serialize()), separators=(",", ":"))
    if len(text) > PAYLOAD_LIMIT_BYTES:
        raise ValueError(
            f"the graph has {len(text):,} bytes, Earth Engine takes {PAYLOAD_LIMIT_BYTES:,}: "
            "take a student with fewer neurons (--hidden), or a region with a shorter outline"
        )
    return text
