"""The process `publish`: a map as an Earth Engine asset, with the lines that show it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.earth_engine.assets import check_asset_name, check_server
from isamap.inference.publishing.snippet import javascript, python
from isamap.inference.serve import request_fields
from isamap.inference.serve.assess_request import MAP
from isamap.inference.serve.estimate import JobEstimate
from isamap.inference.serve.job import Job
from isamap.inference.serve.library import Library

LOCAL = "local"  # the local engine's project
INPUTS: dict[str, dict[str, Any]] = {
    "map": {"title": "The map, by its id in GET /maps", "schema": {"type": "string", "maxLength": 100}},
    "asset": {
        "title": "projects/PROJECT/assets/FOLDER/NAME",
        "schema": {"type": "string", "maxLength": 500, "pattern": "^projects/[^/]+/assets/.+$"},
    },
}


@dataclass(frozen=True)
class PublishRequest:
    """An upload as a request asks for it, checked."""

    map: str
    asset: str
    library: Library

    @classmethod
    def of(cls, inputs: Any, library: Library) -> PublishRequest:
        """From inputs; ValueError says what is wrong with them."""
        fields = request_fields.check_names(inputs, INPUTS)
        id, asset = request_fields.name(fields, "map"), fields.get("asset")
        if not isinstance(asset, str) or len(asset) > 500:
            raise ValueError("asset: expected projects/PROJECT/assets/NAME, with folders before NAME if wanted")
        check_asset_name(asset)
        server = library.settings.server
        project = asset.split("/")[1]
        if server.project is None and project != LOCAL:
            raise ValueError(
                f"asset {asset!r}: this service is not connected to project {project!r}: start it with --project, or "
                f"publish into the local engine as projects/{LOCAL}/assets/NAME"
            )
        if server.project is not None:
            check_server(asset, server.project)
        if server.project is not None and library.settings.bucket is None:
            raise ValueError("this service was started without --bucket, from which Google ingests: it cannot publish")
        library.map(id)
        return cls(id, asset, library)

    @property
    def inputs(self) -> dict[str, Any]:
        """Plain JSON from which `of` makes the same request."""
        return {"map": self.map, "asset": self.asset}

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the asset: also the map's content and the project that pays."""
        project = self.library.settings.server.project
        return self.inputs | {"version": self.library.map(self.map).version, "project": project}

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """`isamap publish`; the same content again does nothing."""
        settings = self.library.settings
        google = ("--project", settings.server.project, "--bucket", settings.bucket or "")
        options = google if settings.server.project else ()
        return (("publish", str(self.library.map(self.map).kept_in(folder / MAP)), "--asset", self.asset, *options),)

    def progress(self, folder: Path) -> tuple[int, str]:
        """Earth Engine says no percent of an ingestion that is worth showing."""
        return 0, "uploads, then waits for Earth Engine"

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        """The asset, and lines that show it: Python's, and the Code Editor's, which reads no local asset ("" then)."""
        legend = self.library.map(self.map).file.legend
        code = "" if self.library.settings.server.project is None else javascript(self.asset, legend)
        return {"asset": self.asset, "code": code, "python": python(self.asset, legend)}

    def estimate(self) -> JobEstimate:
        """The bytes that are uploaded."""
        files = self.library.map(self.map).pixels().files
        return JobEstimate(bytes=sum(file.stat().st_size for file in files), notes=("an ingestion takes minutes",))
