"""Views as the options name them, made into lattices and Views: looks at files, asks the server about its images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gee_export.base import regions
from gee_export.base.grid import crs_of
from gee_export.base.regions import Period, Region
from gee_export.datasets.region_grid import RegionGrid
from gee_export.export.extra_images import ExtraImages, FineImage
from gee_export.images import image_file
from gee_export.images.external_image import ExternalImage, OpenImage, ground_of, open_imagery
from gee_export.images.frames import Frames
from gee_export.images.imagery import Imagery
from gee_export.labelling.label_request import LabelRequest

_MOST_RATIO = 100


@dataclass(frozen=True)
class ImageOptions:
    """As asked. scale_m: the step of `image` (None: its own); fine_m: of `fine`; fine_truth: its labels."""

    image: Imagery | None = None
    scale_m: float | None = None
    fine: Imagery | None = None
    fine_m: float = 1.0
    fine_label_request: LabelRequest | None = None
    frames: Frames | None = None

    def __post_init__(self) -> None:
        if self.scale_m is not None and self.image is None:
            raise ValueError(
                f"--scale {self.scale_m:g} is the step of an --image: Sentinel's composites lie on 10 m, which their "
                "bands have"
            )
        if self.scale_m is not None and not 0.01 <= self.scale_m <= 1000:
            raise ValueError(f"--scale {self.scale_m:g}: expected metres of 0.01 to 1000")
        if self.fine is None and self.fine_m != ImageOptions.fine_m:
            raise ValueError(f"--fine-scale {self.fine_m:g} is of a --fine image: give one, or leave it out")
        if self.fine is None and self.fine_label_request is not None:
            raise ValueError("--fine-label are the labels of a --fine image: give one, or leave them out")

    @property
    def asks_server(self) -> bool:
        """Whether lattices and bands are known only to the server."""
        return any(view is not None and not view.is_file for view in (self.image, self.fine))

    @property
    def footprint(self) -> Region | None:
        """Where an image on this machine lies, for exports that name no region."""
        if self.image is None or not self.image.is_file:
            return None
        found = image_file.open_file(self.image, small=False)
        return regions.from_bbox(found.wsen, name=_slug(found.path.stem))

    def open(
        self, places: Sequence[Region], periods: Sequence[Period], label_request: LabelRequest
    ) -> tuple[tuple[RegionGrid, ...], ExtraImages]:
        """The regions on the image's lattice (or on Sentinel's 10 m), and what patches show.

        ValueError where an image is not there, does not reach a region or does not nest in the patches' pixels.
        """
        image, region_grids = None, tuple(RegionGrid.of(place) for place in places)
        if self.image is not None:
            found = [open_imagery(self.image, place, periods[0]) for place in places]
            image = ExternalImage.of(self.image, found[0])
            region_grids = tuple(ground_of(one, place, self.scale_m) for one, place in zip(found, places, strict=True))
        fine = None if self.fine is None else self._fine(region_grids, periods, label_request)
        if self.frames is not None:
            self.frames.count(periods)
        return region_grids, ExtraImages(image, fine, self.frames)

    def _fine(
        self, region_grids: Sequence[RegionGrid], periods: Sequence[Period], label_request: LabelRequest
    ) -> FineImage:
        if self.fine is None:
            raise ValueError("finer patches need a finer image: give --fine")
        found = [open_imagery(self.fine, region_grid.region, periods[0], small=True) for region_grid in region_grids]
        for one, region_grid in zip(found, region_grids, strict=True):
            _check_reach(self.fine, one, region_grid)
        labels = self.fine_label_request or replace(label_request, share=False)
        return FineImage(ExternalImage.of(self.fine, found[0], small=True), labels, _ratio(region_grids, self.fine_m))


def _ratio(region_grids: Sequence[RegionGrid], fine_m: float) -> int:
    """How many finer pixels lie along one of the patches'; ValueError where they do not nest exactly."""
    steps = {abs(region_grid.lattice.affine.a) for region_grid in region_grids}
    if any(crs_of(region_grid.lattice).geographic for region_grid in region_grids):
        raise ValueError("--fine needs patches on a grid in metres, this image's is in degrees: say --scale METRES")
    ratios = {step / fine_m if fine_m > 0 else 0.0 for step in steps}
    ratio = round(max(ratios))
    if not all(math.isclose(found, ratio, rel_tol=1e-9) for found in ratios) or not 2 <= ratio <= _MOST_RATIO:
        raise ValueError(
            f"--fine-scale {fine_m:g}: patches have pixels of {' and '.join(f'{step:g}' for step in sorted(steps))} m, "
            f"of which it must be a whole part, from a half to 1/{_MOST_RATIO}"
        )
    return ratio


def _check_reach(asked: Imagery, found: OpenImage, region_grid: RegionGrid) -> None:
    if not found.bounded or found.grid is None:
        return
    mine, theirs = region_grid.geobox(region_grid.window).extent, found.grid.extent
    if not mine.to_crs(crs_of(found.grid), resolution=float("inf")).intersects(theirs):
        raise ValueError(f"{asked.name} does not cover any part of region {region_grid.name!r}: choose another --fine")


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower()).strip("-") or "image"
