"""Image.expression: arithmetic written as text (guides/image_math)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from local_ee.algorithms.image_bands import select
from local_ee.algorithms.image_masks import where
from local_ee.errors import EngineError
from local_ee.evaluation import registry
from local_ee.evaluation.coerce import to_image
from local_ee.evaluation.expression import Bands, Call, Name, Node, Number, free_names, parse
from local_ee.evaluation.graph import Function
from local_ee.evaluation.pixelwise import over
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, constant
from local_ee.raster.pixel_type import PixelType

Variables = Mapping[str, Image]


@algorithm("Image.parseExpression")
def parse_expression(expression: str, argName: str, vars: list, mapFreeVarsToDefaultImageBands: bool) -> Function:
    """A function of images; b() reads the bands of the argument argName."""
    formula = parse(expression)
    unknown = sorted(free_names(formula.tree) - set(vars))
    if unknown and not mapFreeVarsToDefaultImageBands:
        raise EngineError(f"The expression uses variables that are not given: {', '.join(unknown)}.")

    def call(arguments: Mapping[str, Any]) -> Image:
        images = {name: _image(name, value) for name, value in arguments.items()}
        result = _evaluated(formula.tree, images, argName)
        return select(result, [0], [formula.name]) if formula.name and len(result.bands) == 1 else result

    return Function(tuple(vars), call)


def _image(name: str, value: Any) -> Image:
    image = to_image(value)
    if image is None:
        raise EngineError(f"Image.expression: the variable '{name}' is not an image or a number.")
    return image


def _evaluated(node: Node, images: Variables, default: str) -> Image:
    if isinstance(node, Number):
        return constant([node.value])
    if isinstance(node, Name):
        return images[node.name] if node.name in images else select(images[default], [node.name], None)
    if isinstance(node, Bands):
        image = images[node.image or default]
        return select(image, list(node.selectors), None) if node.selectors else image
    return _called(node, [_evaluated(argument, images, default) for argument in node.arguments])


def _called(call: Call, operands: list[Image]) -> Image:
    special = _SPECIAL.get(call.name)
    if special is not None:
        return special(*operands)
    name = f"Image.{call.name}"
    parameters = registry.find(name).signature.parameter_names
    if len(parameters) != len(operands):
        raise EngineError(f"Image.expression: {call.name} takes {len(parameters)} arguments, got {len(operands)}.")
    return registry.find(name)(dict(zip(parameters, operands, strict=True)), None)


def _choose(condition: Image, consequent: Image, otherwise: Image) -> Image:
    """consequent where the condition is not 0, else otherwise; masked where one of the three is (guides/image_math)."""
    count = max(len(condition.bands), len(consequent.bands), len(otherwise.bands))
    wide = select(otherwise, [0] * count, list(consequent.band_names)) if len(otherwise.bands) < count else otherwise
    result = where(wide, condition, consequent)
    everything = registry.find("Image.and")({"image1": _valid(condition), "image2": _valid(consequent)}, None)
    return registry.find("Image.updateMask")({"image": result, "mask": everything}, None)


def _valid(image: Image) -> Image:
    return registry.find("Image.mask")({"image": image}, None)


def _quotient(left: Image, right: Image) -> Image:
    """Whole numbers divide to whole numbers: "floor division" of expressions (guides/image_math)."""
    return over(_floor_divide, _quotient_type, [left, right])


def _quotient_type(left: PixelType, right: PixelType) -> PixelType:
    return left.union(right)


def _floor_divide(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(np.shape(left), np.shape(right))
    divide = np.floor_divide if left.dtype.kind in "iu" else np.divide
    return divide(left, right, out=np.zeros(shape, left.dtype), where=np.asarray(right != 0))


def _negative(image: Image) -> Image:
    return registry.find("Image.subtract")({"image1": 0, "image2": image}, None)


def _xor(left: Image, right: Image) -> Image:
    """^ is logical "xor" in the table of operators."""
    return registry.find("Image.neq")({"image1": _truth(left), "image2": _truth(right)}, None)


def _truth(image: Image) -> Image:
    return registry.find("Image.neq")({"image1": image, "image2": 0}, None)


_SPECIAL: dict[str, Callable[..., Image]] = {
    "choose": _choose,
    "quotient": _quotient,
    "negative": _negative,
    "positive": lambda image: image,
    "xor": _xor,
}
