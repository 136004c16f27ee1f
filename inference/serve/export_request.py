"""The process `export`: training patches of a place and period, cut by `isamap export`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isamap.gee_export.base import option_files
from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.regions import STEP_M
from isamap.gee_export.labelling.label_products import LABELS
from isamap.gee_export.sentinel.composite import USUAL_SENSORS, Settings
from isamap.inference.serve import place, request_fields
from isamap.inference.serve.estimate import JobEstimate, planned
from isamap.inference.serve.job import Job
from isamap.inference.serve.label_sets import CLASS, Labels, labels_of
from isamap.inference.serve.library import DATASET, Library
from isamap.inference.serve.place import Place
from isamap.inference.serve.request_fields import optional
from isamap.inference.serve.train_request import DEFAULT
from isamap.inference.serve.training_time import epoch_minutes

OPTIONS, DRAWN = "export.toml", "labels.gpkg"
PIXEL_BYTES = 2 * len(Settings().stored_bands) + 1  # int16 images, uint8 labels
PATCH_PX, STRIDE_PX = (8, 512), (8, 4096)
INPUTS: dict[str, dict[str, Any]] = {
    **place.SCHEMA,
    "period": {"title": "As of the process map", "schema": {"type": "string", "maxLength": 30}},
    "label": optional("The label product", "string", enum=list(LABELS), default="worldcover"),
    "labels": optional(
        "Your own labels, in place of a product's: GeoJSON polygons with a property class",
        "object",
        required=["type", "features"],
    ),
    "size": optional("Side of a patch in pixels", "integer", minimum=PATCH_PX[0], maximum=PATCH_PX[1], default=128),
    "stride": optional(
        "From one patch to the next in pixels", "integer", minimum=STRIDE_PX[0], maximum=STRIDE_PX[1], default=128
    ),
    "name": optional("What people call the dataset", "string", maxLength=80),
}


@dataclass(frozen=True)
class ExportJobRequest:
    """A dataset as a request asks for it, checked."""

    ground: Place
    period: str
    label: str
    size: int
    stride: int
    name: str
    library: Library
    labels: Labels | None = None

    @classmethod
    def of(cls, inputs: Any, library: Library) -> ExportJobRequest:
        """From inputs; ValueError says what is wrong with them."""
        fields = request_fields.check_names(inputs, INPUTS)
        limits, drawn = library.settings.limits, fields.get("labels")
        request = cls(
            Place.of(fields, limits),
            request_fields.period(fields),
            request_fields.choice(fields, "label", LABELS, "worldcover"),
            request_fields.whole(fields, "size", PATCH_PX, 128),
            request_fields.whole(fields, "stride", STRIDE_PX, 128),
            request_fields.word(fields, "name"),
            library,
            None if drawn is None else labels_of(drawn, limits),
        )
        request.check()
        return request

    def check(self) -> None:
        """ValueError for more patches, or more bytes of them, than the service stores at once."""
        limits = self.library.settings.limits
        patches, stored_bytes = self._stored(self.ground.area_km2)
        if patches > limits.patches or stored_bytes > limits.export_bytes:
            raise ValueError(
                f"{patches:,} patches of {self.size} x {self.size} pixels, {stored_bytes / 1e9:,.3g} GB: "
                f"this service cuts at most {limits.patches:,} and {limits.export_bytes / 1e9:,.3g} GB: choose a "
                "smaller place or a longer stride"
            )

    @property
    def patches(self) -> int:
        """About how many are cut from the place."""
        return self._stored(self.ground.area_km2)[0]

    def _stored(self, area_km2: float) -> tuple[int, int]:
        """About how many patches are cut from ground, and their bytes before compression.

        Overlapping patches store pixels more than once.
        """
        patches = max(1, round(area_km2 * 1e6 / (self.stride * STEP_M) ** 2))
        return patches, patches * self.size**2 * PIXEL_BYTES

    @property
    def inputs(self) -> dict[str, Any]:
        """Plain JSON from which `of` makes the same request."""
        names = {"name": self.name} if self.name else {}
        label = {"labels": self.labels.document()} if self.labels else {"label": self.label}
        patches = {"size": self.size, "stride": self.stride}
        return {**self.ground.identity, "period": self.period} | label | patches | names

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the dataset."""
        server = self.library.settings.server
        return self.inputs | {"project": server.project, "catalog": server.catalog}

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """`isamap export --config export.toml`."""
        server = self.library.settings.server
        options = self.ground.options(folder) | {
            "period": (self.period,),
            **self._label(folder),
            "size": self.size,
            "stride": self.stride,
            "catalog": server.catalog,
            "out": str(folder / DATASET),
        }
        if server.project is not None:
            options["project"] = server.project
        write_whole(folder / OPTIONS, option_files.encode(options).encode())
        return (("export", "--config", OPTIONS),)

    def _label(self, folder: Path) -> dict[str, Any]:
        """The options of the label; drawn ones are written into the folder."""
        if self.labels is None:
            return {"label": (self.label,)}
        write_whole(folder / DRAWN, self.labels.geopackage())
        return {"label": (f"{folder / DRAWN}#column={CLASS}",), "scheme": self.labels.scheme}

    def progress(self, folder: Path) -> tuple[int, str]:
        """`isamap export` tells a terminal only: its log says more."""
        return 0, "cuts patches"

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        """The name of the dataset, for the process train."""
        return {"dataset": {"value": f"{self.name or 'export'}-{job.id[:8]}"}}

    def estimate(self) -> JobEstimate:
        """What `isamap plan` says of the place, and the patches that are cut from it."""
        plan = planned(self.ground, self.period, self.library.settings, {"sensors": USUAL_SENSORS})
        patches, stored_bytes = self._stored(plan.area_km2)
        epoch = epoch_minutes(DEFAULT, patches * self.size**2) or 0.0
        return replace(plan, patches=patches, bytes=stored_bytes, epoch_minutes=round(epoch, 3))
