"""What an export was asked for: regions, periods, settings; its parts and layers, and the head of the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from isamap.gee_export.base import zones
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.base.suggest import suggest
from isamap.gee_export.datasets.index import patch_id
from isamap.gee_export.datasets.manifest import Band, DatasetManifest
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.extra_images import FOREIGN, ExtraImages, fine_layer, frame_layers, image_layer
from isamap.gee_export.export.layers import Layer, composite_layer
from isamap.gee_export.labelling.label_request import LabelRequest
from isamap.gee_export.patches import split as splitting
from isamap.gee_export.patches.sampling import Sampling
from isamap.gee_export.patches.split_rule import SplitRule
from isamap.gee_export.requests.pixels import SIDE_LIMIT_PX
from isamap.gee_export.sentinel.composite import USUAL_SENSORS, Settings

MOST_NAMED = 3  # regions or periods that a dataset's name spells out


@dataclass(frozen=True)
class RegionPeriod:
    """A region in a period: one composite on one lattice."""

    index: int
    region_grid: RegionGrid
    period: Period

    @property
    def region(self) -> Region:
        return self.region_grid.region

    @property
    def name(self) -> str:
        """Region and period as in patch ids."""
        return f"{self.region_grid.name}_{self.period.label}"

    def patch_id(self, window: Window) -> str:
        return patch_id(self.region_grid.name, self.period.label, window.row, window.col)


@dataclass(frozen=True)
class ExportJob:
    """The settings of an export. server, catalog and world (of the simulated pixels, the version) say where
    pixels come from; they go into the manifest.
    """

    region_grids: tuple[RegionGrid, ...]
    periods: tuple[Period, ...]
    settings: Settings = field(default_factory=Settings)
    label_request: LabelRequest = field(default_factory=LabelRequest)
    extra_images: ExtraImages = field(default_factory=ExtraImages)
    size: int = 128
    stride: int = 80
    split: str = "blocks"
    rule: SplitRule = field(default_factory=SplitRule)
    sampling: Sampling = field(default_factory=Sampling)
    server: str = "local-engine"
    catalog: str = "world"
    world: str = ""

    def __post_init__(self) -> None:
        _refuse_twice(
            "region", [region_grid.name for region_grid in self.region_grids], "name other ones, or export it by itself"
        )
        _refuse_twice("period", [period.label for period in self.periods], "patch ids name months, so give each once")
        splitting.check(self.split)
        for period in self.periods:
            self.label_request.check_period(period)
            if self.extra_images.image is None:
                self.settings.check_period(period)
        if self.extra_images.frames is not None and self.settings.statistics.of_year:
            raise ValueError("--frames are single dates, --composite is of a year: leave one of them out")
        if self.extra_images.frames is not None and self.settings.sensors != USUAL_SENSORS:
            raise ValueError("--frames are dated images of sentinel2 and sentinel1: leave --sensors out, or --frames")
        self._check_hold_out()
        self._check_sampling()

    def _check_hold_out(self) -> None:
        names = [region_grid.name for region_grid in self.region_grids]
        for name in self.rule.hold_out:
            if not self._pieces(name):
                places = dict.fromkeys([*names, *(zones.place_of(grid.region) for grid in self.region_grids)])
                near = suggest(name, places, cutoff=0.6)
                hint = near or f"expected some of {', '.join(names)}, given by --region"
                raise ValueError(f"--hold-out {name!r} is none of the regions: {hint}")
        if self.rule.hold_out and set(self.hold_out) >= set(names):
            raise ValueError("--hold-out names every region: leave one to train on")

    def _check_sampling(self) -> None:
        most, method = self.rule.max_patches, self.sampling.method
        if self.surveys_labels and not self.label_request.sources:
            option = f"--sample {self.sampling.kind}" if method.needs_share else f"--split {self.split}"
            raise ValueError(f"{option} goes by the labels' shares: give a --label")
        if most is not None and method.after_split:
            raise ValueError(f"--sample {self.sampling.kind} has numbers of its own: leave --max-patches out")
        if most is not None and most < len(self.periods) * (2 if self.rule.hold_out else 1):
            raise ValueError(f"--max-patches {most}: {len(self.periods)} periods of the same patches need more")

    def _pieces(self, name: str) -> list[str]:
        """The region of this name, or the regions of the zones that hold the place of this name."""
        return [grid.name for grid in self.region_grids if name in (grid.name, zones.place_of(grid.region))]

    @property
    def surveys_labels(self) -> bool:
        """Whether the labels are fetched first, as patches are chosen or divided by them."""
        return self.sampling.method.needs_share or self.split in splitting.BY_LABELS

    @property
    def hold_out(self) -> tuple[str, ...]:
        """The regions that are test only; a place that zones divide stands for all its regions."""
        return tuple(dict.fromkeys(piece for name in self.rule.hold_out for piece in self._pieces(name)))

    @property
    def name(self) -> str:
        where = _joined([region_grid.name for region_grid in self.region_grids])
        return f"{where}-{_joined([str(period) for period in self.periods])}".replace("..", "_")

    @cached_property
    def parts(self) -> tuple[RegionPeriod, ...]:
        """Every region in every period, region by region."""
        pairs = [(region_grid, period) for region_grid in self.region_grids for period in self.periods]
        return tuple(RegionPeriod(index, *pair) for index, pair in enumerate(pairs))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """What every patch is made of."""
        names, extra_images = [band.name for band in self.bands], self.extra_images
        image = composite_layer(names, self.label_request, self.settings.sensors, self._series_px)
        if extra_images.image is not None:
            image = image_layer(extra_images.image, self.label_request)
        fine = () if extra_images.fine is None else (fine_layer(extra_images.fine),)
        frames = (
            () if extra_images.frames is None else frame_layers(self.bands, extra_images.frames.count(self.periods))
        )
        return (image, *fine, *frames)

    @property
    def _series_px(self) -> int | None:
        """Side of requests for statistics of the longest period; None of one composite a period."""
        months = max(period.mean_months for period in self.periods)
        return self.settings.side_px(months, SIDE_LIMIT_PX) if self.settings.statistics.of_year else None

    @property
    def bands(self) -> tuple[Band, ...]:
        """The image's bands, as they are stored."""
        return self.settings.stored_bands if self.extra_images.image is None else self.extra_images.image.bands

    def head(self) -> DatasetManifest:
        """The manifest without what only the server knows (manifest.FROM_SERVER) and the plan (manifest.FROM_PLAN)."""
        periods = ({"label": p.label, "start": str(p.start), "end": str(p.end)} for p in self.periods)
        return DatasetManifest(
            name=self.name,
            simulated=False,
            source={"server": self.server, "catalog": self.catalog} | ({"world": self.world} if self.world else {}),
            image={"product": self._products()},
            bands=self.bands,
            label=None,
            periods=tuple(periods),
            settings=self.settings.to_json() if self.extra_images.image is None else {},
            backscatter=None,
            grids={region_grid.name: region_grid.grid for region_grid in self.region_grids},
            size=self.size,
            stride=self.stride,
            split={"kind": self.split} | self._asked_split(),
            asked={"label": self.label_request.asked()} | self.extra_images.asked(),
            layers={name: stored for layer in self.layers for name, stored in layer.stored.items()},
        )

    def _products(self) -> dict[str, str]:
        if self.extra_images.image is not None:
            return {FOREIGN: self.extra_images.image.imagery.name}
        return self.settings.collections

    def _asked_split(self) -> dict[str, Any]:
        digests = {
            region_grid.name: region_grid.outline_digest
            for region_grid in self.region_grids
            if region_grid.outline_digest
        }
        split_request = self.rule.to_json() | {"hold_out": list(self.hold_out), "sampling": self.sampling.to_json()}
        return split_request | ({"outline_wkb_sha256": digests} if digests else {})


def _refuse_twice(noun: str, names: list[str], remedy: str) -> None:
    if not names:
        raise ValueError(f"an export needs at least one {noun}")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{noun} {name!r} is given {names.count(name)} times: {remedy}")


def _joined(names: list[str]) -> str:
    return "+".join(names) if len(names) <= MOST_NAMED else f"{names[0]}+{len(names) - 1}"
