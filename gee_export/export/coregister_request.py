"""What `isamap coregister` is asked for: composites of a region, or two raster files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.regions import BoundsWSEN
from isamap.gee_export.export.modes import Catalog, Project


@dataclass(frozen=True)
class RegionComposites:
    """The arguments of `coregister_region` but for the report's file."""

    GROUP: ClassVar[str] = "Composites of a region"
    region: Annotated[str | None, Option("A name of `isamap regions`.")] = None
    month: Annotated[str | None, Option("YYYY-MM whose composites are compared.")] = None
    period: Annotated[tuple[str, ...], Option("A season, a year, or first and last day instead.")] = ()
    bbox: Annotated[BoundsWSEN | None, Option("W S E N in degrees.")] = None
    epsg: Annotated[int | None, Option("UTM zone, such as 32650.")] = None
    by_scene: Annotated[bool, Option("Also how far each day of an orbit lies off, in metres.")] = False
    project: Project = None
    catalog: Catalog = "world"


@dataclass(frozen=True)
class RasterPair:
    """Two raster files, or none."""

    GROUP: ClassVar[str] = "Two rasters"
    fixed: Annotated[str | None, Option("A raster that stays, instead of a region.")] = None
    moving: Annotated[str | None, Option("The raster to be moved onto --fixed.")] = None

    def __post_init__(self) -> None:
        if (self.fixed is None) != (self.moving is None):
            missing = "--fixed" if self.fixed is None else "--moving"
            raise ValueError(f"two rasters are compared by --fixed and --moving: give {missing}, too")
