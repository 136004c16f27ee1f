"""What a service works with and for, as options of `isamap serve`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from isamap.gee_export.base.options import Option
from isamap.inference.mapping.request import Catalog, Project

if TYPE_CHECKING:
    from isamap.inference.serve.limits import Limits
    from isamap.inference.serve.settings import ServiceSettings

GB = 1e9


@dataclass(frozen=True)
class ServiceOptions:
    """The service's folders, its workers, and whose pixels it maps."""

    GROUP: ClassVar[str] = "Service"
    folder: Annotated[str, Option("Of the service's jobs and maps; without it ISAMAP_HOME/service.")] = ""
    checkpoint: Annotated[tuple[str, ...], Option("Runs' folders or checkpoints that requests may name.")] = ()
    data: Annotated[tuple[str, ...], Option("Folders of datasets that training may name.")] = ()
    maps: Annotated[str | None, Option("Folder or gs://BUCKET/FOLDER of finished maps.")] = None
    workers: Annotated[int, Option("Jobs at once; 0: only answer.")] = 1
    scheduler: Annotated[str | None, Option("tcp://HOST:PORT of a Dask cluster that makes tiles.")] = None
    max_cache: Annotated[
        float, Option("Most GB of files made for downloads, and of copies of maps in gs://.", group="Limits")
    ] = 20.0
    bucket: Annotated[str | None, Option("Where Google ingests from; needs --project.", group="Pixels")] = None
    project: Project = None
    catalog: Catalog = "world"

    def settings(self, limits: Limits) -> ServiceSettings:
        """What a service is given when it starts."""
        from isamap.inference.serve.settings import ServiceSettings, default_folder
        from isamap.inference.tiles.jobs import Server

        return ServiceSettings(
            Path(self.folder) if self.folder else default_folder(os.environ),
            checkpoints=self.checkpoint,
            datasets=self.data,
            server=Server(project=self.project, catalog=self.catalog),
            bucket=self.bucket,
            scheduler=self.scheduler,
            limits=replace(limits, cache_bytes=self.max_cache * GB),
            maps_at=self.maps,
        )
