"""A worker's lease of a job, which outlasts a short silence of the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from inference.serve.database import Unreachable
from inference.serve.job import Job
from inference.serve.job_store import JobStore


@dataclass
class Lease:
    """A job that was just taken for so many seconds. clock: of this machine, which only goes forward."""

    store: JobStore
    job: Job
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.seconds

    def renew(self, progress: int, message: str) -> bool:
        """Whether the job is still this worker's. Unreachable: the database was silent until the lease ran out."""
        begun = self.clock()
        try:
            is_kept = self.store.renew(self.job, self.seconds, progress=progress, message=message)
        except Unreachable:
            if self.clock() >= self._until:
                raise
            return True
        self._until = begun + self.seconds
        return is_kept
