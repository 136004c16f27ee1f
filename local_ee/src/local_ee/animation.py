"""The images of a collection as one picture: an animated GIF, or a filmstrip of images side by side.

Source: https://developers.google.com/earth-engine/guides/ic_visualization.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import numpy as np

from local_ee import encode
from local_ee.errors import EngineError
from local_ee.raster.pixels import Pixels

ORIENTATIONS = {"ORIENTATION_UNSPECIFIED": 1, "HORIZONTAL": 2, "VERTICAL": 1}  # the axis of [band, row, column]
MOST_COLOURS = 256  # of a GIF's frame


def gif(frames: Iterable[Pixels], frames_per_second: float) -> bytes:
    """An animated GIF that repeats for ever: one frame of at most 256 colours for each image of three bands.

    Masked pixels are black, and other masks have no effect (guides/ic_visualization). A frame lasts whole hundredths of
    a second. Assumption: where a frame has more colours, the nearest of 256 of its own are shown, without dithering.
    Equal images in a row are one frame that lasts longer.
    """
    from PIL import Image as Picture

    shown = [Picture.fromarray(_black_where_masked(*_colours(pixels)).transpose(1, 2, 0)) for pixels in frames]
    first, *others = [picture.quantize(MOST_COLOURS, dither=Picture.Dither.NONE) for picture in shown]
    content = io.BytesIO()
    first.save(
        content,
        format="GIF",
        save_all=True,
        append_images=others,
        duration=max(round(100 / frames_per_second), 1) * 10,
        loop=0,
        disposal=1,
    )
    return content.getvalue()


def filmstrip(frames: Iterable[Pixels], orientation: str, driver: str) -> bytes:
    """A PNG or JPEG of all images in their order, from top to bottom or from left to right (HORIZONTAL).

    Masked pixels are black; a PNG is as opaque as they are, so that the opacity of `visualize` is kept
    (guides/ic_visualization).
    """
    axis = ORIENTATIONS[orientation]
    shown = [encode.shown(pixels) for pixels in frames]
    rgb = np.concatenate([_black_where_masked(rgb, alpha) for rgb, alpha in shown], axis)
    return encode.painted(driver, rgb, np.concatenate([alpha for _, alpha in shown], axis - 1))


def check_orientation(orientation: str) -> str:
    """The orientation; EngineError for one that Earth Engine does not name."""
    if orientation not in ORIENTATIONS:
        raise EngineError(f"Invalid orientation '{orientation}': expected one of {', '.join(ORIENTATIONS)}.")
    return orientation


def check_colours(band_names: Sequence[str]) -> None:
    """EngineError where an image of a video is not in colour (guides/ic_visualization)."""
    if len(band_names) < 3:
        raise EngineError(
            f"Videos can only be created of RGB or RGBA images: an image has the bands [{', '.join(band_names)}]. "
            "Give three bands, a palette or forceRgbOutput, or map `visualize` over the collection."
        )


def _colours(pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    return encode.shown(pixels.pick((0, 1, 2)))


def _black_where_masked(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.where(alpha == 0, np.uint8(0), rgb)
