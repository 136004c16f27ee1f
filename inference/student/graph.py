"""The student as an Earth Engine graph: a function of a composite in stored numbers, equal to `isamap map`'s pixels.

Every step is a documented method of ee.Image, so that the Code Editor script states the same (script.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from inference.legend import PROBABILITY, Legend
from inference.student.parameters import Layer, Parameters

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
    seen = stored.mask().reduce(ee.Reducer.min())
    return classified(chances, parameters).updateMask(seen)


def stored_numbers(packed: ee.Image, parameters: Parameters) -> ee.Image:
    """Whole numbers as a map reads them: rounded half to even, within the student's range; float64.

    ee.Image.round does not say what it does with halves, which means of an even number of scenes often are.
    """
    import ee

    exact = packed.select(list(parameters.names)).toFloat().toDouble()
    floor = exact.floor()
    share = exact.subtract(floor)
    up = share.gt(0.5).Or(share.eq(0.5).And(floor.mod(2).neq(0)))
    low = ee.Image.constant([band.low for band in parameters.bands])
    high = ee.Image.constant([band.high for band in parameters.bands])
    return floor.add(up).max(low).min(high).toDouble()


def features(stored: ee.Image, parameters: Parameters) -> ee.Image:
    """The bands, each window's means, each window's deviations: over valid pixels, in pixels of the output's grid."""
    import ee

    reductions = [(ee.Reducer.mean(), side) for side in parameters.means]
    reductions += [(ee.Reducer.stdDev(), side) for side in parameters.deviations]
    return ee.Image(
        [stored]
        + [stored.reduceNeighborhood(reducer, ee.Kernel.square(side // 2, "pixels")) for reducer, side in reductions]
    )


def dense(values: ee.Image, layer: Layer) -> ee.Image:
    """One band a neuron: the weighted sum of all bands of `values`, and its bias."""
    import ee

    sums = [values.multiply(ee.Image.constant(list(row))).reduce(ee.Reducer.sum()) for row in layer.weights]
    return ee.Image(sums).add(ee.Image.constant(list(layer.biases)))


def probabilities(values: ee.Image, parameters: Parameters) -> ee.Image:
    """A band for each class that is blended in a map: impervious alone of two, else all."""
    import ee

    layer, legend = parameters.layers[-1], Legend(parameters.classes, parameters.threshold)
    if legend.binary:
        odds = dense(values, difference(layer, legend.impervious))
        return odds.multiply(-1).exp().add(1).pow(-1)
    scores = dense(values, layer)
    powers = scores.subtract(scores.reduce(ee.Reducer.max())).exp()
    return powers.divide(powers.reduce(ee.Reducer.sum()))


def difference(layer: Layer, impervious: int) -> Layer:
    """The last layer of two classes as one neuron: the logit of impervious against the other."""
    other = 1 - impervious
    row = tuple(a - b for a, b in zip(layer.weights[impervious], layer.weights[other], strict=True))
    return Layer((row,), (layer.biases[impervious] - layer.biases[other],))


def classified(chances: ee.Image, parameters: Parameters) -> ee.Image:
    """Class (byte) by threshold or as the most probable, and the probability of impervious."""
    legend = Legend(parameters.classes, parameters.threshold)
    if legend.binary:
        sure = chances.toFloat().gte(float(np.float32(legend.threshold)))
        classes = sure if legend.impervious else sure.Not()
        return classes.toByte().rename(legend.band).addBands(chances.rename(PROBABILITY))
    best, classes = chances.select(0), chances.select(0).multiply(0)
    for number in range(1, len(legend.names)):
        chance = chances.select(number)
        classes, best = classes.where(chance.gt(best), number), best.max(chance)
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
