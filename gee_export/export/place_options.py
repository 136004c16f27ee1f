"""Where and when, as options: of an export, which takes several places and times, and of a map, which is of one.

They are two records each: an export gives a name that no other place has, also to units of boundary tables, and a map
refuses a second place. What is the same option in both is written once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from isamap.gee_export.base import regions
from isamap.gee_export.base.land import note_sea
from isamap.gee_export.base.options import Option
from isamap.gee_export.base.regions import BoundsWSEN, Period, Region
from isamap.gee_export.earth_engine.administrative import BOUNDARIES, administrative_unit
from isamap.gee_export.export.box import box_name, check_zone, swapped_inside
from isamap.gee_export.export.places import check_buffer, outlined, places, when, where

BOX_NAME = "bbox"  # as `places` calls a box; here it gets its centre and sides
_NAME_FORM = "letters, digits, dots and dashes, up to 60"
_MOST_LETTERS = 60

Box = Annotated[
    BoundsWSEN | None, Option("Box in degrees; inside --region it keeps the region's grid.", metavar="W S E N")
]
Buffer = Annotated[
    float | None,
    Option("Widens the features of --geometry; makes areas of points and lines.", metavar="METRES", flag="--buffer"),
]
Zone = Annotated[int | None, Option("UTM zone of the grid, such as 32650; by default the place's own.", metavar="CODE")]


@dataclass(frozen=True)
class ExportPlaces:
    """The places of an export: named regions, a part of one, or places of their own."""

    GROUP: ClassVar[str] = "Where"
    region: Annotated[
        tuple[str | Region, ...], Option("Names of `isamap regions`; each in every period.", metavar="NAME")
    ] = ()
    bbox: Box = None
    geometry: Annotated[
        tuple[str, ...], Option("Vector file(s), any CRS; pixels outside are missing.", metavar="FILE")
    ] = ()
    admin: Annotated[
        tuple[str, ...],
        Option("Countries and units of Earth Engine's boundary tables: Hubei, China/Hubei/Wuhan.", metavar="NAME"),
    ] = ()
    boundaries: Annotated[str, Option("The tables of --admin.", choices=BOUNDARIES)] = "gaul"
    buffer_m: Buffer = None
    epsg: Zone = None
    name: Annotated[
        str | None,
        Option("Of the place, in patch ids and dataset names; by default the region's or one made of the box.",
               metavar="NAME"),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        if self.bbox is not None and self.geometry:
            raise ValueError("--bbox and --geometry both say where: give one of them")
        if self.admin and (self.region or self.bbox is not None or self.geometry):
            raise ValueError("--admin says where by itself: leave --region, --bbox and --geometry out")
        check_buffer(self.buffer_m, self.geometry)
        if self.name is not None:
            _check_name(self.name)

    @property
    def is_open(self) -> bool:
        """Whether nothing says where."""
        return not self.region and self.bbox is None and not self.geometry and not self.admin

    @property
    def is_box(self) -> bool:
        """Whether a box alone says where."""
        return self._lone_box is not None

    @property
    def _lone_box(self) -> BoundsWSEN | None:
        return None if self.region else self.bbox

    @property
    def swapped_inside(self) -> str | None:
        """A named region that holds the box once latitude and longitude are swapped, and none does as it is."""
        return None if (box := self._lone_box) is None else swapped_inside(box)

    def regions(self, footprint: Region | None = None) -> tuple[Region, ...]:
        """The regions with their names; `footprint` where nothing says where. ValueError where there is none.

        Units of `admin` are asked of the server that `ee` is connected to. A place in the sea is told.
        """
        areas = self._areas(footprint)
        for area in areas:
            note_sea(area)
        return areas

    def _areas(self, footprint: Region | None) -> tuple[Region, ...]:
        if self.admin:
            return self._named(tuple(grid for name in self.admin for grid in self._unit(name)))
        box = self._lone_box
        own = self.name if box is not None or (self.geometry and not self.region) else None
        grounds = (footprint,) if self.is_open and footprint is not None else self.region
        areas = self._placed(grounds, own)
        if self.name is None and box is not None:
            return tuple(replace(area, name=area.name.replace(BOX_NAME, box_name(box), 1)) for area in areas)
        return areas if own is not None else self._named(areas)

    def _placed(self, grounds: Sequence[str | Region], name: str | None) -> tuple[Region, ...]:
        """As `places`; its ValueError says where a box would lie with latitude and longitude swapped."""
        try:
            if self._lone_box is not None and self.epsg is not None:
                check_zone(self._lone_box, self.epsg)
            return places(
                grounds or None, bbox=self.bbox, geometry=self.geometry or None, epsg=self.epsg, buffer_m=self.buffer_m,
                name=name,
            )  # fmt: skip
        except ValueError as error:
            if (holder := self.swapped_inside) is None:
                raise
            raise ValueError(f"{error}; with latitude and longitude swapped it would lie in {holder}") from error

    def _unit(self, name: str) -> tuple[Region, ...]:
        """The regions of an administrative unit; which one it is, is said on the standard error."""
        unit = administrative_unit(name, self.boundaries)
        print(f"note: --admin {name} is {unit}", file=sys.stderr, flush=True)
        return outlined((), unit.outline, self.epsg, regions.slug(unit.path[-1]))

    def _named(self, areas: tuple[Region, ...]) -> tuple[Region, ...]:
        """The regions, the only one of them under `name`."""
        if self.name is None:
            return areas
        if len(areas) > 1:
            raise ValueError(f"--name {self.name} names one place, and there are {len(areas)}: export them apart")
        return (replace(areas[0], name=self.name),)


@dataclass(frozen=True)
class ExportTimes:
    """The times of an export: months, or periods of any length."""

    GROUP: ClassVar[str] = "When"
    month: Annotated[
        tuple[str, ...],
        Option("One or several months; of a region of a paper, the paper's by default.", metavar="YYYY-MM"),
    ] = ()
    period: Annotated[
        tuple[str, ...], Option("Months, seasons (2019-JJA), years, or first and last day.", metavar="PERIOD")
    ] = ()

    def __post_init__(self) -> None:
        if self.month and self.period:
            raise ValueError("--month and --period both say when: give one of them")

    @property
    def is_open(self) -> bool:
        """Whether nothing says when."""
        return not self.month and not self.period

    def periods(self) -> tuple[Period, ...]:
        """The periods; ValueError where nothing says when, or where one is still to come."""
        if self.is_open:
            raise ValueError("nothing says when: give --month YYYY-MM, or --period (a season, a year, or two days)")
        return when(self.month or None, self.period or None)

    def dated(self, where: ExportPlaces) -> ExportTimes:
        """With the month of the region's paper where nothing says when, which is printed; ValueError without one."""
        if not self.is_open:
            return self
        fact, *others = [_paper_month(region) for region in where.region] or [None]
        if fact is None or any(other_fact != fact for other_fact in others):
            raise ValueError(
                "nothing says when: give --month YYYY-MM, or --period (a season such as 2021-JJA, a year, or the first "
                "and last day)"
            )
        month, reason = fact
        print(f"month {month}: {reason}; give --month or --period for another time", file=sys.stderr, flush=True)
        return replace(self, month=(month,))


@dataclass(frozen=True)
class OnePlace:
    """A place: a region or a part of one, on its lattice."""

    GROUP: ClassVar[str] = "Where"
    region: Annotated[str | Region | None, Option("See `isamap regions`.", metavar="NAME")] = None
    bbox: Box = None
    geometry: Annotated[str | None, Option("Vector file, any CRS.", metavar="FILE")] = None
    buffer_m: Buffer = None
    epsg: Zone = None

    @property
    def is_open(self) -> bool:
        """Whether nothing says where."""
        return self.region is None and self.bbox is None and self.geometry is None

    @property
    def area(self) -> Region:
        """The region on its lattice; ValueError where none or two are named."""
        if self.is_open:
            raise ValueError("nothing to map: give --region NAME, --bbox W S E N, --geometry FILE or --input FILE")
        area = where(self.region, bbox=self.bbox, geometry=self.geometry, epsg=self.epsg, buffer_m=self.buffer_m)
        note_sea(area)
        return area


@dataclass(frozen=True)
class OnePeriod:
    """The time of a composite: one month or one period."""

    GROUP: ClassVar[str] = "When"
    month: Annotated[tuple[str, ...], Option("One month.", metavar="YYYY-MM")] = ()
    period: Annotated[
        tuple[str, ...], Option("A season (2019-JJA), a year, or first and last day instead.", metavar="PERIOD")
    ] = ()

    def __post_init__(self) -> None:
        if len(self.month) > 1:
            raise ValueError(
                f"--month {' '.join(self.month)}: a map is of one month; run the command once for each month, "
                "or give --period with a season or the first and last day"
            )

    @property
    def is_open(self) -> bool:
        """Whether nothing says when."""
        return not self.month and not self.period

    @property
    def composite(self) -> Period:
        """The composite's period; ValueError where none or two are named."""
        periods = () if self.is_open else when(self.month, self.period)
        if len(periods) != 1:
            raise ValueError(
                "give either --month YYYY-MM or --period (a season such as 2019-JJA, a year, or the first and last "
                "day), the time of the composite"
            )
        return periods[0]


def described(region: Region) -> str:
    """A line about a place: name, centre, UTM zone and area."""
    west, south, east, north = region.bounds_wsen
    lat, lon = (south + north) / 2, (west + east) / 2
    zone = f"{region.epsg % 100}{'N' if region.epsg < 32700 else 'S'}"
    centre = f"{abs(lat):.4f} {'NS'[lat < 0]} {abs(lon):.4f} {'EW'[lon < 0]}"
    return f"{region.name}: centre {centre} (lat lon), UTM zone {zone} (EPSG:{region.epsg}), {region.area_km2:,.2f} km2"


def _paper_month(region: str | Region) -> tuple[str, str] | None:
    """The month that the region table has for a region, and why."""
    if isinstance(region, Region):
        return None
    row = next((row for row in regions.described() if row["name"] == region.strip().lower()), {})
    return (row["month"], row["month_of"]) if "month" in row else None


def _check_name(name: str) -> None:
    letters = name.replace("-", "").replace(".", "")
    if not letters.isascii() or not letters.isalnum() or not name[0].isalnum() or len(name) > _MOST_LETTERS:
        raise ValueError(f"--name {name!r}: expected {_NAME_FORM}, beginning with a letter or digit")
