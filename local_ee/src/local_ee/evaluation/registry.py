"""The algorithms of the engine, each one decorated function, checked against Google's list when it is defined."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

from shapely.errors import GEOSException

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation import profile
from local_ee.evaluation.coerce import coerced
from local_ee.evaluation.signatures import Signature, signatures
from local_ee.evaluation.values import Image, is_bandless, refused


@dataclass(frozen=True)
class Algorithm:
    """A function under Earth Engine's name; wants_catalog: it takes the catalog as an argument of its own."""

    signature: Signature
    function: Callable[..., Any]
    wants_catalog: bool

    def __call__(self, arguments: Mapping[str, Any], catalog: Any) -> Any:
        """The function's value for arguments by name; defaults and promotions as Google's list says."""
        record = profile.current()
        with nullcontext() if record is None else record.call(self.signature.name):
            return self._called(arguments, catalog)

    def _called(self, arguments: Mapping[str, Any], catalog: Any) -> Any:
        extra = {"catalog": catalog} if self.wants_catalog else {}
        try:
            value = self.function(**self._complete(arguments), **extra)
            if isinstance(value, list | str):
                budget.check_value(budget.size_of(value))
            return value
        except EngineError as error:
            named = error.within(self.signature.name)
            return self._deferred(named, arguments.values())
        except GEOSException as error:  # of shapes that cross themselves, or whose coordinates have no end
            raise EngineError(f"Invalid geometry: {str(error).strip()}").within(self.signature.name) from error

    def _deferred(self, refusal: EngineError, arguments: Iterable[Any]) -> Image:
        """An image that cannot be made of one without bands: who asks for its bands is refused, not who filters it.

        So a list of composites, some of no image, can be filtered by properties. Assumption: every algorithm that
        gives an image waits so (geetools' tests of doyByBands show it of `rename`).
        """
        bandless = [value for value in arguments if isinstance(value, Image) and is_bandless(value)]
        if not self.signature.returns.startswith("Image<") or not bandless or refusal.said_by == "budget":
            raise refusal
        return refused(bandless[0], refusal)

    def _complete(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name = self.signature.name
        for argument in arguments:
            if argument not in self.signature.parameter_names:
                raise EngineError(f"{name}: Unexpected argument '{argument}'.")
        complete = {}
        for parameter in self.signature.parameters:
            value = arguments.get(parameter.name)
            if value is None:
                value = parameter.default
            if value is None and parameter.required:
                raise EngineError(f"Parameter '{parameter.name}' is required and may not be null.")
            value = coerced(value, parameter.type, f"{name}, argument '{parameter.name}'")
            if isinstance(value, Image):
                _check_pixels(name, parameter.name, value)
            complete[_python_name(parameter.name)] = value
        return complete


def _check_pixels(name: str, parameter: str, image: Image) -> None:
    """EngineError where the pixels of an image are arrays and the algorithm takes numbers only."""
    if (
        not name.startswith(("Image.", "Terrain."))
        or name.startswith(_OF_ARRAYS)
        or name in _take_arrays
        or (name, parameter) in _TAKE_ARRAYS
    ):
        return
    for band in image.bands:
        if band.type.dimensions:
            raise EngineError(
                f"{name}, argument '{parameter}': The pixels of band '{band.name}' are arrays with "
                f"{band.type.dimensions} axes; the local engine has this algorithm for numbers only. Take numbers out "
                "with arrayGet or arrayFlatten."
            )


# Algorithms that hand pixels on without looking at them, by the argument that they hand on.
_TAKE_ARRAYS = {
    *((f"Image.{name}", "image") for name in ("updateMask", "mask", "cast", "reduceRegion", "reduceRegions", "sample")),
    *((f"Image.{name}", "image") for name in ("sampleRegions", "stratifiedSample", "bandNames", "bandTypes", "date")),
    *((f"Image.{name}", "image") for name in ("reproject", "setDefaultProjection", "metadata", "projection")),
    *((f"Image.{name}", "input") for name in ("select", "rename", "regexpRename", "clip", "clipToBoundsAndScale")),
    ("Image.slice", "image"),
    *(("Image.id", "element"), ("Image.geometry", "feature"), ("Image.copyProperties", "source")),
    ("Image.copyProperties", "destination"),
    *(("Image.addBands", name) for name in ("dstImg", "srcImg")),
}
_OF_ARRAYS = ("Image.array", "Image.matrix", "Image.toArray", "Image.parseExpression")
_take_arrays: set[str] = set()  # algorithms that take them as any argument


def take_arrays(*names: str) -> None:
    """Lets pixels that are arrays be arguments of algorithms."""
    _take_arrays.update(names)


_ALGORITHMS: dict[str, Algorithm] = {}


def _python_name(parameter: str) -> str:
    return parameter + "_" if parameter in ("from", "lambda", "not", "and", "or", "in") else parameter


def algorithm(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function under names of Earth Engine; its parameters must be those of Google's list."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            add(name, function)
        return function

    return register


def add(name: str, function: Callable[..., Any]) -> None:
    """Registers one function under one name, once."""
    signature = signatures().get(name)
    if signature is None:
        raise TypeError(f"{name} is not in Google's list of algorithms")
    if name in _ALGORITHMS:
        raise TypeError(f"{name} is defined twice: {_ALGORITHMS[name].function.__module__} and {function.__module__}")
    own = list(inspect.signature(function).parameters)
    wants_catalog = "catalog" in own
    expected = [_python_name(parameter) for parameter in signature.parameter_names]
    if [parameter for parameter in own if parameter != "catalog"] != expected:
        raise TypeError(f"{name} takes {own}; Google's list says {expected}")
    _ALGORITHMS[name] = Algorithm(signature, function, wants_catalog)


@cache
def _loaded() -> Mapping[str, Algorithm]:
    package = importlib.import_module("local_ee.algorithms")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _ALGORITHMS


# What a script can do instead of an algorithm that the engine lacks.
_REMEDIES = {
    "Image.loadZarrV2Array": "; write the array as a GeoTIFF and read it by Image.loadGeoTIFF",
    "Model.predictImage": "; predict in your own program from ee.data.computePixels, or train an ee.Classifier",
}


def names() -> tuple[str, ...]:
    """Every algorithm that the engine has."""
    return tuple(sorted(_loaded()))


def find(name: str) -> Algorithm:
    """The algorithm of a name, or Earth Engine's refusal."""
    entry = _loaded().get(name)
    if entry is None:
        raise EngineError(refusal(name))
    return entry


def refusal(name: str) -> str:
    """Why an algorithm cannot be had: Earth Engine has none of that name, or only the local engine lacks it."""
    if name in signatures():
        words = f"Unknown function '{name}': the local engine does not have it (Google's Earth Engine does)"
        return f"{words}{_REMEDIES.get(name, '')}."
    return f"Unknown function '{name}'."
