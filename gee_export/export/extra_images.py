"""What patches show instead of Sentinel's composite, or beside it: a foreign image, a finer one, dated frames."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import ground_step_m
from isamap.gee_export.datasets.index import Patch
from isamap.gee_export.datasets.manifest import LEAST_SHOWN, NODATA, Band, DatasetManifest, StoredLayer
from isamap.gee_export.datasets.sample import LABEL
from isamap.gee_export.export.blocks import Observed
from isamap.gee_export.export.layers import SHARES, Layer, fused, quantised
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.images.external_image import ExternalImage
from isamap.gee_export.images.frames import Frames
from isamap.gee_export.images.image_file import FileOnGrid
from isamap.gee_export.labelling.label_request import LabelRequest
from isamap.gee_export.labelling.minimum_unit import generalised
from isamap.gee_export.requests.channel import Channel

LEAST = "minimum_unit_m2"  # of the finer labels
FOREIGN = "image"  # a manifest's product that is no satellite's composite


@dataclass(frozen=True)
class FineImage:
    """A finer image of the same ground: `ratio` of its pixels lie along each of the patch's, and so do its labels.

    least_m2: the smallest unit of the labels, 0 for all.
    """

    image: ExternalImage
    label_request: LabelRequest
    ratio: int
    least_m2: float = 0.0


@dataclass(frozen=True)
class ExtraImages:
    """image: takes the place of Sentinel's composite; fine and frames stand beside it.

    composite_asset: the collection of `isamap composite` that the composite is read from.
    """

    image: ExternalImage | None = None
    fine: FineImage | None = None
    frames: Frames | None = None
    composite_asset: str | None = None

    def __post_init__(self) -> None:
        if self.image is not None and self.frames is not None:
            raise ValueError("--frames are dates of Sentinel's composite: leave out --image or --frames")

    def asked(self) -> dict[str, Any]:
        """The requested images, as the manifest holds them."""
        requests: dict[str, Any] = {}
        if self.image is not None:
            requests["image"] = self.image.asked()
        if self.composite_asset is not None:
            requests["composite_asset"] = self.composite_asset
        if self.fine is not None:
            requests["fine"] = self.fine.image.asked() | {"label": self.fine.label_request.asked()}
        if self.frames is not None:
            requests["frames"] = self.frames.to_json()
        return requests


def image_layer(image: ExternalImage, label_request: LabelRequest) -> Layer:
    """A foreign image and the labels on its pixels."""
    size = 2 * len(image.bands) + bool(label_request.sources) + label_request.share
    stored = {"shares": SHARES} if label_request.share else {}
    settle = partial(_settle, image, _Names("image", "label", "shares"))
    channels, most_px = (*image.channels, *label_request.channels), label_request.most_px
    return Layer("image", channels, settle, size, most_px=most_px, stored=stored)


def fine_layer(fine: FineImage) -> Layer:
    """The finer image and the labels on its pixels."""
    image, ratio, labelled = fine.image, fine.ratio, bool(fine.label_request.sources)
    stored = {"fine": StoredLayer(image.bands, image.packing.dtype, ratio, {"name": image.imagery.name})}
    if labelled:
        product = {LEAST: fine.least_m2} if fine.least_m2 else {}
        stored["fine_labels"] = StoredLayer((LABEL,), "uint8", ratio, product)
    settle = partial(_settle, image, _Names("fine", "fine_labels", None))
    size = np.dtype(image.packing.dtype).itemsize * len(image.bands) + labelled
    return Layer("fine", (*image.channels, *fine.label_request.channels), settle, size, ratio, stored)


def frame_layers(bands: Sequence[Band], count: int) -> tuple[Layer, ...]:
    """One layer for each date that there may be; a part that has fewer has no image of the last ones."""
    channels = tuple(Channel(band.name) for band in bands)
    stored = {"frames": StoredLayer(tuple(bands), "int16")}
    names = tuple(band.name for band in bands)
    return tuple(
        Layer(
            frame_name(frame_index), channels, partial(_settle_frame, names, frame_index), 2 * len(names), stored=stored
        )
        for frame_index in range(count)
    )


def frame_name(frame_index: int) -> str:
    """The layer of a part's frame of that number."""
    return f"frame{frame_index:02d}"


def with_minimum_unit(
    arrays: Mapping[str, np.ndarray], head: DatasetManifest, grid: GeoBox
) -> Mapping[str, np.ndarray]:
    """A patch's arrays, the finer labels generalised to the manifest's unit. grid: of the patch's pixels."""
    stored = head.layers.get("fine_labels")
    if stored is None or not (least_m2 := stored.product.get(LEAST)) or "fine_labels" not in arrays:
        return arrays
    least_px = max(1, round(least_m2 * stored.ratio**2 / math.prod(ground_step_m(grid))))
    label = arrays["fine_labels"]
    return {**arrays, "fine_labels": generalised(label.reshape(label.shape[-2:]), least_px).reshape(label.shape)}


def worth_keeping(arrays: Mapping[str, np.ndarray], head: DatasetManifest) -> dict[str, np.ndarray] | None:
    """A patch's arrays without frames that show too little of it; None where a foreign or finer image does."""
    nodata = {"fine": head.layers["fine"].bands[0].nodata} if "fine" in head.layers else {}
    if FOREIGN in head.image["product"]:
        nodata["image"] = head.bands[0].nodata
    # By the first band alone: an image's bands share their footprint.
    if any(_shown(arrays[name], missing) < LEAST_SHOWN for name, missing in nodata.items()):
        return None
    frames = {name for name in arrays if name.startswith("frames/")}
    poor = {name for name in frames if _shown(arrays[name], NODATA) < LEAST_SHOWN}
    return {name: array for name, array in arrays.items() if name not in poor}


def frames_counted(layers: Mapping[str, StoredLayer], patches: Iterable[Patch]) -> dict[str, StoredLayer]:
    """The layers, each date of the frames with the number of patches that have it."""
    if "frames" not in layers:
        return dict(layers)
    present = Counter((patch.region, patch.period, day) for patch in patches for day in patch.dates)
    dates = {
        region: {
            period: {day: dict(facts) | {"patches": present[region, period, day]} for day, facts in days.items()}
            for period, days in periods.items()
        }
        for region, periods in layers["frames"].dates.items()
    }
    return dict(layers) | {"frames": replace(layers["frames"], dates=dates)}


@dataclass(frozen=True)
class _Names:
    """What a view's arrays are called; share None: not stored."""

    image: str
    label: str
    share: str | None


def _settle(
    image: ExternalImage, names: _Names, pixels: np.ndarray, geobox: GeoBox, inside: np.ndarray | None, opened: OpenPart
) -> tuple[dict[str, np.ndarray], Observed]:
    laid, label_request = (
        opened.laid[names.image],
        opened.label_request if names.image == "image" else opened.fine_label_request,
    )
    if isinstance(laid, FileOnGrid):
        values = laid.read(geobox)
    else:
        values = np.stack([image.packing.sent(pixels[channel.name]) for channel in image.channels])
    if inside is not None:
        values[:, ~inside] = image.packing.nodata
    label, share = fused(pixels, geobox, inside, label_request)
    layer_arrays = {names.image: values, names.label: label, names.share: share}
    return {name: array for name, array in layer_arrays.items() if name is not None and array is not None}, {}


def _settle_frame(
    bands: Sequence[str],
    frame_index: int,
    pixels: np.ndarray,
    geobox: GeoBox,
    inside: np.ndarray | None,
    opened: OpenPart,
) -> tuple[dict[str, np.ndarray], Observed]:
    return {f"frames/{opened.days[frame_index]}": quantised(pixels, bands, inside)}, {}


def _shown(values_BHW: np.ndarray, nodata: int) -> float:
    """Share of the pixels of the first band that are valid."""
    return float((values_BHW[0] != nodata).mean())
