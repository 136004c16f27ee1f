"""What the server gives of one part of an export: a lazy image a layer, and the facts that the manifest names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isamap.gee_export.images.external_image import AlignedImage
from isamap.gee_export.labelling.label_request import OpenLabels

if TYPE_CHECKING:
    import ee


@dataclass(frozen=True)
class OpenPart:
    """images: by layer name, with every channel of the layer in stored numbers, None where a layer asks for nothing.

    A layer without an image has nothing in this part. laid: foreign images by layer name; days: of the frames, YYYYMMDD
    in the layers' order; scenes: facts by sensor; dates: facts by day.
    """

    images: Mapping[str, ee.Image | None]
    label_request: OpenLabels
    scenes: Mapping[str, Mapping[str, Any]]
    backscatter: str | None
    simulated: bool
    fine_label_request: OpenLabels | None = None
    laid: Mapping[str, AlignedImage] = field(default_factory=dict)
    dates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(self.dates)
