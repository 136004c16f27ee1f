"""What the making of a tile takes of its process."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Clocks of this process."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> Usage:
        return cls(time.monotonic(), time.process_time())

    def until_now(self) -> dict[str, Any]:
        """Seconds and CPU seconds since, and the most memory that the process has had so far."""
        now = Usage.now()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "seconds": round(now.wall_s - self.wall_s, 3),
            "cpu_s": round(now.cpu_s - self.cpu_s, 3),
            "peak_mb": round(peak_mb),
            "process": os.getpid(),
        }
