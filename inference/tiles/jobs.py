"""What `isamap run` is asked for: places x periods x checkpoints, each a map, and who makes their tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, ClassVar

from isamap.gee_export.base import zones
from isamap.gee_export.base.options import Option
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import Region
from isamap.gee_export.base.storage import check_bucket
from isamap.gee_export.earth_engine.assets import check_asset_name, check_server
from isamap.gee_export.export.measured import rate_of
from isamap.gee_export.export.place_options import ExportPlaces, ExportTimes
from isamap.gee_export.requests.quota import Quota
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.mapping.request import Catalog, Computing, Pixels, Project
from isamap.inference.tiles.tiling import STEP_PX, TileWindow, check_step, tile_windows

if TYPE_CHECKING:
    from isamap.inference.tiles.executors import Executor
    from isamap.inference.tiles.tile import Tile
    from isamap.training.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True)
class JobMaps:
    """Which networks make the maps, where these go, and of how large tiles."""

    GROUP: ClassVar[str] = "What"
    checkpoint: Annotated[
        tuple[str, ...], Option("Runs' folders or checkpoints; each maps every place and period.", metavar="FOLDER")
    ] = ()
    out: Annotated[str, Option("Folder or gs://BUCKET/PREFIX of tiles, maps and status.", metavar="OUT")] = ""
    asset: Annotated[
        str | None, Option("Folder of assets that the maps are uploaded to.", metavar="projects/P/assets/FOLDER")
    ] = None
    bucket: Annotated[str | None, Option("Where Google ingests assets from.", metavar="NAME")] = None
    tile_px: Annotated[int, Option("Side of a tile; 0 chooses 2048, or less for finer maps.", metavar="PIXELS")] = 0

    def __post_init__(self) -> None:
        if self.tile_px:
            check_step(self.tile_px)
        if self.bucket is not None:
            check_bucket(self.bucket)


@dataclass(frozen=True)
class Server:
    """Whose pixels are mapped."""

    GROUP: ClassVar[str] = "Pixels"
    project: Project = None
    catalog: Catalog = "world"
    composite_asset: Annotated[
        str | None, Option("Collection of `isamap composite` to read composites from.", metavar="ASSET")
    ] = None
    requests: Annotated[int, Option("To Earth Engine at once, of all workers together.", local=True)] = Quota.at_once

    @property
    def pixels(self) -> Pixels:
        """As `isamap map` has it."""
        return Pixels(project=self.project, catalog=self.catalog, composite_asset=self.composite_asset)

    @property
    def quota(self) -> Quota | None:
        """What all workers share; None of the local engine."""
        return Quota(self.requests, Quota.per_s * self.requests / Quota.at_once) if self.project else None


@dataclass(frozen=True)
class TileComputing(Computing):
    """As of `isamap map`, whose workers are called threads here."""

    workers: Annotated[int, Option("Windows at once in a tile; 0: chosen.", name="threads", local=True)] = 0

    @property
    def of_tile(self) -> Computing:
        """The same options without threads, which are this machine's, and the sieve, which follows all tiles."""
        left_out = ("workers", "sieve")
        return Computing(**{f.name: getattr(self, f.name) for f in fields(Computing) if f.name not in left_out})


@dataclass(frozen=True)
class Workers:
    """Who makes the tiles; nothing of it changes a pixel."""

    GROUP: ClassVar[str] = "Workers"
    workers: Annotated[int, Option("Processes of this machine.", local=True)] = 1
    part: Annotated[str | None, Option("Only the k-th of n parts, for job arrays.", metavar="k/n", local=True)] = None
    scheduler: Annotated[str | None, Option("Of a Dask cluster.", metavar="tcp://HOST:PORT", local=True)] = None
    retries: Annotated[int, Option("Attempts of a failed tile after the first.", local=True)] = 3
    silence: Annotated[
        float, Option("Minutes without a finished tile after which this is said.", metavar="MINUTES", local=True)
    ] = 10.0

    eecu_hours: Annotated[
        float | None,
        Option("Begin no tile that might exceed it, of all workers together; the same command continues.",
               metavar="HOURS", local=True),
    ] = None  # fmt: skip
    measured: Annotated[
        str | None,
        Option("EECU as Google counted them, such as measured.toml of `isamap prove`.", metavar="FILE", local=True),
    ] = None
    status: Annotated[bool, Option("Only say how far the run is.", local=True)] = False

    def __post_init__(self) -> None:
        if not 0 <= self.retries <= 100:
            raise ValueError(f"--retries {self.retries}: expected 0 to 100")
        if self.eecu_hours is not None and not 0 < self.eecu_hours < math.inf:
            raise ValueError(
                f"--eecu-hours {self.eecu_hours:g}: expected hours above 0, such as 10, or leave it out for no limit"
            )
        _ = self.measured_s
        if self.silence <= 0:
            raise ValueError(f"--silence {self.silence:g}: expected minutes above 0")
        if self.scheduler and self.workers != 1:
            raise ValueError(
                f"--workers {self.workers} are processes of this machine and --scheduler {self.scheduler} has its own: "
                "give one of them"
            )

    @property
    def executor(self) -> Executor:
        """This process, processes, a cluster, or one of these for a part of the tiles."""
        from isamap.inference.tiles.dask_executor import Dask
        from isamap.inference.tiles.executors import InProcess, Numbered, part_of

        inner = Dask(self.scheduler) if self.scheduler else InProcess(self.workers)
        return inner if self.part is None else Numbered(*part_of(self.part), inner)

    @property
    def measured_s(self) -> float | None:
        """EECU seconds of a megapixel and month, of the file of measured ones."""
        return rate_of(self.measured)

    @property
    def share_hours(self) -> float | None:
        """EECU-hours of this part of the run: of n parts an n-th."""
        from isamap.inference.tiles.executors import part_of

        count = 1 if self.part is None else part_of(self.part)[1]
        return None if self.eecu_hours is None else self.eecu_hours / count


@dataclass(frozen=True)
class RunRequest:
    """A run as it is asked for; every field is an option of `isamap run`, of jobs.toml and of `run_jobs`."""

    maps: JobMaps = field(default_factory=JobMaps)
    where: ExportPlaces = field(default_factory=ExportPlaces)
    when: ExportTimes = field(default_factory=ExportTimes)
    server: Server = field(default_factory=Server)
    computing: TileComputing = field(default_factory=TileComputing)
    who: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        for name, example in (("checkpoint", "runs/NAME"), ("out", "maps")):
            if not getattr(self.maps, name):
                raise ValueError(f"{name} is missing: give --{name} {example}, or a line `{name} = ...` in the file")
        if self.maps.asset:
            check_asset_name(f"{self.maps.asset}/map")
            check_server(self.maps.asset, self.server.project)
        if self.maps.asset and self.server.project and not self.maps.bucket:
            raise ValueError("--asset needs --bucket NAME: Google ingests from Cloud Storage")

    def jobs(self) -> tuple[MapJob, ...]:
        """One job a place, period and checkpoint, with names of their own; ValueError where nothing says where."""
        places: dict[str, list[Region]] = {}
        for region in self.where.regions():
            places.setdefault(zones.place_of(region), []).append(region)
        periods, checkpoints = self.when.periods(), dict(self._checkpoints())
        return tuple(
            MapJob("_".join((name, time, *((network,) if len(checkpoints) > 1 else ()))), name, tuple(area), period,
                   path)
            for name, area in places.items()
            for time, period in _labelled(periods)
            for network, path in checkpoints.items()
        )  # fmt: skip

    def _checkpoints(self) -> Iterator[tuple[str, str]]:
        """Name and address of each checkpoint; ValueError where two have one name."""
        names: dict[str, str] = {}
        for address in self.maps.checkpoint:
            *_, above, last = ("", *address.rstrip("/").split("/"))
            name = above if last in ("best", "last") and above else last
            if names.setdefault(name, address) != address:
                raise ValueError(
                    f"--checkpoint {names[name]} and {address} have one name, so would their maps: rename a folder"
                )
            yield name, address


@dataclass(frozen=True)
class MapJob:
    """One map: its name, the regions of its place (one a zone), its period and the address of its checkpoint."""

    name: str
    place_name: str
    area: tuple[Region, ...]
    period: Period
    checkpoint: str

    def tiles(self, request: RunRequest, trained: Checkpoint) -> tuple[Tile, ...]:
        """The tiles of the map; ValueError for a checkpoint whose tiles would not fit each other."""
        from isamap.inference.tiles.tile import Tile, network_of

        if not trained.composite:
            raise ValueError(
                f"--checkpoint {self.checkpoint} was trained on images of another origin than composites: map a "
                "file of that kind with `isamap map --input FILE.tif`"
            )
        Settings.of_trained(trained.composite).check_period(self.period)
        if trained.frames:
            raise ValueError(
                f"--checkpoint {self.checkpoint} looks at {trained.frames} dates, which are chosen for a whole region, "
                "so tiles would be of other days than their neighbours: map it with `isamap map`"
            )
        windows = self.windows(request.maps.tile_px or default_step(trained.scale))
        pixels, computing = request.server.pixels, request.computing.of_tile
        network = network_of(trained, computing)
        return tuple(Tile(window, self.period, self.checkpoint, network, pixels, computing) for window in windows)

    def windows(self, step_px: int) -> tuple[TileWindow, ...]:
        """The squares of the map."""
        return tile_windows(self.area, step_px=step_px)


def default_step(scale: int) -> int:
    """Side of a tile in input pixels that makes 2 to 4 thousand pixels of the map: 2048, and 256 at ten times."""
    return max(STEP_PX >> (scale.bit_length() - 1), 64)


def _labelled(periods: tuple[Period, ...]) -> Iterator[tuple[str, Period]]:
    """Each period once, with a name that no other has: its months, or its days where two share their months."""
    once = tuple(dict.fromkeys(periods))
    labels = [period.label for period in once]
    for period in once:
        days = f"{period.start:%Y%m%d}-{period.end:%Y%m%d}"
        yield (period.label if labels.count(period.label) == 1 else days), period
