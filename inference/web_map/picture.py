"""The pixels of a page as PNG: stored values byte for byte, a palette for whoever takes the picture out."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.legend import PROB_STEPS

COARSE_STEPS = 20  # of 5 %
# Some ten kB, and as wide as a phone.
PREVIEW_PX = 420


def class_png(class_HW: np.ndarray, colours: Sequence[str]) -> bytes:
    """Classes with their colours; not known is clear."""
    picture = Image.fromarray(class_HW, "P")
    palette = bytearray(b"\xff" * 768)
    for value, colour in enumerate(colours):
        palette[3 * value : 3 * value + 3] = bytes.fromhex(colour)
    picture.putpalette(bytes(palette))
    return _encoded(picture, transparency=UNKNOWN, bits=8)


def probability_png(share_HW: np.ndarray, steps: int) -> bytes:
    """Probabilities as steps of 1 / steps in grey; UNKNOWN stays."""
    coarse = np.arange(256)
    # Values beyond the steps stay: UNKNOWN is one of them.
    coarse[: PROB_STEPS + 1] = np.rint(coarse[: PROB_STEPS + 1] * steps / PROB_STEPS)
    return _encoded(Image.fromarray(coarse.astype(np.uint8)[share_HW], "L"))


def preview_png(class_HW: np.ndarray, colours: Sequence[str]) -> bytes:
    """The classes so small that they are seen where scripts are switched off."""
    step = -(-max(class_HW.shape) // PREVIEW_PX)
    return class_png(np.ascontiguousarray(class_HW[::step, ::step]), colours)


def _encoded(picture: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    # The usual level, named: a new default of Pillow must not change the bytes.
    picture.save(buffer, format="PNG", compress_level=6, **options)
    return buffer.getvalue()
