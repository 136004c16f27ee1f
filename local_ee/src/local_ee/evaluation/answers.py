"""Values as the JSON that value:compute answers, so that getInfo looks as it does with Google."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.features import Collection, Date, DateRange, ErrorMargin, Feature
from local_ee.evaluation.values import Band, Image
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.projection import Projection


def to_json(value: Any) -> Any:
    """A value as Earth Engine describes it in JSON."""
    for value_type, describe in _DESCRIPTIONS:
        if isinstance(value, value_type):
            return describe(value)
    own = getattr(value, "to_json", None)
    if own is None:
        raise EngineError(f"Cannot encode a value of type {type(value).__name__}.")
    return own()


def image_json(image: Image) -> dict[str, Any]:
    """An image's bands, id (a computed one's is its place in the collection) and properties."""
    answer: dict[str, Any] = {"type": "Image", "bands": [band_json(band) for band in image.bands]}
    identity = image.id or image.properties.get("system:index")
    if identity is not None:
        answer["id"] = identity
    version = image.properties.get("system:version")
    if version is not None:
        answer["version"] = version
    properties = {key: to_json(value) for key, value in image.properties.items() if key != "system:version"}
    return answer | ({"properties": properties} if properties else {})


def band_json(band: Band) -> dict[str, Any]:
    """A band's name, pixel type and grid."""
    answer: dict[str, Any] = {"id": band.name, "data_type": band.type.to_json()}
    if band.dimensions:
        answer["dimensions"] = [band.dimensions[1], band.dimensions[0]]
    return answer | {"crs": band.projection.crs, "crs_transform": list(band.projection.transform)[:6]}


def feature_json(feature: Feature) -> dict[str, Any]:
    """GeoJSON, with an id where the feature has one."""
    answer: dict[str, Any] = {
        "type": "Feature",
        "geometry": feature.geometry.to_json() if feature.geometry else None,
        "properties": {key: to_json(value) for key, value in feature.properties.items() if key != "system:index"},
    }
    index = feature.id or feature.properties.get("system:index")
    return answer | ({"id": index} if index is not None else {})


def collection_json(collection: Collection) -> dict[str, Any]:
    """A collection with its elements, at most 5,000."""
    elements = collection.bounded()
    return _described(collection, elements) | {"features": [_inner_json(element) for element in elements]}


def _inner_json(value: Any) -> Any:
    """A value within a list or a collection: collections there come without their elements.

    (Google's samples, ee_featurecollection_flatten.py: "not recursively expanded"; geedim's tests/conftest.py.)
    """
    return _described(value, ()) if isinstance(value, Collection) else to_json(value)


def _described(collection: Collection, elements: Sequence[Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"type": collection.kind}
    if collection.id:
        answer["id"] = collection.id
    if collection.kind == "ImageCollection":
        answer["bands"] = []
    elif elements or collection.columns:
        answer["columns"] = dict(collection.columns)
    if collection.properties:
        answer["properties"] = to_json(dict(collection.properties))
    return answer


def _list_json(items: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Lists in lists may hold one list many times: what they are together is only known while it is written."""
    answer = []
    for position, item in enumerate(items):
        if position % 1024 == 0:
            budget.check()
        answer.append(_inner_json(item))
    return answer


def _number_json(value: float) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _date_json(date: Date) -> dict[str, Any]:
    millis = date.millis
    return {"type": "Date", "value": int(millis) if float(millis).is_integer() else millis}


def _range_json(dates: DateRange) -> dict[str, Any]:
    return {"type": "DateRange", "dates": [_number_json(dates.start), _number_json(dates.end)]}


def _margin_json(margin: ErrorMargin) -> dict[str, Any]:
    answer: dict[str, Any] = {"type": "ErrorMargin", "unit": margin.unit}
    return answer if margin.value is None else answer | {"value": margin.value}


_DESCRIPTIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((type(None), bool, str), lambda value: value),
    ((int, float, np.number), _number_json),
    (Mapping, lambda value: {key: to_json(item) for key, item in value.items()}),
    ((list, tuple), _list_json),
    (np.ndarray, lambda value: to_json(value.tolist())),
    (Array, lambda value: to_json(value.values.tolist())),
    (Image, image_json),
    (Feature, feature_json),
    (Collection, collection_json),
    (Geometry, lambda value: value.to_json()),
    ((Projection, PixelType), lambda value: value.to_json()),
    (Date, _date_json),
    (DateRange, _range_json),
    (ErrorMargin, _margin_json),
)
