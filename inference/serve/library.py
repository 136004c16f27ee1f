"""What requests may name: checkpoints and datasets that the service was given or made, and its maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.suggest import suggest
from isamap.inference.serve.bucket_maps import BucketMaps
from isamap.inference.serve.cache import Cache
from isamap.inference.serve.job import SUCCESSFUL
from isamap.inference.serve.map_store import Maps, MapStore, StoredMap
from isamap.inference.serve.settings import ServiceSettings, name_of

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint

SENTINEL_STEP_M = 10.0
RUN, DATASET = "run", "dataset"  # folders of training and export jobs
FIRST_NETWORK = "first-network"  # the process whose jobs have both


@dataclass(frozen=True)
class Library:
    """The service's things by name. A name is looked up in a list, never made into a path."""

    settings: ServiceSettings

    @cached_property
    def maps(self) -> Maps:
        """Finished maps."""
        settings = self.settings
        if settings.maps_at is not None and settings.are_maps_remote:
            copies = Cache(settings.maps, settings.limits.cache_bytes)
            return BucketMaps(settings.maps_at, settings.server, copies)
        return MapStore(settings.maps)

    def checkpoints(self) -> dict[str, str]:
        """Addresses of checkpoints by name: those of the command line, then those of finished training jobs."""
        configured = {name_of(address): address for address in self.settings.checkpoints}
        # The command line's last: a job's network must not take the place of one that the owner has named.
        return dict(self._of_jobs("train", RUN)) | dict(self._of_jobs(FIRST_NETWORK, RUN)) | configured

    def datasets(self) -> dict[str, str]:
        """Addresses of datasets by name: those of the command line, then those of finished exports."""
        configured = {name_of(address): address for address in self.settings.datasets}
        return dict(self._of_jobs("export", DATASET)) | dict(self._of_jobs(FIRST_NETWORK, DATASET)) | configured

    def checkpoint(self, name: str) -> Checkpoint:
        """The checkpoint of a name; ValueError where there is none."""
        return _loaded(_chosen("checkpoint", name, self.checkpoints()))

    def address(self, name: str) -> str:
        """Where a checkpoint lies; ValueError where there is none."""
        return _chosen("checkpoint", name, self.checkpoints())

    def dataset(self, name: str) -> str:
        """Where a dataset lies; ValueError where there is none."""
        return _chosen("dataset", name, self.datasets())

    def map(self, id: str) -> StoredMap:
        """The map of an id; ValueError where there is none."""
        stored = self.maps.map(id)
        if stored is None:
            raise ValueError(f"map {id!r} is not there: GET /maps lists them")
        return stored

    def descriptions(self) -> list[dict[str, Any]]:
        """Every checkpoint that can be read, as people choose among them."""
        rows = []
        for name, address in self.checkpoints().items():
            try:
                rows.append(_described(name, _loaded(address)))
            except (ValueError, Fault):
                continue
        return rows

    def _of_jobs(self, process: str, folder: str) -> Iterator[tuple[str, str]]:
        for job in self.settings.jobs.jobs(status=SUCCESSFUL, process=process, limit=1000):
            path = self.settings.work(job.id) / folder
            if path.is_dir():
                yield f"{job.inputs.get('name') or process}-{job.id[:8]}", str(path)


def _chosen(noun: str, name: str, table: dict[str, str]) -> str:
    if name not in table:
        hint = suggest(name, table, most=3, cutoff=0.4) or f"expected {', '.join(table) or 'none: there are none yet'}"
        raise ValueError(f"{noun} {name!r} is not there: {hint}")
    return table[name]


def _loaded(address: str) -> Checkpoint:
    return _of_version(address, _version(Path(address)))


@lru_cache(maxsize=64)
def _of_version(address: str, _: float) -> Checkpoint:
    from isamap.training.checkpoints.checkpoint import load

    return load(address)


def _version(folder: Path) -> float:
    """The latest change of a checkpoint's description, by which a cached one is known to be old."""
    files = [*folder.glob("checkpoint.json"), *folder.glob("*/checkpoint.json")]
    return max((file.stat().st_mtime for file in files), default=0.0)


def _described(name: str, trained: Checkpoint) -> dict[str, Any]:
    step_m = float(trained.dataset.get("step_m") or SENTINEL_STEP_M)
    return {
        "name": name,
        "network": trained.model,
        "classes": list(trained.classes),
        "bands": len(trained.bands),
        "scale": trained.scale,
        "simulated": trained.simulated,
        "size_m": step_m / trained.scale,
    }
