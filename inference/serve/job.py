"""One job: what was asked for, its name made of that, and how far it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# OGC 18-062r2, 7.12 (statusCode.yaml)
ACCEPTED, RUNNING, SUCCESSFUL, FAILED, DISMISSED = "accepted", "running", "successful", "failed", "dismissed"
STATES = (ACCEPTED, RUNNING, SUCCESSFUL, FAILED, DISMISSED)
OPEN = (ACCEPTED, RUNNING)
ID = re.compile(r"[0-9a-f]{32}")


def canonical(value: Any) -> str:
    """JSON with sorted names and no spaces: equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def job_id(process: str, identity: Mapping[str, Any]) -> str:
    """32 hexadecimal digits of the SHA-256 of all that decides the result, so that equal requests are one job."""
    return hashlib.sha256(canonical({"process": process, "inputs": identity}).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Job:
    """A row of the store. Times are seconds since 1970. owner: a digest of the token, "" without one.

    attempt: how often a worker began it. worker, lease_s: who works on it, and until when it need not say so again.
    """

    id: str
    process: str
    inputs: Mapping[str, Any]
    owner: str
    status: str
    message: str
    progress: int
    attempt: int
    created_s: float
    updated_s: float
    started_s: float | None = None
    finished_s: float | None = None
    worker: str | None = None
    lease_s: float | None = None
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.status in OPEN

    def info(self) -> dict[str, Any]:
        """statusInfo of OGC API - Processes, with the inputs beside it."""
        times = {"created": self.created_s, "started": self.started_s, "finished": self.finished_s}
        times["updated"] = self.updated_s
        return {
            "jobID": self.id,
            "processID": self.process,
            "type": "process",
            "status": self.status,
            "message": self.message,
            "progress": self.progress,
            **{name: moment(seconds) for name, seconds in times.items() if seconds is not None},
            "inputs": dict(self.inputs),
            "links": self._links(),
        }

    def _links(self) -> list[dict[str, str]]:
        links = [
            {"rel": "self", "href": f"/jobs/{self.id}", "type": "application/json", "title": "This job"},
            {"rel": "monitor", "href": f"/jobs/{self.id}/log", "type": "text/plain", "title": "What it has said"},
        ]
        if self.status == SUCCESSFUL:
            rel = "http://www.opengis.net/def/rel/ogc/1.0/results"
            links.append({"rel": rel, "href": f"/jobs/{self.id}/results", "type": "application/json"})
        return links


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
