"""Pictures of validation patches: optical, SAR, label and prediction side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isamap.gee_export.base.atomic import write_whole
from isamap.training.models.output import is_sar

PERVIOUS_RGB, IMPERVIOUS_RGB, UNKNOWN_RGB = (226, 236, 218), (178, 34, 52), (128, 128, 128)
CLASS_RGB = {
    "pervious": PERVIOUS_RGB,
    "impervious": IMPERVIOUS_RGB,
    "cropland": (233, 207, 124),
    "woodland": (47, 125, 74),
    "grassland": (156, 204, 116),
    "water": (63, 127, 191),
    "bare": (201, 182, 154),
    "snow_ice": (238, 246, 251),
}
GAP_PX = 4
MOST_PX = 512  # larger tiles are thinned: four of them a picture, one picture an epoch


def panel(
    images_BCHW: np.ndarray,
    labels_BHW: np.ndarray,
    predicted_BHW: np.ndarray,
    *,
    bands: Sequence[str],
    classes: Sequence[str] = ("pervious", "impervious"),
) -> np.ndarray:
    """One row a patch (uint8, rows, columns, 3): optical, SAR where there is any, label, prediction.

    images: standardised values, so that 0 is the mean; shown from 2 standard deviations below it to 2 above; of
    several dates (batch, dates, bands, rows, columns) their mean. Images are enlarged to the size of finer
    labels; of tiles larger than MOST_PX only every second (third, ...) pixel is shown.
    """
    images_BCHW = images_BCHW.mean(axis=1) if images_BCHW.ndim == 5 else images_BCHW
    colours = np.full((256, 3), UNKNOWN_RGB, dtype=np.uint8)
    colours[: len(classes)] = [CLASS_RGB[name] for name in classes]
    step = -(-labels_BHW.shape[-1] // MOST_PX)
    rows = [
        _row([view[::step, ::step] for view in (*_views(image, bands, label), colours[label], colours[predicted])])
        for image, label, predicted in zip(images_BCHW, labels_BHW, predicted_BHW, strict=True)
    ]
    return _row([row.transpose(1, 0, 2) for row in rows]).transpose(1, 0, 2)


def save_png(path: Path, picture_HWC: np.ndarray) -> None:
    """Write the picture whole or not at all."""
    from matplotlib.image import imsave

    encoded = io.BytesIO()
    imsave(encoded, picture_HWC, format="png")
    write_whole(path, encoded.getvalue())


def _views(image_CHW: np.ndarray, bands: Sequence[str], like_HW: np.ndarray) -> list[np.ndarray]:
    """True colour if its bands are there, else the first optical band; VV or the first SAR band; sized as the label."""
    optical = [i for i, name in enumerate(bands) if not is_sar(name)]
    sar = [i for i, name in enumerate(bands) if is_sar(name)]
    names = list(bands)
    colour = [names.index(name) for name in ("B4", "B3", "B2")] if {"B4", "B3", "B2"} <= set(names) else optical[:1]
    return [_enlarged(_stretched(image_CHW[channels]), like_HW) for channels in (colour, sar[:1]) if channels]


def _stretched(values_CHW: np.ndarray) -> np.ndarray:
    grey = (np.clip((values_CHW + 2) / 4, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.broadcast_to(grey, (*grey.shape[:2], 3))


def _enlarged(view_HWC: np.ndarray, like_HW: np.ndarray) -> np.ndarray:
    """The picture with each pixel repeated to the label's size."""
    ratio = like_HW.shape[0] // view_HWC.shape[0]
    return view_HWC.repeat(ratio, axis=0).repeat(ratio, axis=1)


def _row(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of equal height beside each other with a white gap."""
    gap = np.full((parts[0].shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    return np.concatenate([piece for picture in parts for piece in (picture, gap)][:-1], axis=1)
