"""What to plan, written once: the options of `isamap plan` and of `plan_map`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.project import PROJECT
from isamap.gee_export.export.place_options import ExportPlaces, ExportTimes
from isamap.gee_export.requests.quota import DEFAULT_WORKERS
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import SHORT
from isamap.gee_export.sentinel.statistics import MONTH, PRESETS

OWN = "own"  # the user's files, nothing is fetched
SENSORS = (*composite.SENSORS, OWN)
COARSEST_M, FINEST_M = 100.0, 0.1


@dataclass(frozen=True)
class PlanProduct:
    """The maps: by which network, or of which step, from which sensors."""

    GROUP: ClassVar[str] = "Maps"
    checkpoint: Annotated[
        str | None, Option("Its bands, steps and window count instead of --sensors and --step.", metavar="FOLDER")
    ] = None
    step: Annotated[float | None, Option("Of the maps' pixels: 10 by default, 3, 1.", metavar="METRES")] = None
    sensors: Annotated[
        tuple[str, ...],
        Option(
            "What is composed; own: your own images of the maps' step.",
            choices=(*SENSORS, *SHORT),
            metavar=f"[{'|'.join(SENSORS)}]",
        ),
    ] = ("sentinel2", "sentinel1")
    composite: Annotated[
        str, Option("What is made of the period's observations; a checkpoint says it.", choices=PRESETS)
    ] = MONTH
    image: Annotated[str | None, Option("What `isamap map --image` maps; needs --checkpoint.", metavar="ASSET")] = None
    tile_px: Annotated[
        int | None, Option("Side of a tile in pixels of 10 m; 2048, or 256 for maps finer than 3 m.", metavar="PIXELS")
    ] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensors", tuple(SHORT.get(sensor, sensor) for sensor in self.sensors))
        if self.step is not None and not FINEST_M <= self.step <= COARSEST_M:
            raise ValueError(f"--step {self.step:g}: expected metres of {FINEST_M:g} to {COARSEST_M:g}")
        if unknown := [sensor for sensor in self.sensors if sensor not in SENSORS]:
            raise ValueError(f"--sensors {unknown[0]}: expected some of {', '.join(SENSORS)}")
        if OWN in self.sensors:
            self._check_own()
        if self.image is not None and self.checkpoint is None:
            raise ValueError(
                f"--image {self.image} is mapped by a checkpoint, whose bands are fetched: give --checkpoint"
            )
        if not self.sensors:
            raise ValueError(f"--sensors is empty: give some of {', '.join(SENSORS)}")

    def _check_own(self) -> None:
        if len(self.sensors) > 1:
            raise ValueError("--sensors own stands alone: your images are read from files, the others are composed")
        if self.composite != MONTH:
            raise ValueError(f"--sensors own are your images: leave --composite {self.composite} out")


@dataclass(frozen=True)
class Machines:
    """What works: requests at a time, and how fast networks are; the server that knows the places of --admin."""

    GROUP: ClassVar[str] = "Machines"
    project: Annotated[
        str | None,
        replace(PROJECT, help="Google Cloud project, for --admin alone; without it the local engine.", metavar="ID"),
    ] = None
    catalog: Annotated[
        str,
        Option("Local engine's tables for --admin, a folder; open adds the public archives' bytes.", metavar="FOLDER"),
    ] = "world"

    workers: Annotated[int, Option("Requests at a time.", metavar="N")] = DEFAULT_WORKERS
    rates: Annotated[
        str | None, Option("TOML table of measured rates instead of the shipped one (docs/plan.md).", metavar="FILE")
    ] = None
    measured: Annotated[
        str | None, Option("EECU as Google counted them, such as measured.toml of `isamap prove`.", metavar="FILE")
    ] = None
    measure: Annotated[
        float | None,
        Option("Measure --checkpoint on this machine for so long; the rate is added to --rates.", metavar="SECONDS"),
    ] = None

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= 40:
            raise ValueError(f"--workers {self.workers}: expected 1 to 40, the requests that a project may have")
        if self.measure is not None and not (0 < self.measure <= 600 and math.isfinite(self.measure)):
            raise ValueError(f"--measure {self.measure:g}: expected seconds above 0 and at most 600")


@dataclass(frozen=True)
class PlanRequest:
    """An area, its periods, the maps and what makes them; ValueError where they contradict each other."""

    where: ExportPlaces = field(default_factory=ExportPlaces)
    when: ExportTimes = field(default_factory=ExportTimes)
    product: PlanProduct = field(default_factory=PlanProduct)
    machines: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        product = self.product
        if product.checkpoint is not None and product.composite != MONTH:
            raise ValueError("--checkpoint says its composites: leave --composite out")
        if product.checkpoint is not None and product.step is not None:
            raise ValueError("--checkpoint says the step of its maps: leave --step out")
        if self.machines.measure is not None and product.checkpoint is None:
            raise ValueError("--measure runs a network: give its --checkpoint")
        if self.when.is_open and OWN not in product.sensors and product.checkpoint is None:
            raise ValueError(
                "nothing says when: give --month YYYY-MM, or --period (a season, a year, or the first and last day)"
            )
