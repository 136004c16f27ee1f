"""Earth Engine's limits and the words in which it refuses what goes beyond them.

Sources: https://developers.google.com/earth-engine/guides/usage (quotas),
https://developers.google.com/earth-engine/reference/rest/v1/projects.image/computePixels (pixels);
wording as seen in google/Xee#50 (bytes), google/Xee#85 (dimensions), gee-community/geemap#1013 (payload).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from local_ee.budget import MEMORY_BYTES
from local_ee.errors import EngineError

# https://developers.google.com/earth-engine/reference/rest/v1/projects.image/computePixels
REQUEST_BYTES = 48 * 2**20
GRID_SIDE_PX = 32_768
REQUEST_BANDS = 1024
MASK_BYTES = 1  # per band and pixel, counted on top of the values (google/Xee#209)
# https://developers.google.com/earth-engine/guides/usage
PAYLOAD_BYTES = 10 * 2**20
QUEUED_TASKS = 3_000
CONCURRENT_REQUESTS = 40
CONCURRENT_EXPORTS = 2  # batch tasks on average
# https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export
EXPORT_PIXELS = 100_000_000
EXPORT_FILE_BYTES = 16 * 2**30  # as seen in mapbiomas-brazil/user-toolkit#16
# https://developers.google.com/earth-engine/reference/rest/v1/projects.videoThumbnails/create
ANIMATION_PIXELS = 512 * 512 * 100  # of all images together; of filmstrips too
# https://developers.google.com/earth-engine/guides/processing_environments
COMPUTATION_SECONDS = 300.0  # of an interactive request; an export has no deadline here
SECONDS_VARIABLE = "ISAMAP_ENGINE_SECONDS"  # another number of them, or none


@dataclass(frozen=True)
class Limits:
    """The limits one engine enforces; Earth Engine's unless said otherwise."""

    request_bytes: int = REQUEST_BYTES
    grid_side_px: int = GRID_SIDE_PX
    request_bands: int = REQUEST_BANDS
    payload_bytes: int = PAYLOAD_BYTES
    queued_tasks: int = QUEUED_TASKS
    concurrent_requests: int = CONCURRENT_REQUESTS
    computation_seconds: float = COMPUTATION_SECONDS
    animation_pixels: int = ANIMATION_PIXELS
    memory_bytes: int = MEMORY_BYTES  # of one computation; Google's own number is not published

    @classmethod
    def of_environment(cls) -> Limits:
        """The limits with the time of a computation that ISAMAP_ENGINE_SECONDS names: seconds, or none."""
        text = os.environ.get(SECONDS_VARIABLE, "").strip()
        if not text:
            return cls()
        try:
            seconds = math.inf if text == "none" else float(text)
        except ValueError:
            seconds = math.nan
        if not seconds > 0:
            raise ValueError(f"{SECONDS_VARIABLE}={text}: expected a number of seconds above 0, or none")
        return cls(computation_seconds=seconds)

    def check_payload(self, size: int) -> None:
        """EngineError for a request body above the limit."""
        if size > self.payload_bytes:
            raise EngineError(f"Request payload size exceeds the limit: {self.payload_bytes} bytes.")

    def check_grid(self, width: int, height: int) -> None:
        """EngineError for a side above the limit; also where a side holds no pixel."""
        if width < 1 or height < 1:
            raise EngineError(f"Pixel grid dimensions ({width}x{height}) must be positive.")
        if max(width, height) > self.grid_side_px:
            raise EngineError(
                f"Pixel grid dimensions ({width}x{height}) must be less than or equal to {self.grid_side_px}."
            )

    def check_request(self, width: int, height: int, dtypes: Sequence[str]) -> None:
        """EngineError where a request of pixels is too large: its sides, its bands, its bytes."""
        self.check_grid(width, height)
        if len(dtypes) > self.request_bands:
            raise EngineError(
                f"Too many bands: {len(dtypes)} requested, must be less than or equal to {self.request_bands}."
            )
        size = request_bytes(width, height, dtypes)
        if size > self.request_bytes:
            raise EngineError(
                f"Total request size ({size} bytes) must be less than or equal to {self.request_bytes} bytes."
            )

    def check_animation(self, frames: int, width: int, height: int) -> None:
        """EngineError where the images of a video or filmstrip have too many pixels together."""
        self.check_grid(width, height)
        pixels = frames * width * height
        if pixels > self.animation_pixels:
            raise EngineError(
                f"{frames} images of {width}x{height} are {pixels} pixels, must be less than or equal to "
                f"{self.animation_pixels}: ask for smaller dimensions or fewer images."
            )

    def check_queue(self, waiting: int) -> None:
        """EngineError (429) where another task would overfill the queue."""
        if waiting >= self.queued_tasks:
            raise EngineError(
                f"Too many tasks already in the queue ({self.queued_tasks}). Please wait for some of them to complete.",
                status=429,
                reason="RESOURCE_EXHAUSTED",
            )

    def check_concurrency(self, running: int) -> None:
        """EngineError (429) where one more request would be too many at once."""
        if running >= self.concurrent_requests:
            raise EngineError(
                f"Too Many Requests: at most {self.concurrent_requests} requests may run at once.",
                status=429,
                reason="RESOURCE_EXHAUSTED",
            )


def request_bytes(width: int, height: int, dtypes: Sequence[str]) -> int:
    """What Earth Engine counts for a request: values and one mask byte per band and pixel."""
    return width * height * sum(np.dtype(dtype).itemsize + MASK_BYTES for dtype in dtypes)
