"""What to plan, written once: the options of `isamap plan` and of `plan_map`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

from gee_export.base.options import Option
from gee_export.export.place_options import When, Where
from gee_export.requests.throttle import DEFAULT_WORKERS
from gee_export.sentinel.composite import SHORT
from gee_export.sentinel.embeddings import BANDS

# sensor -> the bands that are fetched of it where no checkpoint says which; OWN: the user's files, nothing is fetched
SENSORS: dict[str, tuple[str, ...]] = {
    "sentinel2": ("B2", "B3", "B4", "B8"),
    "sentinel1": ("VV", "VH"),
    "embeddings": BANDS,
    "own": (),
}
OWN = "own"
COARSEST_M, FINEST_M = 100.0, 0.1


@dataclass(frozen=True)
class Product:
    """The maps: by which network, or of which step, from which sensors."""

    checkpoint: Annotated[
        str | None,
        Option("Its bands, steps and window count instead of --sensors and --step.", metavar="FOLDER", group="Maps"),
    ] = None
    step: Annotated[
        float | None, Option("Of the maps' pixels: 10 by default, 3, 1.", metavar="METRES", group="Maps")
    ] = None
    sensors: Annotated[
        tuple[str, ...],
        Option(
            "What is composed; own: your own images of the maps' step.",
            choices=(*SENSORS, *SHORT),
            metavar=f"[{'|'.join(SENSORS)}]",
            group="Maps",
        ),
    ] = ("sentinel2", "sentinel1")
    image: Annotated[
        str | None,
        Option("What `isamap map --image` maps; needs --checkpoint.", metavar="ASSET", group="Maps"),
    ] = None
    tile_px: Annotated[
        int | None,
        Option("Side of a tile in pixels of 10 m; 2048, or 256 for maps finer than 3 m.", metavar="PIXELS",
               group="Maps"),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensors", tuple(SHORT.get(sensor, sensor) for sensor in self.sensors))
        if self.step is not None and not FINEST_M <= self.step <= COARSEST_M:
            raise ValueError(f"--step {self.step:g}: expected metres of {FINEST_M:g} to {COARSEST_M:g}")
        if unknown := [sensor for sensor in self.sensors if sensor not in SENSORS]:
            raise ValueError(f"--sensors {unknown[0]}: expected some of {', '.join(SENSORS)}")
        if OWN in self.sensors and len(self.sensors) > 1:
            raise ValueError("--sensors own stands alone: your images are read from files, the others are composed")
        if self.image is not None and self.checkpoint is None:
            raise ValueError(
                f"--image {self.image} is mapped by a checkpoint, whose bands are fetched: give --checkpoint"
            )
        if not self.sensors:
            raise ValueError(f"--sensors is empty: give some of {', '.join(SENSORS)}")


@dataclass(frozen=True)
class Machines:
    """What works: requests at a time, and how fast networks are; the server that knows the places of --admin."""

    project: Annotated[
        str | None,
        Option("Google Cloud project, for --admin alone; without it the local engine.", metavar="ID", group="Machines"),
    ] = None
    catalog: Annotated[
        str, Option("The local engine's tables, for --admin alone: a folder.", metavar="FOLDER", group="Machines")
    ] = "world"

    workers: Annotated[int, Option("Requests at a time.", metavar="N", group="Machines")] = DEFAULT_WORKERS
    rates: Annotated[
        str | None,
        Option("TOML table of measured rates instead of the shipped one (docs/plan.md).", metavar="FILE",
               group="Machines"),
    ] = None  # fmt: skip
    measure: Annotated[
        float | None,
        Option("Measure --checkpoint on this machine for so long; the rate is added to --rates.", metavar="SECONDS",
               group="Machines"),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= 40:
            raise ValueError(f"--workers {self.workers}: expected 1 to 40, the requests that a project may have")
        if self.measure is not None and not (0 < self.measure <= 600 and math.isfinite(self.measure)):
            raise ValueError(f"--measure {self.measure:g}: expected seconds above 0 and at most 600")


@dataclass(frozen=True)
class PlanRequest:
    """An area, its periods, the maps and what makes them; ValueError where they contradict each other."""

    where: Where = field(default_factory=Where)
    when: When = field(default_factory=When)
    product: Product = field(default_factory=Product)
    machines: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        product = self.product
        if product.checkpoint is not None and product.step is not None:
            raise ValueError("--checkpoint says the step of its maps: leave --step out")
        if self.machines.measure is not None and product.checkpoint is None:
            raise ValueError("--measure runs a network: give its --checkpoint")
        if self.when.is_open and OWN not in product.sensors and product.checkpoint is None:
            raise ValueError(
                "nothing says when: give --month YYYY-MM, or --period (a season, a year, or the first and last day)"
            )
