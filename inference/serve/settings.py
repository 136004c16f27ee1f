"""What a service is given when it starts: its folder, what it may use, and its limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from isamap.gee_export.base.atomic import local_path
from isamap.gee_export.base.storage import bucket_of, check_bucket, is_remote
from isamap.inference.serve.database import JobFile
from isamap.inference.serve.job_store import JobStore
from isamap.inference.serve.limits import Limits
from isamap.inference.tiles.jobs import Server

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # of maps, checkpoints and datasets in requests


@dataclass(frozen=True)
class ServiceSettings:
    """folder: of jobs and maps. checkpoints, datasets: folders that requests may name by their last part.

    server: whose pixels are mapped. bucket: where Google ingests from. scheduler: of a Dask cluster that makes tiles.
    lease_s: after so long without a word of its worker a job is given to another. maps_at: the folder or
    gs://BUCKET/FOLDER of finished maps, in place of `maps` in the folder.
    """

    folder: Path
    checkpoints: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    server: Server = field(default_factory=Server)
    bucket: str | None = None
    scheduler: str | None = None
    limits: Limits = field(default_factory=Limits)
    lease_s: float = 30.0
    maps_at: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).absolute())
        if self.maps_at is not None and not self.are_maps_remote:
            object.__setattr__(self, "maps_at", str(local_path(self.maps_at).absolute()))
        elif self.maps_at is not None and bucket_of(self.maps_at) is None:
            raise ValueError(f"--maps {self.maps_at} names no bucket: expected gs://BUCKET/FOLDER")
        if self.bucket is not None:
            check_bucket(self.bucket)
        for option, addresses in (("--checkpoint", self.checkpoints), ("--data", self.datasets)):
            names = [name_of(address) for address in addresses]
            for name, address in zip(names, addresses, strict=True):
                if not NAME.fullmatch(name):
                    raise ValueError(f"{option} {address}: its name may hold letters, digits, dots, _ and -: rename it")
                if names.count(name) > 1:
                    raise ValueError(f"{option} {address}: another one is called {name} too: rename a folder")

    @property
    def jobs(self) -> JobStore:
        """The jobs, in a file of the service's folder."""
        return JobStore(JobFile(self.folder / "jobs.sqlite"))

    @property
    def are_maps_remote(self) -> bool:
        """Whether finished maps lie in a bucket."""
        return self.maps_at is not None and is_remote(self.maps_at)

    @property
    def maps(self) -> Path:
        """The folder of finished maps, or of copies of those that lie in a bucket."""
        if self.are_maps_remote:
            return self.folder / "copies"
        return self.folder / "maps" if self.maps_at is None else Path(self.maps_at)

    def work(self, job: str) -> Path:
        """The folder of a job, named by its id."""
        return self.folder / "jobs" / job


def default_folder(environment: Mapping[str, str]) -> Path:
    """`service` in ISAMAP_HOME, or in the platform's folder of the user's data.

    The same from wherever the command is given, so that no map seems lost in another working folder.
    """
    home = environment.get("ISAMAP_HOME")
    return (Path(home).expanduser() if home else platformdirs.user_data_path("isamap")) / "service"


def name_of(address: str) -> str:
    """The name by which requests call a checkpoint or dataset: its folder's, of RUN/best that of RUN."""
    *_, above, last = ("", *address.rstrip("/").split("/"))
    return above if last in ("best", "last") and above else last
