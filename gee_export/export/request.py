"""Everything that an export can be asked for, written once: the command, `export_patches` and files are made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

from isamap.gee_export.base import option_files
from isamap.gee_export.base.options import Option, changed_options, from_options, options_of, to_options
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.base.scheme import SCHEMES
from isamap.gee_export.export.image_options import ImageOptions
from isamap.gee_export.export.modes import RunOptions
from isamap.gee_export.export.place_options import ExportPlaces, ExportTimes
from isamap.gee_export.export.settings import CompositeOptions, written
from isamap.gee_export.images.imagery import Imagery
from isamap.gee_export.labelling.fusion import FUSIONS
from isamap.gee_export.labelling.label_request import LabelRequest
from isamap.gee_export.labelling.label_source import LabelSource
from isamap.gee_export.patches.sampling import Sampling
from isamap.gee_export.patches.split import SPLITTERS
from isamap.gee_export.patches.split_rule import SplitRule

EXPORT_FILE = "export.toml"  # of a dataset: the options that make it again


@dataclass(frozen=True)
class LabelOptions:
    """The labels of an export: sources (labelling/label_source.py), fused, in classes of a scheme."""

    GROUP: ClassVar[str] = "Labels"
    label: Annotated[
        tuple[str, ...],
        Option("Products of `isamap labels`, assets or files (file.tif#BAND=CODES), or none.", metavar="SOURCE"),
    ] = LabelRequest.sources
    fusion: Annotated[str, Option("Of several labels.", choices=FUSIONS)] = LabelRequest.fusion
    scheme: Annotated[
        str, Option("Label scheme: isa (2 classes) or landcover3m (7).", metavar=f"[{'|'.join(SCHEMES)}]")
    ] = LabelRequest.scheme
    share: Annotated[bool, Option("Also store impervious percents.")] = LabelRequest.share

    @cached_property
    def request(self) -> LabelRequest:
        """What the labels are made of."""
        sources = () if self.label == ("none",) else self.label
        return LabelRequest(sources, self.fusion, self.scheme, self.share)

    def __post_init__(self) -> None:
        _ = self.request  # checks itself


@dataclass(frozen=True)
class PatchOptions:
    """The patches of an export: squares on the region's grid, divided into train, val and test."""

    GROUP: ClassVar[str] = "Patches"
    size: Annotated[int, Option("Side of a patch.", metavar="PIXELS")] = 128
    stride: Annotated[int, Option("From one patch to the next.", metavar="PIXELS")] = 80
    split: Annotated[
        str,
        Option(
            "blocks: no pixel in two splits; balanced: and alike in their classes; random: the paper's, which leaks.",
            choices=SPLITTERS,
            group="Split",
        ),
    ] = "blocks"

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 4096:
            raise ValueError(f"--size {self.size}: expected 8 to 4096 pixels")
        if not 1 <= self.stride <= 65536:
            raise ValueError(f"--stride {self.stride}: expected 1 to 65536 pixels")


@dataclass(frozen=True)
class ExportRequest:
    """An export as it is asked for; ValueError where its options contradict each other.

    Every field of these records is an option of `isamap export`, of `export_patches` and of TOML files: a new option
    is a new field.
    """

    where: ExportPlaces = field(default_factory=ExportPlaces)
    when: ExportTimes = field(default_factory=ExportTimes)
    labels: LabelOptions = field(default_factory=LabelOptions)
    images: ImageOptions = field(default_factory=ImageOptions)
    composite: CompositeOptions = field(default_factory=CompositeOptions)
    patches: PatchOptions = field(default_factory=PatchOptions)
    sampling: Sampling = field(default_factory=Sampling)
    rule: SplitRule = field(default_factory=SplitRule)
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        if self.images.image is not None:
            self.composite.refuse()

    @classmethod
    def of(cls, **options: Any) -> ExportRequest:
        """From options by their flat names; `sample` may be a Sampling. ValueError as `from_options`."""
        if isinstance(options.get("sample"), Sampling):
            options |= to_options(options["sample"])
        return from_options(cls, options)

    def placed(self) -> tuple[ExportRequest, tuple[Region, ...], tuple[Period, ...]]:
        """The request with its time, and its regions and periods; ValueError where it says no place or no time."""
        places = self.where.regions(self.images.footprint if self.where.is_open else None)
        when = self.when.dated(self.where)
        return replace(self, when=when), places, when.periods()

    def to_toml(self, source: Mapping[str, str]) -> str:
        """TOML that makes the dataset again, without what belongs to this machine or run; files by their names.

        source: as RunOptions.source.
        """
        local = {option.name for option in options_of(ExportRequest) if option.option.local}
        values = changed_options(replace(self, run=replace(self.run, catalog=source["catalog"])))
        comments = [f"`isamap export --config {EXPORT_FILE}` makes this dataset again, where files of these names lie"]
        if source["server"] == "earth-engine":
            del values["catalog"]
            comments.append("its pixels come from Earth Engine: add --project")
        kept: dict[str, Any] = {}
        for name, value in values.items():
            if name not in local:
                kept[name] = _PORTABLE[name](value) if name in _PORTABLE else value
        comments += [f"{name} had objects of Python, which no file holds: give them again" for name in _objects(values)]
        return "".join(f"# {comment}\n" for comment in comments) + option_files.encode(kept)


def _objects(values: Mapping[str, Any]) -> list[str]:
    """The options with values that words cannot hold."""
    names = ["region"] * any(isinstance(region, Region) for region in values.get("region", ()))
    return names + ["settings"] * (len(written(values.get("settings", ()))) < len(values.get("settings", ())))


def _sources(labels: tuple[str, ...]) -> list[str]:
    return [text if text == "none" else LabelSource.parse(text).name for text in labels]


_PORTABLE: dict[str, Callable[[Any], Any]] = {
    "region": lambda regions: [region.name if isinstance(region, Region) else region for region in regions],
    "geometry": lambda files: [Path(file).name for file in files],
    "label": _sources,
    "fine_label": _sources,
    "image": lambda source: Imagery(source).name,
    "fine": lambda source: Imagery(source).name,
    "settings": written,
}
