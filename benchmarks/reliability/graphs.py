"""Random requests for an engine: calls of every algorithm with fitting and unfitting arguments, and broken JSON."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from local_ee.evaluation import registry
from local_ee.evaluation.signatures import Signature, signatures

UNFITTING, LEFT_OUT, COMPUTED, DEEPEST = 0.15, 0.4, 0.35, 3
ROUTES = ("value:compute", "image:computePixels", "thumbnails", "maps")
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 255, 2**31, 2**63, -(2**63), 10**18, 1e308, -1e-308, 0.5, float("nan")),
    *("", "a", "0", "é\u0000\ud83d", "a" * 5000, "EPSG:4326", "EPSG:0", "2019-06-01", "2019-99-99", "x.*", "B2"),
    *([], [None], [1, "a"], [[1, 2], [3]], list(range(300)), {}, {"a": 1}, {"type": "Point", "coordinates": []}),
)
NUMBERS = (0, 1, 2, 3, 7, -1, 0.5, 100, 1e6, 1e18, 1e308)
WORDS = ("a", "B2", "constant", "EPSG:32650", "2019-06-01", "mean", "system:index", "%Y", "day", "a.*", "")


@dataclass(frozen=True)
class Question:
    """A request: the last part of its route's path, and its body."""

    route: str
    body: bytes


def question(index: int, seed: int) -> Question:
    """The request of an index: the same for the same seed."""
    chance = random.Random(f"{seed}/fuzz/{index}")
    names = registry.names()
    name = names[index % len(names)]
    graph = call(name, chance, 0)
    is_image = signatures()[name].returns == "Image" and chance.random() < 0.6
    route = chance.choice(ROUTES[1:]) if is_image else ROUTES[0]
    return Question(route, _body(route, graph, chance))


def call(name: str, chance: random.Random, depth: int) -> dict[str, Any]:
    """A node that calls an algorithm."""
    arguments = {}
    for parameter in signatures()[name].parameters:
        if parameter.required or chance.random() > LEFT_OUT:
            arguments[parameter.name] = argument(parameter.type, chance, depth + 1)
    if chance.random() < 0.01:
        arguments["no_such_argument"] = constant(1)
    return _invoked(name, arguments)


def argument(type_name: str, chance: random.Random, depth: int) -> dict[str, Any]:
    """A node of about that type."""
    if chance.random() < UNFITTING:
        return constant(chance.choice(ODD))
    base = type_name.partition("<")[0]
    makers = _returning().get(base)
    if makers and depth < DEEPEST and chance.random() < COMPUTED:
        return call(chance.choice(makers).name, chance, depth)
    return _simple(base, chance)


def constant(value: Any) -> dict[str, Any]:
    return {"constantValue": value}


def _invoked(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"functionInvocationValue": {"functionName": name, "arguments": dict(arguments)}}


@cache
def _returning() -> Mapping[str, list[Signature]]:
    by_type: dict[str, list[Signature]] = defaultdict(list)
    for name in registry.names():
        signature = signatures()[name]
        by_type[signature.returns.partition("<")[0]].append(signature)
    return by_type


def _simple(base: str, chance: random.Random) -> dict[str, Any]:
    """A node of a type without anything computed from other things."""
    number_node, word = constant(chance.choice(NUMBERS)), constant(chance.choice(WORDS))
    if base in ("Number", "Integer", "Float", "Long", "Short", "Byte", "Double"):
        return number_node
    if base in ("String", "Boolean"):
        return word if base == "String" else constant(chance.random() < 0.5)
    if base == "List":
        return {"arrayValue": {"values": [chance.choice((number_node, word, _image(chance))) for _ in range(3)]}}
    if base == "Dictionary":
        return {"dictionaryValue": {"values": {"a": number_node, "b": word}}}
    if base == "Algorithm":
        body = chance.choice((constant(1), {"argumentReference": "x"}, call("Number.add", chance, DEEPEST)))
        return {"functionDefinitionValue": {"argumentNames": ["x"], "body": body}}
    return _element(base, chance, number_node, word)


def _element(base: str, chance: random.Random, number_node: dict[str, Any], word: dict[str, Any]) -> dict[str, Any]:
    coordinates = [round(chance.uniform(113, 115), 3), round(chance.uniform(30, 31), 3)]
    point = _invoked("GeometryConstructors.Point", {"coordinates": constant(coordinates)})
    feature = _invoked("Feature", {"geometry": point, "metadata": constant({"a": 1})})
    image = _image(chance)
    nodes = {
        "Image": image,
        "ImageCollection": _invoked("ImageCollection.fromImages", {"images": {"arrayValue": {"values": [image]}}}),
        "Geometry": point,
        "Feature": feature,
        "Element": chance.choice((image, feature)),
        "FeatureCollection": _invoked("Collection", {"features": {"arrayValue": {"values": [feature]}}}),
        "Date": _invoked("Date", {"value": constant(1_560_000_000_000)}),
        "DateRange": _invoked("DateRange", {"start": constant("2019-06-01"), "end": constant("2019-07-01")}),
        "Kernel": _invoked("Kernel.square", {"radius": constant(chance.choice((1, 2, 1.5)))}),
        "Reducer": _invoked(f"Reducer.{chance.choice(('mean', 'median', 'count', 'max', 'mode'))}", {}),
        "Filter": _invoked("Filter.equals", {"leftField": constant("a"), "rightValue": number_node}),
        "Projection": _invoked("Projection", {"crs": constant(chance.choice(("EPSG:4326", "EPSG:32650")))}),
    }
    return nodes.get(base, chance.choice((number_node, word)))


def _image(chance: random.Random) -> dict[str, Any]:
    return _invoked("Image.constant", {"value": constant(chance.choice(NUMBERS))})


def _body(route: str, graph: dict[str, Any], chance: random.Random) -> bytes:
    document: dict[str, Any] = {"expression": {"result": "0", "values": {"0": graph}}}
    if route != "value:compute":
        document["fileFormat"] = chance.choice(("NPY", "GEO_TIFF", "PNG", "AUTO_JPEG_PNG", "NONSENSE"))
        document["grid"] = _grid(chance)
    damage = chance.random()
    if damage < 0.05:
        _replace_a_node(document, chance)
    content = json.dumps(document).encode()
    return _damaged(content, chance) if 0.05 <= damage < 0.1 else content


def _grid(chance: random.Random) -> dict[str, Any]:
    side = chance.choice((1, 8, 33))
    steps = {"scaleX": 10, "shearX": 0, "translateX": 240_000, "shearY": 0, "scaleY": -10, "translateY": 3_380_000}
    grid = {"dimensions": {"width": side, "height": side}, "affineTransform": steps, "crsCode": "EPSG:32650"}
    if chance.random() < 0.2:
        _replace_a_node(grid, chance)
    return grid


def _replace_a_node(document: Any, chance: random.Random) -> None:
    """Puts something odd in a random place of a JSON document."""
    while True:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        key = chance.choice(keys)
        inner = document[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
            document[key] = chance.choice(ODD)
            return
        document = inner


def _damaged(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    kinds = (content[:at], content[:at] + chance.randbytes(4) + content[at:], content[:at] + content[at + 1 :], b"[1]")
    return chance.choice(kinds)
