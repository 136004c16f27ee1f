"""The process `export`: training patches of a place and period, cut by `isamap export`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gee_export.base import option_files
from gee_export.base.atomic import write_whole
from gee_export.base.regions import STEP_M
from gee_export.labelling.label_products import LABELS
from inference.plan.request import SENSORS
from inference.serve import place, request_fields
from inference.serve.estimate import Estimate, planned
from inference.serve.job import Job
from inference.serve.library import DATASET, Library
from inference.serve.place import Place
from inference.serve.train_request import DEFAULT
from inference.serve.training_time import epoch_minutes

OPTIONS = "export.toml"
PATCH_PX, STRIDE_PX = (8, 512), (8, 4096)
INPUTS: dict[str, dict[str, Any]] = {
    **place.SCHEMA,
    "period": {"title": "As of the process map", "schema": {"type": "string", "maxLength": 30}},
    "label": {
        "title": "The label product",
        "schema": {"type": "string", "enum": list(LABELS), "default": "worldcover"},
        "minOccurs": 0,
    },
    "size": {
        "title": "Side of a patch in pixels",
        "schema": {"type": "integer", "minimum": PATCH_PX[0], "maximum": PATCH_PX[1], "default": 128},
        "minOccurs": 0,
    },
    "stride": {
        "title": "From one patch to the next in pixels",
        "schema": {"type": "integer", "minimum": STRIDE_PX[0], "maximum": STRIDE_PX[1], "default": 128},
        "minOccurs": 0,
    },
    "name": {"title": "What people call the dataset", "schema": {"type": "string", "maxLength": 80}, "minOccurs": 0},
}


@dataclass(frozen=True)
class ExportRequest:
    """A dataset as a request asks for it, checked."""

    place: Place
    period: str
    label: str
    size: int
    stride: int
    name: str
    library: Library

    @classmethod
    def of(cls, inputs: Any, library: Library) -> ExportRequest:
        """From inputs; ValueError says what is wrong with them."""
        known = request_fields.check_names(inputs, INPUTS)
        return cls(
            Place.of(known, library.settings.limits),
            request_fields.period(known),
            request_fields.choice(known, "label", LABELS, "worldcover"),
            request_fields.whole(known, "size", PATCH_PX, 128),
            request_fields.whole(known, "stride", STRIDE_PX, 128),
            request_fields.word(known, "name"),
            library,
        )

    @property
    def inputs(self) -> dict[str, Any]:
        """Plain JSON from which `of` makes the same request."""
        names = {"name": self.name} if self.name else {}
        patches = {"label": self.label, "size": self.size, "stride": self.stride}
        return {**self.place.identity, "period": self.period} | patches | names

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the dataset."""
        server = self.library.settings.server
        return self.inputs | {"project": server.project, "catalog": server.catalog}

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """`isamap export --config export.toml`."""
        server = self.library.settings.server
        options = self.place.options(folder) | {
            "period": (self.period,),
            "label": (self.label,),
            "size": self.size,
            "stride": self.stride,
            "catalog": server.catalog,
            "out": str(folder / DATASET),
        }
        if server.project is not None:
            options["project"] = server.project
        write_whole(folder / OPTIONS, option_files.encode(options).encode())
        return (("export", "--config", OPTIONS),)

    def progress(self, folder: Path) -> tuple[int, str]:
        """`isamap export` tells a terminal only: its log says more."""
        return 0, "cuts patches"

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        """The name of the dataset, for the process train."""
        return {"dataset": {"value": f"{self.name or 'export'}-{job.id[:8]}"}}

    def estimate(self) -> Estimate:
        """What `isamap plan` says of the place; overlapping patches store pixels more than once."""
        plan = planned(self.place, self.period, self.library.settings, {"sensors": tuple(SENSORS)[:2]})
        patches = max(1, round(plan.area_km2 * 1e6 / (self.stride * STEP_M) ** 2))
        epoch = epoch_minutes(DEFAULT, patches * self.size**2) or 0.0
        return replace(plan, patches=patches, epoch_minutes=round(epoch, 3))
