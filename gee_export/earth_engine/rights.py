"""What the identity behind a session may do, asked of Google's own tests of permissions: nothing is written for it.

guides/access_control names the permissions and which role holds them; `projects.testIamPermissions` of the Resource
Manager and `testIamPermissions` of assets and buckets answer with those that the caller has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base import login
from isamap.gee_export.base.errors import Fault

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

RESOURCE_MANAGER = "https://cloudresourcemanager.googleapis.com/v1/projects"
SERVICE_USAGE = "https://serviceusage.googleapis.com/v1beta1/projects"
DAILY_LIMIT = "daily_eecu_usage_time"  # guides/usage, "EECU-time per day"
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


def daily_eecu_hours(session: Session) -> float | None:
    """The EECU-hours that the project may use a day; None without a limit, Fault where it cannot be read."""
    url = f"{SERVICE_USAGE}/{session.project}/services/earthengine.googleapis.com/consumerQuotaMetrics"
    for metric in asked(session, "GET", url, None).get("metrics", []):
        if DAILY_LIMIT not in str(metric.get("metric", "")):
            continue
        buckets = [each for limit in metric.get("consumerQuotaLimits", []) for each in limit.get("quotaBuckets", [])]
        seconds = [int(each.get("effectiveLimit", -1)) for each in buckets]
        return (
            # -1 stands for no limit; of several, as of regions, the smallest binds.
            min((each for each in seconds if each >= 0), default=0) / 3600
            if any(each >= 0 for each in seconds)
            else None
        )
    return None


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
