"""What a service is given when it starts: its folder, what it may use, and its limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from gee_export.base.atomic import local_path
from gee_export.base.storage import bucket_of, is_remote
from inference.serve.database import opened
from inference.serve.job_store import JobStore
from inference.serve.limits import Limits
from inference.tiles.jobs import Server

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # of maps, checkpoints and datasets in requests


@dataclass(frozen=True)
class Settings:
    """folder: of jobs and maps. checkpoints, datasets: folders that requests may name by their last part.

    server: whose pixels are mapped. bucket: where Google ingests from. scheduler: of a Dask cluster that makes tiles.
    lease_s: after so long without a word of its worker a job is given to another. database: the URL of a PostgreSQL
    database of jobs, in place of the folder's SQLite file. maps_at: the folder or gs://BUCKET/FOLDER of finished maps,
    in place of `maps` in the folder.
    """

    folder: Path
    checkpoints: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    server: Server = field(default_factory=Server)
    bucket: str | None = None
    scheduler: str | None = None
    limits: Limits = field(default_factory=Limits)
    lease_s: float = 30.0
    database: str | None = field(default=None, repr=False)  # it may hold a password
    maps_at: str | None = None

    def __post_init__(self) -> None:
        opened(self.database, Path(self.folder))  # a mistake in the URL is refused at once
        object.__setattr__(self, "folder", Path(self.folder).absolute())
        if self.maps_at is not None and not self.are_maps_remote:
            object.__setattr__(self, "maps_at", str(local_path(self.maps_at).absolute()))
        elif self.maps_at is not None and bucket_of(self.maps_at) is None:
            raise ValueError(f"--maps {self.maps_at} names no bucket: expected gs://BUCKET/FOLDER")
        for option, addresses in (("--checkpoint", self.checkpoints), ("--data", self.datasets)):
            names = [name_of(address) for address in addresses]
            for name, address in zip(names, addresses, strict=True):
                if not NAME.fullmatch(name):
                    raise ValueError(f"{option} {address}: its name may hold letters, digits, dots, _ and -: rename it")
                if names.count(name) > 1:
                    raise ValueError(f"{option} {address}: another one is called {name} too: rename a folder")

    @property
    def jobs(self) -> JobStore:
        """The jobs, in the service's database or in its file."""
        return JobStore(opened(self.database, self.folder / "jobs.sqlite"))

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


def name_of(address: str) -> str:
    """The name by which requests call a checkpoint or dataset: its folder's, of RUN/best that of RUN."""
    *_, above, last = ("", *address.rstrip("/").split("/"))
    return above if last in ("best", "last") and above else last
