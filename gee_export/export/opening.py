"""Opens one part of an export: asks the server what there is, reads the heads of files, and says what to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gee_export.base.regions import Period
from gee_export.datasets.region_grid import Ground
from gee_export.earth_engine import session
from gee_export.export.extra_images import Fine, Views, frame_name
from gee_export.export.open_part import Opened
from gee_export.images.external_image import Found, Laid
from gee_export.images.frames import Frames, open_frames
from gee_export.labelling.label_request import OpenTruth, Truth, open_truth
from gee_export.sentinel import composite
from gee_export.sentinel.composite import Settings

if TYPE_CHECKING:
    import ee


def open_part(ground: Ground, period: Period, settings: Settings, truth: Truth, views: Views) -> Opened:
    """Images and labels of a region and period; composite.NoScenes where the server has none."""
    labels = open_truth(truth, ground.region, period)
    opened = (
        _composite(ground, period, settings, labels) if views.image is None else _image(ground, period, views, labels)
    )
    if views.fine is not None:
        opened = _with_fine(opened, ground, period, views.fine)
    if views.frames is not None:
        opened = _with_frames(opened, ground, period, (settings, views.frames))
    return replace(opened, simulated=True) if _from_world(labels, opened.fine_truth) else opened


def _from_world(*truths: OpenTruth | None) -> bool:
    """Whether labels come from the simulated world, be the images whose they may."""
    current = session.current()
    return bool(current and current.simulated) and any(truth and truth.channels for truth in truths)


def _composite(ground: Ground, period: Period, settings: Settings, labels: OpenTruth) -> Opened:
    found = composite.build(ground.region, period, settings)
    image = _together(found.packed.addBands(found.counts), labels)
    return Opened({"image": image}, labels, dict(found.info), found.backscatter, found.simulated)


def _image(ground: Ground, period: Period, views: Views, labels: OpenTruth) -> Opened:
    found = views.image.open(ground.region, period)
    laid = found.onto(ground.geobox(ground.window))
    images = {"image": _together(laid.image, labels)}
    return Opened(images, labels, {"image": _facts(found, laid)}, None, found.simulated, laid={"image": laid})


def _with_fine(opened: Opened, ground: Ground, period: Period, fine: Fine) -> Opened:
    found = fine.image.open(ground.region, period)
    labels = open_truth(fine.truth, ground.region, period)
    laid = found.onto(ground.geobox(ground.window.times(fine.ratio), fine.ratio))
    label = {} if labels.info is None else {"label": dict(labels.info)}
    return replace(
        opened,
        images=dict(opened.images) | {"fine": _together(laid.image, labels)},
        scenes=dict(opened.scenes) | {"fine": _facts(found, laid) | label},
        simulated=opened.simulated or found.simulated,
        fine_truth=labels,
        laid=dict(opened.laid) | {"fine": laid},
    )


def _with_frames(opened: Opened, ground: Ground, period: Period, asked: tuple[Settings, Frames]) -> Opened:
    settings, frames = asked
    found = open_frames(frames, ground, period, settings)
    images = {frame_name(number): frame.image for number, frame in enumerate(found)}
    return replace(opened, images=dict(opened.images) | images, dates={frame.day: frame.facts for frame in found})


def _together(image: ee.Image | None, labels: OpenTruth) -> ee.Image | None:
    """The image with the labels that lie on the server."""
    if image is None or labels.image is None:
        return image if image is not None else labels.image
    return image.addBands(labels.image)


def _facts(found: Found, laid: Laid) -> Mapping[str, Any]:
    return {"scenes": len(found.info.get("images", ["one"])), **found.info, "resampling": laid.resampling}
