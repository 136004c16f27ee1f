"""Images other than Sentinel's composite as options: opened, with the lattices that they give the regions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, ClassVar

from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.options import Option
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.earth_engine.assets import check_composite_asset
from isamap.gee_export.export.extra_images import ExtraImages, FineImage
from isamap.gee_export.images import image_file
from isamap.gee_export.images.external_image import ExternalImage, OpenImage, ground_of, open_imagery
from isamap.gee_export.images.frames import Frames
from isamap.gee_export.images.imagery import Imagery
from isamap.gee_export.labelling.label_request import LabelRequest

# Ours: pixels of 10 m beside 0.1 m; a patch of 128 px then has 12,800 finer ones a side.
_MOST_RATIO = 100


@dataclass(frozen=True)
class ImageOptions:
    """An image in the composite's place, and images beside it.

    image: asset id or raster file, on its own grid or on steps of `scale` metres. fine: such an image too, in pixels
    of `fine_scale` metres, with labels of its own. frames: dated images of the composite's kind.
    """

    GROUP: ClassVar[str] = "Images"
    image: Annotated[
        str | None, Option("Asset id or raster file instead of Sentinel's composite.", metavar="SOURCE")
    ] = None
    scale: Annotated[
        float | None, Option("Of --image's pixels; by default its own grid is kept.", metavar="METRES")
    ] = None
    composite_asset: Annotated[
        str | None, Option("Collection of `isamap composite` to read from; what it lacks is made.", metavar="ASSET")
    ] = None
    unit: Annotated[
        str | None, Option("Of --image's numbers: reflectance, dB, embedding, or NAME=SCALE[,OFFSET].", metavar="UNIT")
    ] = None
    image_clouds: Annotated[
        float | None,
        Option("Images of --image with more cloud are left out; any by default.", metavar="PERCENT", group="Images"),
    ] = None
    bands: Annotated[
        tuple[str, ...],
        Option(
            "Sentinel-2 bands, B2 B3 B4 B8 by default; or --image's: A* shortens, VV=VV_p50 renames.",
            metavar="NAME",
        ),
    ] = ()
    fine: Annotated[
        str | None, Option("Finer image (asset id or raster) beside each patch, exactly nested.", metavar="SOURCE")
    ] = None
    fine_scale: Annotated[float, Option("Of its pixels.", metavar="METRES")] = 1.0
    fine_bands: Annotated[tuple[str, ...], Option("Its bands, all by default.", metavar="NAME")] = ()
    fine_unit: Annotated[str | None, Option("Of its numbers, as --unit.", metavar="UNIT")] = None
    fine_label: Annotated[
        tuple[str, ...] | None, Option("Label sources of its pixels, those of --label by default.", metavar="SOURCE")
    ] = None
    fine_least: Annotated[float, Option("Smallest unit of the finer labels in m2; 0: as they are.", metavar="M2")] = 0.0
    frames: Annotated[
        tuple[str, ...], Option("Dated images beside the composite: scenes, months, or days.", metavar="DATES")
    ] = ()
    max_frames: Annotated[int, Option("Dates of a region and period.", metavar="N")] = Frames.most

    def __post_init__(self) -> None:
        check_composite_asset(self.composite_asset, instead=self.image and f"--image {self.image}")
        if self.image is None:
            self._refuse_image_options()
        elif self.scale is not None and not 0.01 <= self.scale <= 1000:
            raise ValueError(f"--scale {self.scale:g}: expected metres of 0.01 to 1000")
        if self.fine is None:
            self._refuse_fine_options()
        if not 0 <= self.fine_least < math.inf:
            raise ValueError(f"--fine-least {self.fine_least:g}: expected square metres, such as 50")
        if not self.frames and self.max_frames != Frames.most:
            raise ValueError(f"--max-frames {self.max_frames} is of --frames: say which dates, or leave it out")

    def _refuse_image_options(self) -> None:
        if self.unit is not None:
            raise ValueError(f"--unit {self.unit} is of an --image: Sentinel's bands are reflectance and decibels")
        if self.image_clouds is not None:
            raise ValueError("--image-clouds is of an --image: Sentinel-2 has a cloud mask, see --clouds")
        if self.scale is not None:
            raise ValueError(
                f"--scale {self.scale:g} is the step of an --image: Sentinel's composites lie on 10 m, which their "
                "bands have"
            )

    def _refuse_fine_options(self) -> None:
        if self.fine_bands or self.fine_unit:
            raise ValueError("--fine-bands and --fine-unit are of a --fine image: give one, or leave them out")
        if self.fine_scale != ImageOptions.fine_scale:
            raise ValueError(f"--fine-scale {self.fine_scale:g} is of a --fine image: give one, or leave it out")
        if self.fine_least:
            raise ValueError("--fine-least is of the labels of a --fine image: give one, or leave it out")
        if self.fine_label is not None:
            raise ValueError("--fine-label are the labels of a --fine image: give one, or leave them out")

    @cached_property
    def imagery(self) -> Imagery | None:
        """The image in the composite's place."""
        return None if self.image is None else Imagery(self.image, self.bands, self.unit, self.image_clouds)

    @cached_property
    def fine_imagery(self) -> Imagery | None:
        """The finer image."""
        return None if self.fine is None else Imagery(self.fine, self.fine_bands, self.fine_unit)

    @property
    def dates(self) -> Frames | None:
        """The frames."""
        return Frames.parse(self.frames, self.max_frames) if self.frames else None

    @property
    def asks_server(self) -> bool:
        """Whether lattices and bands are known only to the server."""
        return any(image is not None and not image.is_file for image in (self.imagery, self.fine_imagery))

    @property
    def footprint(self) -> Region | None:
        """Where an image on this machine lies, for exports that name no region."""
        if self.imagery is None or not self.imagery.is_file:
            return None
        open_image = image_file.open_file(self.imagery, small=False)
        return regions.from_bbox(open_image.wsen, name=regions.slug(open_image.path.stem))

    def open(
        self, places: Sequence[Region], periods: Sequence[Period], label_request: LabelRequest
    ) -> tuple[tuple[RegionGrid, ...], ExtraImages]:
        """The regions on the image's lattice (or on Sentinel's 10 m), and what patches show.

        ValueError where an image is not there, does not reach a region or does not nest in the patches' pixels.
        """
        image, region_grids = None, tuple(RegionGrid.of(region) for region in places)
        if self.imagery is not None:
            open_images = [open_imagery(self.imagery, region, periods[0]) for region in places]
            image = ExternalImage.of(self.imagery, open_images[0])
            region_grids = tuple(
                ground_of(open_image, region, self.scale)
                for open_image, region in zip(open_images, places, strict=True)
            )
        fine = self._fine(region_grids, periods, label_request)
        if (dates := self.dates) is not None:
            dates.count(periods)
        return region_grids, ExtraImages(image, fine, dates, self.composite_asset)

    def _fine(
        self, region_grids: Sequence[RegionGrid], periods: Sequence[Period], label_request: LabelRequest
    ) -> FineImage | None:
        if (imagery := self.fine_imagery) is None:
            return None
        open_images = [
            open_imagery(imagery, region_grid.region, periods[0], small=True) for region_grid in region_grids
        ]
        for open_image, region_grid in zip(open_images, region_grids, strict=True):
            _check_reach(imagery, open_image, region_grid)
        labels = self._fine_labels(label_request)
        ratio, image = _ratio(region_grids, self.fine_scale), ExternalImage.of(imagery, open_images[0], small=True)
        return FineImage(image, labels, ratio, self.fine_least)

    def _fine_labels(self, label_request: LabelRequest) -> LabelRequest:
        """The same fusion and classes of its own sources."""
        if self.fine_label is None:
            return replace(label_request, share=False)
        sources = () if self.fine_label == ("none",) else self.fine_label
        fusion = label_request.fusion if len(sources) > 1 else LabelRequest.fusion
        return LabelRequest(sources, fusion, label_request.scheme)


def _ratio(region_grids: Sequence[RegionGrid], fine_m: float) -> int:
    """How many finer pixels lie along one of the patches'; ValueError where they do not nest exactly."""
    steps = {abs(region_grid.lattice.affine.a) for region_grid in region_grids}
    if any(crs_of(region_grid.lattice).geographic for region_grid in region_grids):
        raise ValueError("--fine needs patches on a grid in metres, this image's is in degrees: say --scale METRES")
    ratios = {step / fine_m if fine_m > 0 else 0.0 for step in steps}
    ratio = round(max(ratios))
    if (
        not all(math.isclose(region_ratio, ratio, rel_tol=1e-9) for region_ratio in ratios)
        or not 2 <= ratio <= _MOST_RATIO
    ):
        raise ValueError(
            f"--fine-scale {fine_m:g}: patches have pixels of {' and '.join(f'{step:g}' for step in sorted(steps))} m, "
            f"of which it must be a whole part, from a half to 1/{_MOST_RATIO}"
        )
    return ratio


def _check_reach(imagery: Imagery, open_image: OpenImage, region_grid: RegionGrid) -> None:
    if not open_image.bounded or open_image.grid is None:
        return
    mine, theirs = region_grid.geobox(region_grid.window).extent, open_image.grid.extent
    if not mine.to_crs(crs_of(open_image.grid), resolution=float("inf")).intersects(theirs):
        raise ValueError(
            f"{imagery.name} does not cover any part of region {region_grid.name!r}: choose another --fine"
        )
