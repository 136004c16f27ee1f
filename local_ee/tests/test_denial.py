"""No request freezes the engine: each of these once took a thread, the memory or the whole engine for ever."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ee
import pytest
import requests

from tests.support.served import Served, message, served

SECONDS = 20.0  # far above what a sum takes on a machine at load 15, which must be answered meanwhile
TIMED_OUT, OUT_OF_MEMORY = r"^Computation timed out\.", r"^User memory limit exceeded\.$"
TIME_OR_MEMORY = f"{TIMED_OUT}|{OUT_OF_MEMORY}"  # both are met at about the same second: the processor decides
TOO_LARGE = r"^Computed value is too large\.$"
SLOW_PATTERN = rf"regular expression .* takes more than|{TIMED_OUT}"  # the latter on a busy machine
WORLD = [-180.0, -90.0, 180.0, 90.0]
SQUARE_DEGREE = [0, 0, 1, 1]


@pytest.fixture(scope="module")
def engine(session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The session only initialises the client that builds the graphs."""
    with served(tmp_path_factory.mktemp("denial"), seconds=SECONDS) as running:
        yield running


def doubled(value: Any, times: int) -> Any:
    for _ in range(times):
        value = value.cat(value)
    return value


def deeply_nested(depth: int) -> ee.List:
    value = ee.List.repeat(0, 10)
    for _ in range(depth):
        value = ee.List.repeat(value, 1000)
    return value


def world_reduced(image: ee.Image, scale: float) -> Any:
    region = ee.Geometry.Rectangle(WORLD, None, False)
    return image.reduceRegion(ee.Reducer.mean(), region, scale, maxPixels=1e15)


def twice(depth: int) -> ee.Number:
    """A sum of 2^depth ones, as a graph of `depth` nodes: each is evaluated once."""
    value = ee.Number(1)
    for _ in range(depth):
        value = value.add(value)
    return value


def scattered(count: int) -> list[list[float]]:
    return [[114 + (i * 7919 % 10007) / 10007, 30 + (i * 104729 % 10009) / 10009] for i in range(count)]


def circle(number: ee.ComputedObject) -> ee.Feature:
    return ee.Feature(ee.Geometry.Point([ee.Number(number).mod(180), 0]).buffer(1000))


VALUES: dict[str, tuple[Callable[[], Any], str]] = {
    "a sequence of a thousand million": (lambda: ee.List.sequence(0, 1e9), TOO_LARGE),
    "a sequence by count": (lambda: ee.List.sequence(0, count=10**12), TOO_LARGE),
    "a repetition": (lambda: ee.List.repeat(1, 10**10), TOO_LARGE),
    "a list doubled 28 times": (lambda: doubled(ee.List([1]), 28), TOO_LARGE),
    "a text doubled 31 times": (lambda: doubled(ee.String("a"), 31), TOO_LARGE),
    "lists of one list many times": (lambda: deeply_nested(4), TIME_OR_MEMORY),
    "an iteration over two million": (
        lambda: ee.List.sequence(0, 2e6).iterate(lambda x, last: ee.Number(x).add(last).sin(), 0),
        TIMED_OUT,
    ),
    "the distinct elements of many": (lambda: ee.List.sequence(0, 5e5).distinct().size(), TIMED_OUT),
    "a power tower of whole numbers": (
        lambda: ee.List.sequence(0, 60).iterate(lambda x, last: ee.Number(last).multiply(last), 3),
        r"^$",
    ),
    "a regular expression that backtracks": (lambda: ee.String("a" * 40 + "b").match("(a|aa)+$"), SLOW_PATTERN),
    "a regular expression of many copies": (
        lambda: ee.String("a").match("(?:(?:(?:a?){1000}){1000}){1000}"),
        "regular expression .* is too large",
    ),
    "a band selector that backtracks": (
        lambda: ee.Image(1).rename("a" * 40 + "b").select("(a|aa)+$"),
        SLOW_PATTERN,
    ),
    "a replacement that grows": (
        lambda: doubled(ee.String("a"), 20).replace("a", "b" * 1000, "g"),
        TOO_LARGE,
    ),
    "a kernel of a million": (
        lambda: ee.Image(1).convolve(ee.Kernel.square(10**6)).reduceRegion("mean", ee.Geometry.Point(0, 0), 10),
        "The kernel size exceeds the limit of 512 pixels",
    ),
    "a focal radius of 5000": (
        lambda: ee.Image(1).focalMax(5000).reduceRegion("mean", ee.Geometry.Point(0, 0), 10),
        "The kernel size exceeds the limit of 512 pixels",
    ),
    "focal iterations without end": (
        lambda: ee.Image(1).focalMax(1, iterations=10**18).reduceRegion("mean", ee.Geometry.Point(0, 0), 10),
        "The number of iterations must be at most 100",
    ),
    "pixels of one millimetre": (
        lambda: (
            ee.Image(1)
            .reproject("EPSG:3857", None, 0.001)
            .reduceRegion("mean", ee.Geometry.Rectangle(SQUARE_DEGREE), 1000)
        ),
        "Output of image computation is too large",
    ),
    "neighbours within a thousand pixels": (
        lambda: (
            ee.Image(1)
            .reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square(1000))
            .reduceRegion("mean", ee.Geometry.Point(0, 0), 10)
        ),
        "The kernel size exceeds the limit of 512 pixels",
    ),
    "a sum of itself, 60 deep": (lambda: twice(60), r"^$"),
    "a region at one centimetre": (
        lambda: ee.Image(1).reduceRegion("mean", ee.Geometry.Rectangle([0, 0, 2, 2]), 0.01, maxPixels=1e15),
        r"^Computation timed out\. \d+ pixels cannot be reduced within",
    ),
    "the world's elevation at 30 metres": (
        lambda: world_reduced(ee.Image("USGS/SRTMGL1_003"), 30),
        TIMED_OUT,
    ),
    "the elevation of a country": (
        lambda: ee.Image("USGS/SRTMGL1_003").reduceRegion(
            ee.Reducer.mean(), ee.Geometry.Rectangle([100, 25, 115, 40]), 30, maxPixels=1e13
        ),
        TIMED_OUT,
    ),
    "circles around many points": (
        lambda: ee.Geometry.MultiPoint(scattered(60_000)).buffer(1000).area(),
        r"Geometry has too many edges \(3840000 > 2000000\)",
    ),
    "the union of many circles": (
        lambda: ee.FeatureCollection(ee.List.sequence(0, 40_000).map(circle)).geometry().area(),
        rf"Geometry has too many edges|{TIMED_OUT}",
    ),
    "a band around a tangled line": (
        lambda: ee.Geometry.LineString(scattered(4000)).buffer(1000).area(),
        TIME_OR_MEMORY,
    ),
}


def chain(depth: int) -> dict[str, Any]:
    """A graph of calls, each of which refers to the one before."""
    values: dict[str, Any] = {"0": {"constantValue": 1}}
    for i in range(1, depth):
        arguments = {"left": {"valueReference": str(i - 1)}, "right": {"constantValue": 1}}
        values[str(i)] = {"functionInvocationValue": {"functionName": "Number.add", "arguments": arguments}}
    return {"result": str(depth - 1), "values": values}


def answered_meanwhile(engine: Served, request: Callable[[], requests.Response]) -> requests.Response:
    """A request's reply; every sum that another client asks for until then must be answered too."""
    replies: list[requests.Response] = []
    thread = threading.Thread(target=lambda: replies.append(request()), daemon=True)
    thread.start()
    sums = 0
    while thread.is_alive() or not sums:
        assert engine.compute(ee.Number(1).add(sums), timeout=300).json() == {"result": 1 + sums}
        sums += 1
        thread.join(0.2)
    return replies[0]


# Those that only the deadline or a clock ends, and large requests.
SLOW = {
    "lists of one list many times",
    "an iteration over two million",
    "the distinct elements of many",
    "a regular expression that backtracks",
    "a band selector that backtracks",
    "circles around many points",
    "the union of many circles",
    "a band around a tangled line",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in VALUES]
)
def test_a_value_without_end_is_refused_and_others_are_served(engine, name):
    make, words = VALUES[name]
    reply = answered_meanwhile(engine, lambda: engine.compute(make()))
    assert re.search(words, message(reply)), message(reply)


def test_a_deep_graph_is_refused(engine):
    url = f"{engine.url}/v1/projects/local/value:compute"
    reply = answered_meanwhile(engine, lambda: requests.post(url, json={"expression": chain(10_000)}, timeout=300))
    assert message(reply) == "Expression nesting depth exceeded: build it from fewer nested calls."


def test_a_deep_image_is_refused_when_its_pixels_are_read(engine):
    """The graph is a short iteration; the image that it gives is not."""
    image = ee.Image(ee.List.sequence(1, 2000).iterate(lambda _, last: ee.Image(last).add(1), ee.Image(0)))
    reply = engine.compute(image.reduceRegion("mean", ee.Geometry.Point(0, 0), 10))
    assert message(reply) == "Expression nesting depth exceeded: build it from fewer nested calls."


def test_deep_json_is_refused(engine):
    body = b'{"expression":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    url = f"{engine.url}/v1/projects/local/value:compute"
    reply = requests.post(url, data=body, headers={"content-type": "application/json"}, timeout=300)
    assert message(reply) == "Invalid JSON payload received: it is nested too deeply."
