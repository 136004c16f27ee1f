"""Turns a function of arrays into an algorithm of images: band pairing, types and masks happen here, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation import registry
from local_ee.evaluation.pointwise import BandPixels, pointwise
from local_ee.evaluation.signatures import signatures
from local_ee.evaluation.values import Band, Image
from local_ee.raster.arithmetic import Operation
from local_ee.raster.array_pixels import Compute as StackCompute
from local_ee.raster.array_pixels import computed
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixel_type import BOOLEAN, DOUBLE, PixelType, ranged
from local_ee.raster.pixels import both, hidden, is_blank, is_uniform

Typed = Callable[..., PixelType]
Compute = Callable[..., np.ndarray]


def union(left: PixelType, right: PixelType) -> PixelType:
    """The result's type of most operators (guides/image_math: the union of the input types)."""
    return left.union(right)


def boolean(*_: PixelType) -> PixelType:
    """The result's type of comparisons."""
    return BOOLEAN


def floating(*kinds: PixelType) -> PixelType:
    """The result's type of functions whose values are not whole."""
    result_type = kinds[0]
    for input_type in kinds[1:]:
        result_type = result_type.union(input_type)
    return result_type.floating()


def same(input_type: PixelType) -> PixelType:
    return input_type


def spanning(combine: Callable[[float, float], float]) -> Typed:
    """The union, widened for integers to every value that the operator can give.

    Google documents no integer overflow (local_ee/docs/reference.md, "Undocumented"); assumption: whole results are
    held exactly.
    """

    def typed(left: PixelType, right: PixelType) -> PixelType:
        ends = left.bounds, right.bounds
        if not (left.is_integer and right.is_integer) or ends[0] is None or ends[1] is None:
            return left.union(right)
        corners = [combine(a, b) for a in ends[0] for b in ends[1]]
        low, high = min(corners), max(corners)
        return ranged(low, high) if max(-low, high) < 2**63 else DOUBLE

    return typed


def pixelwise(
    *names: str, result: Typed = union, cast: bool = True, partial: bool = False, code: int | None = None
) -> Callable[[Compute], Compute]:
    """Registers a function of one or two arrays as algorithms of images.

    result: pixel type of the output from those of the inputs. cast: inputs are given in the output's type.
    partial: the function may give values that are not finite; those pixels are masked (assumption: Google documents
    no value for them). code: the instruction that does the same (see raster.arithmetic).
    """

    def register(compute: Compute) -> Compute:
        operator = _Operator(compute, result, cast, partial, code)
        arity = len(inspect.signature(compute).parameters)
        for name in names:
            registry.add(name, _function(name, operator, arity))
        registry.take_arrays(*names)
        return compute

    return register


def _function(name: str, operator: _Operator, arity: int) -> Callable[..., Image]:
    """A function with the parameter names that Google's list has for the algorithm."""

    def apply(*args: Image, **images: Image) -> Image:
        return operator.over([*args, *images.values()])

    parameters = signatures()[name].parameter_names if name in signatures() else ("value",) * arity
    if len(parameters) != arity:
        raise TypeError(f"{name} takes {parameters}; the function takes {arity} arrays")
    parameter_kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(parameter, parameter_kind) for parameter in parameters])
    vars(apply)["__signature__"] = signature
    apply.__module__ = operator.compute.__module__
    apply.__doc__ = operator.compute.__doc__
    return apply


class _Operator:
    """A pixelwise function with the rules of its output."""

    def __init__(self, compute: Compute, result: Typed, cast: bool, partial: bool, code: int | None = None) -> None:
        self.compute = compute
        self._result = result
        self._cast = cast
        self._partial = partial
        self._code = code

    def over(self, images: Sequence[Image]) -> Image:
        """The image of the function's values. Properties are not kept (assumption for operators other than casts)."""
        count = _band_count(images)
        longest = next(image for image in images if len(image.bands) == count)
        columns = [_broadcast(image, count) for image in images]
        bands = [
            Band(
                longest.bands[i].name,
                self._typed([image.bands[column[i]].type for image, column in zip(images, columns, strict=True)]),
                images[0].bands[columns[0][i]].projection,
                images[0].bands[columns[0][i]].dimensions,
            )
            for i in range(count)
        ]
        types = [band.type for band in bands]

        def compute(
            positions: tuple[int, ...], inputs: Sequence[Sequence[BandPixels]], shape: tuple[int, ...]
        ) -> list[BandPixels]:
            return [self._band(types[i], [pairs[k] for pairs in inputs], shape) for k, i in enumerate(positions)]

        def needs(positions: tuple[int, ...]) -> list[list[int]]:
            return [[column[i] for i in positions] for column in columns]

        def operation(position: int) -> Operation | None:
            return None if self._code is None else Operation(self._code, types[position].dtype, self._cast)

        def footprint() -> Geometry | None:
            return _common_footprint(images)

        return pointwise(images, bands, compute, needs, operation=operation, footprint_of=footprint)

    def _typed(self, types: Sequence[PixelType]) -> PixelType:
        """The result's type: that of the numbers, and as many dimensions as the input with most."""
        dimensions = max(each.dimensions for each in types)
        return self._result(*(each.element for each in types)).of_dimensions(dimensions)

    def _band(
        self, band_type: PixelType, inputs: Sequence[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        mask = inputs[0][1]
        for _, band_mask in inputs[1:]:
            mask = both(mask, band_mask)
        dtype = band_type.dtype
        if is_blank(mask):
            return hidden(dtype, shape)
        if band_type.dimensions:
            return computed(self._of_arrays(band_type.element.dtype), [values for values, _ in inputs], mask, dtype)
        operands = [self._operand(values, dtype) for values, _ in inputs]
        with np.errstate(all="ignore"):
            values = np.asarray(self.compute(*operands))
        values = values.astype(dtype, copy=False)
        if self._partial:
            finite = np.isfinite(values)
            if not finite.all():
                values, mask = np.where(finite, values, dtype.type(0)), both(mask, np.broadcast_to(finite, shape))
        return (np.broadcast_to(values, shape) if values.ndim == 0 else values), mask

    def _of_arrays(self, dtype: np.dtype) -> StackCompute:
        """The function of stacks of arrays of one shape; a number goes with every number of an array."""

        def compute(*stacks: np.ndarray) -> np.ndarray:
            shapes = {stack.shape[1:] for stack in stacks if stack.ndim > 1}
            if len(shapes) > 1:
                lengths = " and ".join(str(list(shape)) for shape in shapes)
                raise EngineError(f"Arrays at one pixel must have the same lengths, got {lengths}.")
            most = max(stack.ndim for stack in stacks)
            operands = [stack.reshape(stack.shape + (1,) * (most - stack.ndim)) for stack in stacks]
            with np.errstate(all="ignore"):
                values = np.asarray(self.compute(*(o.astype(dtype) if self._cast else o for o in operands)))
            return values.astype(dtype, copy=False)

        return compute

    def _operand(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """One value for uniform arrays: numpy computes with it at no cost."""
        values = values[0, 0] if is_uniform(values) else values
        return values.astype(dtype, copy=False) if self._cast else values


def _band_count(images: Sequence[Image]) -> int:
    """One band is used with all bands of the other, which may be none (apidocs ee-image-subtract)."""
    counts = {len(image.bands) for image in images} - {1}
    if len(counts) > 1:
        got = " and ".join(str(len(image.bands)) for image in images)
        raise EngineError(f"Images must have the same number of bands, or one band; got {got}.")
    return counts.pop() if counts else 1


def _broadcast(image: Image, count: int) -> tuple[int, ...]:
    return image.everything if len(image.bands) == count else (0,) * count


def _common_footprint(images: Sequence[Image]) -> Geometry | None:
    """Where all images are: the intersection of their footprints."""
    # Images of one expression often share a footprint, which need not be intersected with itself.
    footprints = list({id(extent): extent for image in images if (extent := image.footprint) is not None}.values())
    if len(footprints) < 2:
        return footprints[0] if footprints else None
    shape = footprints[0].lonlat
    for area in footprints[1:]:
        shape = shape.intersection(area.lonlat)
    return Geometry(shape)


def over(compute: Compute, result: Typed, images: Sequence[Image]) -> Image:
    """The image of a function of arrays, by the same rules, without a name of Earth Engine's."""
    return _Operator(compute, result, True, True).over(images)
