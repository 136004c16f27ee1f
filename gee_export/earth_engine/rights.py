"""What the identity behind a session may do, asked of Google's own tests of permissions: nothing is written for it.

guides/access_control names the permissions and which role holds them; `projects.testIamPermissions` of the Resource
Manager and `testIamPermissions` of assets and buckets answer with those that the caller has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from isamap.gee_export.base import login
from isamap.gee_export.base.errors import Fault

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

RESOURCE_MANAGER = "https://cloudresourcemanager.googleapis.com/v1/projects"
SERVICE_USAGE = "https://serviceusage.googleapis.com/v1beta1/projects"
DAILY_LIMIT = "daily_eecu_usage_time"  # guides/usage, "EECU-time per day"
# The tiers' quota; no page of Google's names it (2026-11), the lists that projects get from Service Usage do.
MONTHLY_LIMIT = "monthly_eecu_usage_time"
TIERS = {150.0: "Community", 1_000.0: "Contributor", 100_000.0: "Partner"}  # guides/noncommercial_tiers, EECU-hours
LIMIT_S = 30.0


@dataclass(frozen=True)
class Need:
    """Permissions that some commands need, and the predefined role that holds them all."""

    permissions: tuple[str, ...]
    role: str
    title: str
    commands: str

    def grant(self, project: str) -> str:
        """The gcloud line by which the project's owner gives the role."""
        return f"gcloud projects add-iam-policy-binding {project} --member=user:YOUR_EMAIL --role={self.role}"


@dataclass(frozen=True)
class EecuLimits:
    """EECU-hours that a project may compute in a day and in a month; None where no limit is told."""

    day: float | None
    month: float | None

    @property
    def tier(self) -> str | None:
        """The tier of a non-commercial project, by its limit of a month, which is the only word of it; else None."""
        return None if self.month is None else TIERS.get(self.month)


USE = Need(
    ("serviceusage.services.use",), "roles/serviceusage.serviceUsageConsumer", "Service Usage Consumer", "every command"
)
COMPUTE = Need(
    ("earthengine.computations.create",),
    "roles/earthengine.viewer",
    "Earth Engine Resource Viewer",
    "export, map and run",
)
WRITE = Need(
    ("earthengine.assets.create", "earthengine.exports.create", "earthengine.imports.create"),
    "roles/earthengine.writer",
    "Earth Engine Resource Writer",
    "publish, composite and --mode batch",
)
OBJECTS = ("storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list")
BUCKET = "storage.buckets.get"  # not in Storage Object User, but in Storage Legacy Bucket Reader


def project_lacks(session: Session, permissions: Sequence[str]) -> tuple[str, ...]:
    """Those of the permissions that the identity does not have on the project; Fault where nobody says it."""
    if session.is_local:
        return ()
    document = asked(
        session, "POST", f"{RESOURCE_MANAGER}/{session.project}:testIamPermissions", {"permissions": list(permissions)}
    )
    granted = document.get("permissions", [])
    return tuple(name for name in permissions if name not in granted)


def assets_lack(session: Session, permissions: Sequence[str]) -> tuple[str, ...]:
    """Those of the permissions that the identity does not have on the project's root of assets; EEException."""
    import ee

    resource = f"projects/{session.project}/assets/"
    call = (
        ee.data._get_cloud_projects()
        .assets()
        .testIamPermissions(  # the client has no public function for it
            resource=resource, body={"permissions": list(permissions)}
        )
    )
    granted = ee.data._execute_cloud_call(call).get("permissions", [])
    return tuple(name for name in permissions if name not in granted)


def bucket_lacks(bucket: Any) -> tuple[str, ...]:
    """What the identity may not do in a bucket; errors of google-cloud-storage."""
    rights = (BUCKET, *OBJECTS)
    granted = bucket.test_iam_permissions(list(rights), timeout=LIMIT_S)
    return tuple(name for name in rights if name not in granted)


def registration(session: Session) -> str:
    """The project's registration in words (projects.getConfig); EEException where it is not told."""
    import ee

    state = str(ee.data.getProjectConfig().get("registrationState", "REGISTRATION_STATE_UNSPECIFIED"))
    return {
        "REGISTERED_NOT_COMMERCIALLY": "registered for non-commercial use",
        "REGISTERED_COMMERCIALLY": "registered for commercial use",
        "NOT_REGISTERED": "not registered",
    }.get(state, "registered, the kind is not told")


def eecu_limits(session: Session) -> EecuLimits:
    """What the project may compute; Fault where it cannot be read."""
    metrics = [*_quota_metrics(session)]
    return EecuLimits(_hours(metrics, DAILY_LIMIT), _hours(metrics, MONTHLY_LIMIT))


def _quota_metrics(session: Session) -> Iterator[Mapping[str, Any]]:
    """Every quota of Earth Engine in the project, page by page (consumerQuotaMetrics.list)."""
    url, token = f"{SERVICE_USAGE}/{session.project}/services/earthengine.googleapis.com/consumerQuotaMetrics", ""
    while True:
        page = asked(session, "GET", f"{url}?{urlencode({'pageToken': token})}" if token else url, None)
        yield from page.get("metrics", [])
        if not (token := str(page.get("nextPageToken", ""))):
            return


def _hours(metrics: Sequence[Mapping[str, Any]], name: str) -> float | None:
    limits = [
        int(bucket.get("effectiveLimit", -1))
        for metric in metrics
        if name in str(metric.get("metric", ""))
        for limit in metric.get("consumerQuotaLimits", [])
        for bucket in limit.get("quotaBuckets", [])
    ]
    # -1 stands for no limit; of several, as of regions, the smallest binds.
    seconds = min((each for each in limits if each >= 0), default=None)
    return None if seconds is None else seconds / 3600


def asked(session: Session, method: str, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """The answer of another of Google's services to the session's identity; Fault in its words."""
    import requests
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    http = AuthorizedSession(session.google_credentials())
    try:
        reply = http.request(method, url, json=body, timeout=LIMIT_S)
        document = reply.json()
    except requests.RequestException as error:
        raise Fault(f"{url.split('/')[2]} gave no answer: {error}") from error
    except GoogleAuthError as error:
        raise login.refused(error) from error
    if reply.status_code != 200 or not isinstance(document, dict):
        refused = document.get("error", {}) if isinstance(document, dict) else {}
        words = refused.get("message") if isinstance(refused, dict) else ""
        raise Fault(" ".join(str(words or f"HTTP {reply.status_code}").split()))
    return document
