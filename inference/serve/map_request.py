"""The process `map`: a place, a period and a checkpoint, mapped as tiles by `isamap run`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base import option_files
from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import slug
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.map_files.map_file import open_map
from isamap.inference.serve import place, request_fields
from isamap.inference.serve.estimate import JobEstimate, planned
from isamap.inference.serve.job import Job, moment
from isamap.inference.serve.library import Library
from isamap.inference.serve.painter import CompositeQuery
from isamap.inference.serve.place import Place
from isamap.inference.serve.request_fields import optional
from isamap.inference.tiles.status import STATUS
from isamap.inference.tiles.store import TILES
from isamap.training.checkpoints.places import folder_of

JOBS, RUN = "jobs.toml", "run"
INPUTS: dict[str, dict[str, Any]] = {
    "checkpoint": {
        "title": "The network, by its name in GET /checkpoints",
        "schema": {"type": "string", "maxLength": 100},
    },
    **place.SCHEMA,
    "period": {
        "title": "A month (2020-06), a season (2020-JJA), a year (2020), or two days (2020-05-01..2020-08-30)",
        "schema": {"type": "string", "maxLength": 30},
    },
    "name": optional("What people call the map", "string", maxLength=80),
}


@dataclass(frozen=True)
class MapJobRequest:
    """A map as a request asks for it, checked."""

    checkpoint: str
    ground: Place
    period: str
    name: str
    library: Library

    @classmethod
    def of(cls, inputs: Any, library: Library) -> MapJobRequest:
        """From inputs; ValueError says what is wrong with them."""
        fields = request_fields.check_names(inputs, INPUTS)
        checkpoint, period = request_fields.name(fields, "checkpoint"), request_fields.period(fields)
        trained = library.checkpoint(checkpoint)
        if not trained.composite or trained.frames:
            reason = "looks at several dates" if trained.frames else "was trained on images of another origin"
            raise ValueError(f"checkpoint {checkpoint!r} {reason}: map with `isamap map`, the service maps composites")
        Settings.of_trained(trained.composite).check_period(Period.parse(period))
        where = Place.of(fields, library.settings.limits)
        return cls(checkpoint, where, period, request_fields.title(fields), library)

    @property
    def inputs(self) -> dict[str, Any]:
        """Plain JSON from which `of` makes the same request."""
        names = {"name": self.name} if self.name else {}
        return {"checkpoint": self.checkpoint, **self.ground.identity, "period": self.period} | names

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the map: also the checkpoint's content and whose pixels are mapped."""
        server = self.library.settings.server
        trained = self.library.checkpoint(self.checkpoint)
        days = Period.parse(self.period)
        source = {"project": server.project, "catalog": server.catalog, "fingerprint": trained.fingerprint}
        return self.inputs | source | {"period": [str(days.start), str(days.end)]}

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """`isamap run jobs.toml` in the job's folder, which holds that file then."""
        settings = self.library.settings
        options = self.ground.options(folder) | {
            "period": (self.period,),
            "checkpoint": (str(folder_of(self.library.address(self.checkpoint)).absolute()),),
            "out": str(folder / RUN),
            "catalog": settings.server.catalog,
        }
        if settings.server.project is not None:
            options["project"] = settings.server.project
        write_whole(folder / JOBS, option_files.encode(options).encode())
        scheduler = ("--scheduler", settings.scheduler) if settings.scheduler else ()
        return (("run", JOBS, *scheduler),)

    def progress(self, folder: Path) -> tuple[int, str]:
        """Percent of the tiles that are made, and how many in words."""
        try:
            maps = json.loads((folder / RUN / STATUS).read_bytes())["maps"]
            total = sum(each["tiles"] for each in maps.values())
        except (OSError, ValueError, KeyError, TypeError):
            return 0, "looks for scenes"
        made = sum(1 for path in (folder / RUN / TILES).glob("*.json") if not path.name.startswith("."))
        return min(99, 100 * made // max(total, 1)), f"{made} of {total} tile{'s' if total != 1 else ''}"

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        """Takes the maps that were made into the library, one a UTM zone."""
        paths = [path for path in sorted((folder / RUN).glob("*.tif")) if not path.stem.endswith("_prob")]
        if not paths:
            raise Fault("the run ended without a map: see the log of the job")
        ids = [self._publish(path, job, index) for index, path in enumerate(paths)]
        others = {"maps": [{"href": f"/maps/{id}"} for id in ids]} if len(ids) > 1 else {}
        return {"map": {"href": f"/maps/{ids[0]}"}} | others

    def _publish(self, path: Path, job: Job, index: int) -> str:
        tags = open_map(path).tags
        title = self.name or self.ground.region or tags.get("region", "place")
        short = slug("".join(letter for letter in title if letter.isascii()))[:40].strip("-") or "map"
        words = f"{short}-{slug(self.period)}-{job.id[:8]}" + (f"-{index + 1}" if index else "")
        id = "-".join(word for word in words.split("-") if word)
        record = {"name": title, "job": job.id, "checkpoint": self.checkpoint, "created": moment(job.created_s)}
        self.library.maps.publish(path, id, record)
        return id

    @property
    def composite(self) -> CompositeQuery:
        """What the network would see."""
        days, trained = Period.parse(self.period), self.library.checkpoint(self.checkpoint)
        return CompositeQuery(self.ground.outline.bounds, str(days.start), str(days.end), dict(trained.composite))

    def estimate(self) -> JobEstimate:
        """What `isamap plan` says of it."""
        address = self.library.address(self.checkpoint)
        return planned(self.ground, self.period, self.library.settings, {"checkpoint": address})
