"""Earth Engine's REST API on the engine: values, pixels, thumbnails and map tiles.

Reference: https://developers.google.com/earth-engine/reference/rest/v1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from local_ee import encode
from local_ee.assets.store import canonical
from local_ee.catalog import Catalog
from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection
from local_ee.evaluation.values import Image
from local_ee.limits import CONCURRENT_EXPORTS, Limits
from local_ee.raster.pixels import Pixels
from local_ee.raster.web_tile import tile_geobox
from local_ee.request import PixelRequest, chosen_bands, pixel_request
from local_ee.rest import discovery
from local_ee.rest.remembered import Remembered
from local_ee.wire import Call, Params, Reply, Route

if TYPE_CHECKING:
    from local_ee.learning.classifier import Classifier

PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")  # what a header may hold as it is


class ComputeApi:
    """The routes that compute."""

    def __init__(self, catalog: Catalog, limits: Limits) -> None:
        self._catalog = catalog
        self._limits = limits
        self._remembered = Remembered()

    @property
    def routes(self) -> tuple[Route, ...]:
        project = "projects/{project}"
        return (
            Route("GET", f"{project}/algorithms", _algorithms),
            Route("GET", f"{project}/config", _config),
            Route("PATCH", f"{project}/config", _config),
            Route("POST", f"{project}/value:compute", self._value, lane="values"),
            Route("POST", f"{project}/image:computePixels", self._compute_pixels, lane="pixels"),
            Route("POST", f"{project}/assets/{{asset:path}}:getPixels", self._get_pixels, lane="pixels"),
            Route("POST", f"{project}/thumbnails", self._create_thumbnail, lane="values"),
            Route("GET", f"{project}/thumbnails/{{name}}:getPixels", self._thumbnail_pixels, lane="pixels"),
            Route("POST", f"{project}/maps", self._create_map, lane="values"),
            Route("GET", f"{project}/maps/{{name}}/tiles/{{zoom:int}}/{{x:int}}/{{y:int}}", self._tile, lane="pixels"),
        )

    def evaluate_image(self, expression: Any) -> Image:
        """The image of an expression; EngineError where it is something else."""
        value = self._evaluate(expression)
        if not isinstance(value, Image):
            raise EngineError("The expression does not compute an Image.")
        return value

    def evaluate_classifier(self, expression: Any) -> Classifier:
        """The classifier of an expression; EngineError where it is something else."""
        from local_ee.learning.classifier import Classifier

        value = self._evaluate(expression)
        if not isinstance(value, Classifier):
            raise EngineError("The expression does not compute a Classifier.")
        return value

    def evaluate_images(self, expression: Any) -> Collection:
        """The image collection of an expression; EngineError where it is something else."""
        value = self._evaluate(expression)
        if not isinstance(value, Collection) or value.kind != "ImageCollection":
            raise EngineError("The expression does not compute an ImageCollection.")
        return value

    def evaluate_table(self, expression: Any) -> Collection:
        """The collection of an expression; EngineError where it is something else."""
        value = self._evaluate(expression)
        if not isinstance(value, Collection):
            raise EngineError("The expression does not compute a FeatureCollection.")
        return value

    def _value(self, call: Call, params: Params) -> Reply:
        from local_ee.evaluation import graph

        return Reply.of({"result": finite(graph.to_json(self._evaluate(call.json().get("expression"))))})

    def _evaluate(self, expression: Any) -> Any:
        from local_ee.evaluation import graph  # with the first graph: the algorithms take a while to load

        return graph.evaluate(_expression(expression), self._catalog)

    def _compute_pixels(self, call: Call, params: Params) -> Reply:
        body = call.json()
        return self._pixels(self.evaluate_image(body.get("expression")), body)

    def _get_pixels(self, call: Call, params: Params) -> Reply:
        asset = canonical(f"projects/{params['project']}/assets/{params['asset']}")
        return self._pixels(self.evaluate_image(load_expression(asset)), call.json())

    def _pixels(self, image: Image, body: Mapping[str, Any]) -> Reply:
        if _is_empty(body.get("grid")) and _file_format(body) == "NPY":
            return _no_pixels(image, chosen_bands(image, body.get("bandIds")))
        return _file(pixel_request(image, body, self._limits), body)

    def _create_thumbnail(self, call: Call, params: Params) -> Reply:
        body = call.json()
        encode.check_format(_file_format(body), of_thumbnail=True)
        chosen_bands(self.evaluate_image(body.get("expression")), body.get("bandIds"))
        return self._remembered.name(f"projects/{params['project']}/thumbnails", body)

    def _thumbnail_pixels(self, call: Call, params: Params) -> Reply:
        body = self._remembered.body(params["name"])
        request = pixel_request(self.evaluate_image(body.get("expression")), {**body, "grid": None}, self._limits)
        file_format = _file_format(body)
        if file_format not in encode.ZIPPED:
            return _file(request, body)
        prefix = str(body.get("filenamePrefix") or "download")
        content = encode.zipped(file_format, prefix, request.geobox, request.band_names, request.read())
        named = {"content-disposition": f'attachment; filename="{prefix}.zip"'} if PLAIN_NAME.fullmatch(prefix) else {}
        return Reply(200, content, {"content-type": "application/zip", **named})

    def _create_map(self, call: Call, params: Params) -> Reply:
        body = call.json()
        chosen_bands(self.evaluate_image(body.get("expression")), body.get("bandIds"))
        return self._remembered.name(f"projects/{params['project']}/maps", body)

    def _tile(self, call: Call, params: Params) -> Reply:
        body = self._remembered.body(params["name"])
        image = self.evaluate_image(body.get("expression"))
        geobox = tile_geobox(int(params["zoom"]), int(params["x"]), int(params["y"]))
        reply = _file(PixelRequest(image, geobox, chosen_bands(image, body.get("bandIds"))), body)
        return replace(reply, headers={**reply.headers, "access-control-allow-origin": "*"})


def load_expression(image_id: str) -> dict[str, Any]:
    """The graph of ee.Image(image_id)."""
    load = {"functionName": "Image.load", "arguments": {"id": {"constantValue": image_id}}}
    return {"result": "0", "values": {"0": {"functionInvocationValue": load}}}


def finite(value: Any) -> Any:
    """The value with numbers that JSON lacks as the words protocol buffers use (NaN, Infinity, -Infinity)."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def _file(request: PixelRequest, body: Mapping[str, Any]) -> Reply:
    file_format = encode.check_format(_file_format(body))
    content, content_type = encode.encode(
        file_format, request.geobox, request.band_names, request.read(), body.get("visualizationOptions")
    )
    return Reply(200, content, {"content-type": content_type})


def _is_empty(grid: Mapping[str, Any] | None) -> bool:
    """Whether a grid asks for 0 x 0 pixels.

    Assumption (not documented): Google answers an array of them. Xee's test__to_array__retries_on_error, which asks for
    one, tells only that there is an answer. A picture or a GeoTIFF without pixels cannot be written.
    """
    dimensions = (grid or {}).get("dimensions")
    return isinstance(dimensions, Mapping) and (dimensions.get("width"), dimensions.get("height")) == (0, 0)


def _no_pixels(image: Image, names: tuple[str, ...]) -> Reply:
    values = tuple(np.zeros((0, 0), image.bands[i].type.dtype) for i in image.positions(names))
    content = encode.npy(names, Pixels(values, tuple(np.ones((0, 0), bool) for _ in names)))
    return Reply(200, content, {"content-type": encode.CONTENT_TYPES["NPY"]})


def _file_format(body: Mapping[str, Any]) -> str:
    return str(body.get("fileFormat") or "AUTO_JPEG_PNG")


def _expression(expression: Any) -> Mapping[str, Any]:
    if not isinstance(expression, Mapping) or "values" not in expression or "result" not in expression:
        raise EngineError("The request has no expression with a result and values.")
    return expression


def _algorithms(call: Call, params: Params) -> Reply:
    return Reply(200, _algorithms_json(), {"content-type": "application/json; charset=UTF-8"})


@cache
def _algorithms_json() -> bytes:
    return json.dumps(discovery.algorithms()).encode()


def _config(call: Call, params: Params) -> Reply:
    """https://developers.google.com/earth-engine/reference/rest/v1/ProjectConfig."""
    return Reply.of(
        {
            "name": f"projects/{params['project']}/config",
            "maxConcurrentExports": CONCURRENT_EXPORTS,
            "registrationState": "REGISTERED_NOT_COMMERCIALLY",
        }
    )
