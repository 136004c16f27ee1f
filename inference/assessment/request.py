"""What commands about samples and areas are asked for: options that they share, and records of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from isamap.gee_export.base.options import Option

Maps = Annotated[
    tuple[str, ...],
    Option("A map, a VRT, or a folder of tiles; several are one map.", metavar="MAP", positional=True),
]
Classes = Annotated[
    tuple[str, ...], Option("Names of the values 0, 1, ... of a map that names none itself.", flag="--classes")
]
Interval = Annotated[str, Option("Of accuracies and areas; papers print wald.")]
Strata = Annotated[str, Option("map (its classes), none, or a vector or raster file.")]
Accuracy = Annotated[
    tuple[str, ...], Option("What you believe: impervious=0.85 (0.9 where not said).", metavar="CLASS=SHARE")
]
DESIGNS = ("simple", "systematic", "stratified", "cluster")
WORLD = "world"


@dataclass(frozen=True)
class DrawOptions:
    """How to draw: the design and its numbers, as the options of `assess sample` name them.

    preset: "runetpp" or "landcover3m", which stands for all others. buffer_m: the map's classes but `around`
    (impervious, or the rarest, where it is empty) are divided into the ground so near to it, and the rest.
    """

    GROUP: ClassVar[str] = "Design"
    name: Annotated[str, Option("How the points are drawn.", name="design")] = "stratified"
    points: Annotated[int, Option("Of the whole sample.")] = 500
    strata: Strata = "map"
    allocation: Annotated[str, Option("How the strata share the points; area: of impervious.")] = "rare"
    accuracy: Mapping[str, float] | None = None
    strata_classes: Annotated[tuple[str, ...], Option("Names of the values of a raster of strata.")] = ()
    points_each: Annotated[int, Option("Points a cluster.")] = 10
    side_m: Annotated[float, Option("Side of a cluster in metres.", name="cluster_side")] = 5_000.0
    min_distance_m: Annotated[
        float, Option("Metres between points; then no area can be estimated.", name="min_distance")
    ] = 0.0
    preset: Annotated[str | None, Option("runetpp (200 points) or landcover3m (1,940) instead of a design.")] = None
    buffer_m: Annotated[
        float,
        Option("A stratum of its own for ground so near to the rare class.", metavar="METRES", name="buffer"),
    ] = 0.0
    around: Annotated[str, Option("That class: impervious, or the rarest, by default.", metavar="CLASS")] = ""

    def __post_init__(self) -> None:
        if self.name not in DESIGNS:
            raise ValueError(f"--design {self.name!r}: expected {', '.join(DESIGNS)}")
        if self.points < 2:
            raise ValueError(f"--points {self.points}: expected 2 or more")
        if self.min_distance_m and self.name not in ("simple", "stratified"):
            raise ValueError(
                f"--min-distance goes with a simple or stratified design, not with {self.name}: leave it out"
            )
        if self.buffer_m and (self.name, self.strata) != ("stratified", "map"):
            raise ValueError(
                f"--buffer divides the map's classes: it goes with --design stratified and --strata map, not with "
                f"{self.name} and {self.strata}"
            )
        if self.around and not self.buffer_m:
            raise ValueError(f"--around {self.around} says around what a --buffer lies: give --buffer METRES, too")
        if self.min_distance_m < 0:
            raise ValueError(f"--min-distance {self.min_distance_m:g}: expected metres, 0 or more")


@dataclass(frozen=True)
class SheetOptions:
    """What interpreters see: rasters of which each point gets a thumbnail, and whether the map's class is among it."""

    GROUP: ClassVar[str] = "Answer sheet"
    pictures: Annotated[
        tuple[str, ...], Option("Raster of which each point gets a thumbnail.", metavar="FILE", name="picture")
    ] = ()
    show_map: Annotated[bool, Option("Show interpreters the map's class, which biases them.")] = False


@dataclass(frozen=True)
class AnswerFiles:
    """Where answers come from: files (one or several interpreters), or the simulated world's truth ("world").

    Without files, the sample's own sheet.
    """

    GROUP: ClassVar[str] = "Answers"
    files: Annotated[
        tuple[str, ...],
        Option("CSV or GeoPackage, one each interpreter; world: simulated truth.", metavar="FILE", name="answers"),
    ] = ()
    column: Annotated[str, Option("Column of the answers that holds the class.")] = "class"

    @property
    def is_world(self) -> bool:
        """Whether the world answers."""
        return self.files == (WORLD,)


@dataclass(frozen=True)
class AnswerSource(AnswerFiles):
    """design: how points that isamap did not draw were drawn; classes: of a map that names none, both for such points
    alone.
    """

    design: Annotated[str, Option("Of your own points; stratified: by the map's classes.")] = "purposive"
    classes: Classes = ()


@dataclass(frozen=True)
class ProductRequest:
    """Products to judge on the same points: names of `isamap labels` or assets, the year of their labels, and whether
    their own area is counted on the map's ground, too.
    """

    GROUP: ClassVar[str] = "Products"
    names: Annotated[
        tuple[str, ...],
        Option("Names of `isamap labels`, such as gaia@2018, or all: judged on the same points.", name="products"),
    ] = ()
    year: Annotated[int | None, Option("Of the products' labels; the map's own by default.")] = None
    areas: Annotated[bool, Option("Count the products' own area on the map's ground, too.", name="product_areas")] = (
        False
    )


@dataclass(frozen=True)
class ZoneFile:
    """zones: a vector file, by `column`."""

    GROUP: ClassVar[str] = "Zones"
    zones: Annotated[str | None, Option("Polygons, such as districts.gpkg.", metavar="FILE", name="by")] = None
    column: Annotated[
        str | None, Option("Column of their names; equal ones are one zone.", metavar="NAME", name="by_column")
    ] = None


@dataclass(frozen=True)
class AreaOptions(ZoneFile):
    """method: exact or centre; classes: names of a map that has none of its own."""

    method: Annotated[str, Option("Pixels of a border: their exact share, or by their centre.")] = "exact"
    classes: Classes = ()
