"""Counts of what the service did, in Prometheus' text format.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from isamap.gee_export.base.platform.machine import resident_bytes

MEDIA_TYPE = "text/plain; version=0.0.4"
# Prometheus' own default bounds, which dashboards expect.
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS")
_SERIES = tuple[str, str, int]  # method, route, status


class Metrics:
    """Requests by method, route (never the path, which anybody may make up) and status, and their seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[_SERIES] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._within: Counter[tuple[str, float]] = Counter()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one reply; all methods that clients make up are one."""
        # A series for each word that a client makes up would fill the memory, and Prometheus's.
        method = method if method in METHODS else "OTHER"
        with self._lock:
            self._requests[method, route, status] += 1
            self._seconds[route] += seconds
            for bound in BOUNDS_S:
                self._within[route, bound] += seconds <= bound

    def text(self, jobs: Mapping[str, int], maps: int) -> str:
        """The page of all series; jobs by status."""
        with self._lock:
            requests, seconds, within = self._requests.copy(), self._seconds.copy(), self._within.copy()
        totals: Counter[str] = Counter()
        for (_, route, _), replies in requests.items():
            totals[route] += replies
        lines = [
            *_family("isamap_requests_total", "counter", "Replies.", (
                (f'method="{method}",route="{route}",status="{status}"', replies)
                for (method, route, status), replies in sorted(requests.items()))),
            *_family("isamap_jobs", "gauge", "Jobs by status.", ((f'status="{name}"', n) for name, n in jobs.items())),
            *_family("isamap_maps", "gauge", "Finished maps.", (("", maps),)),
            *_family("isamap_resident_bytes", "gauge", "Memory of the server.", (("", resident_bytes()),)),
            "# HELP isamap_request_seconds Seconds to a reply.",
            "# TYPE isamap_request_seconds histogram",
        ]  # fmt: skip
        for route in sorted(totals):
            bounds = [(f"{bound:g}", within[route, bound]) for bound in BOUNDS_S] + [("+Inf", totals[route])]
            lines += [f'isamap_request_seconds_bucket{{route="{route}",le="{le}"}} {count}' for le, count in bounds]
            lines.append(f'isamap_request_seconds_sum{{route="{route}"}} {seconds[route]:.6f}')
            lines.append(f'isamap_request_seconds_count{{route="{route}"}} {totals[route]}')
        return "\n".join(lines) + "\n"


def _family(name: str, type: str, words: str, values: Iterable[tuple[str, float]]) -> list[str]:
    rows = [f"{name}{{{labels}}} {value:g}" if labels else f"{name} {value:.0f}" for labels, value in values]
    return [f"# HELP {name} {words}", f"# TYPE {name} {type}", *rows]
