"""What Google counted for a project's requests, by workload tag: Cloud Monitoring's numbers, minutes late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from isamap.gee_export.earth_engine.rights import asked

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

MONITORING = "https://monitoring.googleapis.com/v3/projects"
METRIC = "earthengine.googleapis.com/project/cpu/usage_time"  # guides/monitoring_usage; EECU seconds


def eecu_seconds(session: Session, since: datetime) -> Mapping[str, float]:
    """EECU seconds by workload tag since a moment (UTC); Fault where Monitoring does not answer this identity.

    The role Monitoring Viewer is needed. Numbers lag by minutes, so a tag of just now may be missing.
    """
    query = {
        "filter": f'metric.type = "{METRIC}"',
        "interval.startTime": since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "interval.endTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    document = asked(session, "GET", f"{MONITORING}/{session.project}/timeSeries?{urlencode(query)}", None)
    seconds: dict[str, float] = {}
    for series in document.get("timeSeries", []):
        tag = str(series.get("metric", {}).get("labels", {}).get("workload_tag", ""))
        points = (point.get("value", {}) for point in series.get("points", []))
        total = sum(float(value.get("doubleValue", value.get("int64Value", 0))) for value in points)
        seconds[tag] = seconds.get(tag, 0.0) + total
    return seconds
