"""The processor time that computations took, by workload tag.

Google records Earth Engine compute units by tag (https://developers.google.com/earth-engine/guides/monitoring_usage).
What is counted here are CPU seconds of this machine, which nobody has compared with Google's units.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from local_ee.errors import EngineError

# What the `ee` client (1.7.50, ee/_state.py) accepts as a tag before it sends one.
TAG = re.compile(r"[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?")
UNTAGGED = ""
# Of every computed answer. The emulator's own: no document of Google's names such a header.
CPU_HEADER = "x-local-engine-cpu-seconds"


class Usage:
    """CPU seconds by workload tag, counted in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}

    def add(self, tag: str, seconds: float) -> None:
        """Counts a computation that has ended."""
        with self._lock:
            self._seconds[tag] = self._seconds.get(tag, 0.0) + seconds

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """What each tag has used since the engine started; what came without a tag under UNTAGGED."""
        with self._lock:
            return dict(self._seconds)


def checked_tag(request: Mapping[str, Any]) -> str:
    """The workloadTag of a request's body or query, UNTAGGED without one; EngineError for a malformed one."""
    tag = request.get("workloadTag") or UNTAGGED
    if tag != UNTAGGED and not (isinstance(tag, str) and TAG.fullmatch(tag)):
        raise EngineError(
            f"Invalid workload tag '{tag}': expected 1 to 63 of a-z, 0-9, dashes and underscores, beginning and "
            "ending with a letter or digit."
        )
    return tag
