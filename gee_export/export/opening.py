"""Opens one part of an export: asks the server what there is, reads the heads of files, and says what to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.regions import Period
from isamap.gee_export.composites.reading import composed
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.earth_engine import session
from isamap.gee_export.export.extra_images import ExtraImages, FineImage, frame_name
from isamap.gee_export.export.job import ExportJob, RegionPeriod
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.images.external_image import AlignedImage, OpenImage
from isamap.gee_export.images.frames import Frames, open_frames
from isamap.gee_export.labelling.label_request import LabelRequest, OpenLabels, open_labels
from isamap.gee_export.sentinel.composite import NoScenes, Settings

if TYPE_CHECKING:
    import ee

OPENERS = 4  # parts whose catalogs are asked about at a time


def open_parts(job: ExportJob) -> tuple[dict[int, OpenPart], dict[int, str]]:
    """What each part gives by number, and why others have none; ValueError where none has."""

    def open_or_reason(part: RegionPeriod) -> OpenPart | str:
        try:
            return open_part(part.region_grid, part.period, job.settings, job.label_request, job.extra_images)
        except NoScenes as error:
            return str(error)

    # A part's catalogs are a few questions that wait for the server, one after another.
    with ThreadPoolExecutor(OPENERS, thread_name_prefix="open") as pool:
        outcomes = dict(enumerate(pool.map(open_or_reason, job.parts)))
    opened = {index: outcome for index, outcome in outcomes.items() if isinstance(outcome, OpenPart)}
    skipped = {index: reason for index, reason in outcomes.items() if isinstance(reason, str)}
    if not opened:
        raise ValueError("; ".join(skipped.values()))
    if all(outcome.label_request.lies_elsewhere for outcome in opened.values()):
        raise ValueError(
            f"the labels {' '.join(job.label_request.named()['sources'])} lie elsewhere than "
            f"{', '.join(grid.name for grid in job.region_grids)}: no patch would have a label; give labels of this "
            "ground, or --label none"
        )
    return opened, skipped


def open_part(
    region_grid: RegionGrid, period: Period, settings: Settings, label_request: LabelRequest, extra_images: ExtraImages
) -> OpenPart:
    """Images and labels of a region and period; composite.NoScenes where the server has none."""
    labels = open_labels(label_request, region_grid.region, period)
    opened = (
        _composite(region_grid, period, settings, labels, extra_images.composite_asset)
        if extra_images.image is None
        else _image(region_grid, period, extra_images, labels)
    )
    if extra_images.fine is not None:
        opened = _with_fine(opened, region_grid, period, extra_images.fine)
    if extra_images.frames is not None:
        opened = _with_frames(opened, region_grid, period, (settings, extra_images.frames))
    return replace(opened, simulated=True) if _from_world(labels, opened.fine_label_request) else opened


def _from_world(*truths: OpenLabels | None) -> bool:
    """Whether labels come from the simulated world, whatever the images come from."""
    current = session.current()
    return bool(current and current.simulated) and any(
        label_request and label_request.channels for label_request in truths
    )


def _composite(
    region_grid: RegionGrid, period: Period, settings: Settings, labels: OpenLabels, asset: str | None
) -> OpenPart:
    built = composed(region_grid.region, period, settings, asset)
    image = _together(built.packed.addBands(built.counts), labels)
    return OpenPart({"image": image}, labels, dict(built.info), built.backscatter, built.simulated)


def _image(region_grid: RegionGrid, period: Period, extra_images: ExtraImages, labels: OpenLabels) -> OpenPart:
    if extra_images.image is None:
        raise ValueError("patches of an image need one: give --image")
    open_image = extra_images.image.open(region_grid.region, period)
    laid = open_image.onto(region_grid.geobox(region_grid.window))
    images = {"image": _together(laid.image, labels)}
    return OpenPart(
        images, labels, {"image": _facts(open_image, laid)}, None, open_image.simulated, laid={"image": laid}
    )


def _with_fine(opened: OpenPart, region_grid: RegionGrid, period: Period, fine: FineImage) -> OpenPart:
    open_image = fine.image.open(region_grid.region, period)
    labels = open_labels(fine.label_request, region_grid.region, period)
    laid = open_image.onto(region_grid.geobox(region_grid.window.times(fine.ratio), fine.ratio))
    label = {} if labels.info is None else {"label": dict(labels.info)}
    return replace(
        opened,
        images=dict(opened.images) | {"fine": _together(laid.image, labels)},
        scenes=dict(opened.scenes) | {"fine": {**_facts(open_image, laid), **label}},
        simulated=opened.simulated or open_image.simulated,
        fine_label_request=labels,
        laid=dict(opened.laid) | {"fine": laid},
    )


def _with_frames(
    opened: OpenPart, region_grid: RegionGrid, period: Period, request: tuple[Settings, Frames]
) -> OpenPart:
    settings, frames = request
    frame_list = open_frames(frames, region_grid, period, settings)
    images = {frame_name(frame_index): frame.image for frame_index, frame in enumerate(frame_list)}
    return replace(opened, images=dict(opened.images) | images, dates={frame.day: frame.facts for frame in frame_list})


def _together(image: ee.Image | None, labels: OpenLabels) -> ee.Image | None:
    if image is None or labels.image is None:
        return image if image is not None else labels.image
    return image.addBands(labels.image)


def _facts(open_image: OpenImage, laid: AlignedImage) -> Mapping[str, Any]:
    return {"scenes": len(open_image.info.get("images", ["one"])), **open_image.info, "resampling": laid.resampling}
