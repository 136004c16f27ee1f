"""The REST methods of pictures of collections: video thumbnails (animated GIFs) and filmstrips.

Reference: https://developers.google.com/earth-engine/reference/rest/v1/projects.videoThumbnails and
.../projects.filmstripThumbnails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from local_ee import animation, encode
from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection
from local_ee.limits import Limits
from local_ee.request import PixelRequest, chosen_bands, geobox_of
from local_ee.rest.remembered import Remembered
from local_ee.wire import Call, Params, Reply, Route

# reference/rest/v1/projects.locations.videoThumbnails, VideoOptions
FRAMES_PER_SECOND = 5.0
SLOWEST, FASTEST = 0.1, 120.0
FRAMES = 1000
PIXELS_PER_FRAME = 100_000_000
GIF = "GIF"
PICTURES = ("PNG", "JPEG", "AUTO_JPEG_PNG")


class AnimationRoutes:
    """Answers over the images of computed collections."""

    def __init__(self, evaluate: Callable[[Any], Collection], limits: Limits) -> None:
        self._evaluate = evaluate
        self._limits = limits
        self._remembered = Remembered()

    @property
    def routes(self) -> tuple[Route, ...]:
        videos, strips = "projects/{project}/videoThumbnails", "projects/{project}/filmstripThumbnails"
        return (
            Route("POST", videos, self._create_video, lane="values"),
            Route("GET", f"{videos}/{{name}}:getPixels", self._video, lane="pixels"),
            Route("POST", strips, self._create_strip, lane="values"),
            Route("GET", f"{strips}/{{name}}:getPixels", self._strip, lane="pixels"),
        )

    def _create_video(self, call: Call, params: Params) -> Reply:
        body = call.json()
        file_format = str(body.get("fileFormat") or GIF)
        if file_format != GIF:
            raise EngineError(f"Unsupported video format '{file_format}': expected GIF.")
        frames_per_second(body)
        self._video_frames(body)
        return self._remembered.name(f"projects/{params['project']}/videoThumbnails", body)

    def _video(self, call: Call, params: Params) -> Reply:
        body = self._remembered.body(params["name"])
        pixels = (frame.read() for frame in self._video_frames(body))
        return Reply(200, animation.gif(pixels, frames_per_second(body)), {"content-type": "image/gif"})

    def _create_strip(self, call: Call, params: Params) -> Reply:
        body = call.json()
        if _file_format(body) not in PICTURES:
            raise EngineError(f"Unsupported file format '{_file_format(body)}': expected one of {', '.join(PICTURES)}.")
        animation.check_orientation(_orientation(body))
        self._frames(body, FRAMES, PIXELS_PER_FRAME)
        return self._remembered.name(f"projects/{params['project']}/filmstripThumbnails", body)

    def _strip(self, call: Call, params: Params) -> Reply:
        body = self._remembered.body(params["name"])
        pixels = (frame.read() for frame in self._frames(body, FRAMES, PIXELS_PER_FRAME))
        driver = "JPEG" if _file_format(body) == "JPEG" else "PNG"
        content = animation.filmstrip(pixels, _orientation(body), driver)
        return Reply(200, content, {"content-type": encode.CONTENT_TYPES[driver]})

    def _video_frames(self, body: Mapping[str, Any]) -> list[PixelRequest]:
        options = _options(body)
        frames = self._frames(
            body,
            _whole(options, "maxFrames", FRAMES),
            _whole(options, "maxPixelsPerFrame", PIXELS_PER_FRAME),
        )
        for frame in frames:
            animation.check_colours(frame.band_names)
        return frames

    def _frames(self, body: Mapping[str, Any], most_frames: int, most_pixels: int) -> list[PixelRequest]:
        """A request of pixels for each image.

        Assumption (not documented): without a grid or a region, all images are shown on the grid of the first.
        """
        collection = self._evaluate(body.get("expression"))
        if not collection.head(1):
            raise EngineError("The collection has no images to show: check its filters.")
        if len(collection.head(most_frames + 1)) > most_frames:
            raise EngineError(f"The collection has more than {most_frames} images to show: limit or filter it.")
        images = collection.images
        geobox = geobox_of(body.get("grid"), images[0], self._limits) if images[0].bands else None
        if geobox is None:
            raise EngineError("The first image of the collection has no bands to show.")
        frames = [PixelRequest(image, geobox, chosen_bands(image, None)) for image in images]
        height, width = geobox.shape
        if height * width > most_pixels:
            raise EngineError(f"A frame of {width}x{height} pixels is larger than maxPixelsPerFrame ({most_pixels}).")
        self._limits.check_animation(len(frames), width, height)
        return frames


def frames_per_second(body: Mapping[str, Any]) -> float:
    """The speed that a request of a video asks for; EngineError where it is not from 0.1 to 120."""
    rate = _options(body).get("framesPerSecond")
    try:
        speed = FRAMES_PER_SECOND if rate is None else float(rate)
    except (TypeError, ValueError):
        speed = math.nan
    if not SLOWEST <= speed <= FASTEST:
        raise EngineError(f"framesPerSecond is {rate!r}: expected a number from {SLOWEST:g} to {FASTEST:g}.")
    return speed


def _options(body: Mapping[str, Any]) -> Mapping[str, Any]:
    options = body.get("videoOptions") or {}
    if not isinstance(options, Mapping):
        raise EngineError(f"videoOptions is {options!r}: expected an object.")
    return options


def _whole(options: Mapping[str, Any], key: str, default: int) -> int:
    option = options.get(key)
    option = option.get("value") if isinstance(option, Mapping) else option  # the client wraps whole numbers
    try:
        pixels = default if option is None else int(option)
    except (TypeError, ValueError):
        pixels = 0
    if pixels < 1:
        raise EngineError(f"{key} is {option!r}: expected a whole number from 1.")
    return pixels


def _file_format(body: Mapping[str, Any]) -> str:
    return str(body.get("fileFormat") or "AUTO_JPEG_PNG")


def _orientation(body: Mapping[str, Any]) -> str:
    return str(body.get("orientation") or "VERTICAL")
