"""Training of classifiers, their output modes and descriptions, and the classification of images and features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.algorithms.image_bands import chosen
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.error_matrix import ErrorMatrix
from local_ee.evaluation.feature_table import inputs_of, subsample, table_of
from local_ee.evaluation.features import Collection, Element
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, derived
from local_ee.learning import classifier as modes
from local_ee.learning.classifier import Classifier
from local_ee.learning.training import TrainingSet
from local_ee.raster.pixel_type import FLOAT, NAMED, PixelType
from local_ee.raster.pixels import Pixels, both, hidden, is_blank, opaque

_BLOCK = 65_536  # samples between two checks of the budget
Column = Callable[[np.ndarray], np.ndarray]


@algorithm("Classifier.train")
def train(
    classifier: Classifier,
    features: Collection,
    classProperty: str,
    inputProperties: list | None,
    subsampling: float,
    subsamplingSeed: int,
) -> Classifier:
    """The classifier with training data; it learns when its output is first asked for."""
    names = inputs_of(features, inputProperties, classProperty)
    elements = subsample(features.elements, subsampling, subsamplingSeed)
    table = table_of(elements, (*names, classProperty))
    return classifier.trained(TrainingSet(names, table[:, :-1], table[:, -1]))


@algorithm("Classifier.setOutputMode")
def set_output_mode(classifier: Classifier, mode: str) -> Classifier:
    """The classifier with another output."""
    return classifier.in_mode(mode)


@algorithm("Classifier.mode")
def mode_of(classifier: Classifier) -> str:
    """The name of its output mode."""
    return classifier.mode


@algorithm("Classifier.schema")
def schema_of(classifier: Classifier) -> list[str] | None:
    """Its inputs, or null before it has training data."""
    return None if classifier.schema is None else list(classifier.schema)


@algorithm("Classifier.explain")
def explain(classifier: Classifier) -> dict[str, Any]:
    """Its options, and what it learned: classes, the trees' text, the importance of inputs, the out-of-bag error."""
    options = {name: value for name, value in classifier.options.items() if value is not None}
    return options | dict(classifier.model.explanation)


@algorithm("Classifier.confusionMatrix")
def confusion_matrix(classifier: Classifier) -> ErrorMatrix:
    """Classes of the training data against those that the classifier gives them."""
    if classifier.training is None:
        raise EngineError(f"{classifier.name} has no training data yet: call train() first.")
    as_classes = classifier.in_mode(modes.CLASSIFICATION)
    predicted = as_classes.output(classifier.training.table)
    return ErrorMatrix.of(classifier.training.targets.tolist(), predicted.tolist())


@algorithm("Image.classify")
def classify_image(image: Image, classifier: Classifier, outputName: str) -> Image:
    """A band of each pixel's class (or what the output mode says); masked where an input is.

    Assumption: classes are 32-bit integers, other outputs floats.
    """
    image = inputs_in(image, classifier.inputs)
    names = classifier.bands or (outputName,)
    return of_table(image, [(name, _type_of(classifier)) for name in names], classifier.output)


def _type_of(classifier: Classifier) -> PixelType:
    gives_classes = classifier.mode == modes.CLASSIFICATION and classifier.options.get("svmType") != "EPSILON_SVR"
    pixel_type = NAMED["int32"] if gives_classes else FLOAT
    return pixel_type.of_dimensions(1) if classifier.is_array else pixel_type


def inputs_in(image: Image, names: Sequence[str]) -> Image:
    """The bands of an image that a model takes, in its order."""
    return chosen(image, image.positions(names), None)


def of_table(image: Image, outputs: Sequence[tuple[str, PixelType]], compute: Column) -> Image:
    """Bands computed from all bands of the valid pixels as a table [pixel, band]; arrays are rows of the result."""
    model = image.bands[0]
    bands = [Band(name, pixel_type, model.projection, model.dimensions) for name, pixel_type in outputs]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, image.everything)
        mask = pixels.masks[0]
        for band_mask in pixels.masks[1:]:
            mask = both(mask, band_mask)
        if is_blank(mask):
            blanks = [hidden(bands[i].type.dtype, tuple(geobox.shape)) for i in positions]
            return Pixels(tuple(values for values, _ in blanks), tuple(own for _, own in blanks))
        inside = opaque(mask)
        budget.allocate(inside.sum() * len(bands) * 8)
        table = np.column_stack([np.asarray(values)[inside].astype(np.float64) for values in pixels.values])
        finite = np.isfinite(table).all(axis=1)
        if not finite.all():  # such pixels are masked
            inside, mask, table = _without(inside, mask, finite), _without(mask, mask, finite), table[finite]
        result = _by_blocks(table, compute).reshape(len(table), -1)
        return Pixels(tuple(_placed(result, bands, i, inside) for i in positions), (mask,) * len(positions))

    return derived([image], bands, reading, needs=lambda positions: [image.everything])


def _without(values: np.ndarray, mask: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """A mask with zeros at those of its opaque pixels that are not kept."""
    out: np.ndarray = values.copy()
    out[np.nonzero(opaque(mask))] *= keep.astype(out.dtype)
    return out


def _by_blocks(table: np.ndarray, compute: Column) -> np.ndarray:
    parts = []
    for start in range(0, max(len(table), 1), _BLOCK):
        budget.check()
        block = table[start : start + _BLOCK]
        parts.append(compute(block) if len(block) else np.zeros((0, 1)))
    return np.concatenate(parts)


def _placed(result: np.ndarray, bands: Sequence[Band], position: int, inside: np.ndarray) -> np.ndarray:
    pixel_type = bands[position].type
    if not pixel_type.dimensions:
        values = np.zeros(inside.shape, pixel_type.dtype)
        values[inside] = result[:, position].astype(pixel_type.dtype)
        return values
    arrays = np.empty(len(result), object)
    arrays[:] = list(result.astype(pixel_type.element.dtype))
    boxes = np.zeros(inside.shape, object)
    boxes[inside] = arrays
    return boxes


@algorithm("FeatureCollection.classify")
def classify_features(features: Collection, classifier: Classifier, outputName: str) -> Collection:
    """The features with the classifier's output as a property."""
    names = classifier.bands or (outputName,)

    def find() -> list[Element]:
        elements = features.elements
        result = _by_blocks(table_of(elements, classifier.inputs), classifier.output) if elements else np.zeros(0)
        values = _values(result, classifier) if not classifier.bands else [row.tolist() for row in result]
        made = []
        for element, value in zip(elements, values, strict=True):
            own = dict(zip(names, value if classifier.bands else [value], strict=True))
            made.append(element.with_properties({**element.properties, **own}))
        return made

    return features.of(find)


def _values(result: np.ndarray, classifier: Classifier) -> list[Any]:
    if classifier.is_array:
        return [Array.of(row) for row in result]
    numbers: list[Any] = result.tolist()
    return numbers
