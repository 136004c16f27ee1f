"""What a user of Google's servers needs before the first export, tested one by one, each with its remedy.

Every right is tested as the identity that the commands will use: that of Earth Engine, for Cloud Storage too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base import login
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.outage import NETWORK, outage
from isamap.gee_export.base.project import check_project
from isamap.gee_export.base.storage import check_bucket
from isamap.gee_export.earth_engine import rights
from isamap.gee_export.earth_engine.handshake import CONFIGURATION, project_remedy

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

# Where a bucket must lie for cloud GeoTIFF assets and ee.Image.loadGeoTIFF
# (https://developers.google.com/earth-engine/Earth_Engine_asset_from_cloud_geotiff); ingestion takes any location.
NEAR_LOCATIONS = ("US", "US-CENTRAL1", "NAM4")
STANDARD = ("STANDARD", "MULTI_REGIONAL", "REGIONAL")  # the latter two are former names of it
PROBE = "isamap-check"
WAIT_S = 30


@dataclass(frozen=True)
class CheckRow:
    """One test: ok is None where it could not be made; only required ones must pass.

    fix: gcloud lines that bring what is missing.
    """

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""
    required: bool = True
    fix: tuple[str, ...] = ()

    def __str__(self) -> str:
        mark = {True: "ok", False: "FAILED" if self.required else "note", None: "not tested"}[self.ok]
        line = f"{mark:<11}{self.name:<15}{self.detail}"
        return f"{line}\n{'':<26}-> {self.remedy}" if self.remedy and not self.ok else line


@dataclass(frozen=True)
class CheckReport:
    """Every test in order. with_fixes: whether the gcloud lines are printed too."""

    rows: tuple[CheckRow, ...]
    with_fixes: bool = False

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows if row.required)

    @property
    def fixes(self) -> tuple[str, ...]:
        """The gcloud lines of all rows that did not pass, each once."""
        return tuple(dict.fromkeys(line for row in self.rows if not row.ok for line in row.fix))

    def __str__(self) -> str:
        lines = [*map(str, self.rows), *(["everything needed is there"] if self.ok else [])]
        if self.with_fixes and self.fixes:
            lines += ["", "gcloud lines for whoever owns the project:", *self.fixes]
        return "\n".join(lines)


def check(project: str | None = None, bucket: str | None = None) -> CheckReport:
    """Login, project, Earth Engine, its rights, bucket and its rights; a failed test is a row, never an exception.

    ValueError, before anything is asked, where `project` or `bucket` cannot be a project's or bucket's name.
    """
    from isamap.gee_export.earth_engine.session import LOCAL, connect, users_own

    check_project(project)
    if bucket is not None:
        check_bucket(bucket)
    if project in (None, "", LOCAL):
        return check_session(connect(project), bucket)
    first = login_row(str(project), users_own(str(project)))
    if not first.ok:
        return CheckReport((first, *_untested(*_names(bucket))))
    try:
        session = connect(project)
    except Exception as error:
        words = _words(error)
        row = CheckRow("Earth Engine", False, words, project_remedy(words), fix=_project_fix(str(project), words))
        return CheckReport((first, row, *_untested(*_names(bucket)[1:])))
    return CheckReport((first, *check_session(session, bucket).rows))


def check_session(session: Session, bucket: str | None = None) -> CheckReport:
    """The tests that need a connection, over one that is open."""
    return CheckReport(tuple(_rows_of(session, bucket)))


_LIMIT_ROWS = ("daily limit", "tier")
_BUCKET_ROWS = ("bucket", "bucket rights", "location", "storage class", "bucket writes")


def _names(bucket: str | None) -> tuple[str, ...]:
    return ("Earth Engine", "project", "pixels", "tasks", "writing", *_LIMIT_ROWS, *(_BUCKET_ROWS if bucket else ()))


def _rows_of(session: Session, bucket: str | None) -> Iterator[CheckRow]:
    api = _tested("Earth Engine", _computes, _api_remedy(session.project), fix=_project_fix(session.project, ""))
    yield api
    if not api.ok:
        yield from _untested(*_names(bucket)[1:])
        return
    yield _optional(_tested("project", lambda: rights.registration(session), _api_remedy(session.project)))
    yield _tested("pixels", _pixels, _role_remedy(session, rights.COMPUTE), fix=_grant(session, rights.COMPUTE))
    yield _optional(_tested("tasks", lambda: _tasks(session), _role_remedy(session, rights.WRITE)))
    yield _writing(session)
    yield from _limits(session)
    if bucket:
        yield from _bucket_rows(session, bucket)


def _bucket_rows(session: Session, name: str) -> Iterator[CheckRow]:
    opened = _tested("bucket", lambda: _bucket_words(session, name), _bucket_remedy(session, name))
    lacking = _tested("bucket rights", lambda: _bucket_rights(session, name), _bucket_roles(name))
    create = _create_bucket(session, name)
    missing = opened.ok is False and "does not exist" in opened.detail
    yield replace(opened, fix=(create,) if missing else _bucket_grants(name))
    yield replace(lacking, fix=_bucket_grants(name)) if not missing else replace(lacking, ok=None, remedy="")
    if not opened.ok:
        yield from _untested(*_BUCKET_ROWS[2:])
        return
    yield from _place_rows(session, name)
    yield _tested("bucket writes", lambda: _writes_objects(session.storage_client().bucket(name)), _bucket_roles(name))


def _place_rows(session: Session, name: str) -> Iterator[CheckRow]:
    try:
        bucket = session.storage_client().get_bucket(name, timeout=WAIT_S)
    except Exception as error:  # it was there a moment ago
        yield from (CheckRow(row, None, _words(error)) for row in _BUCKET_ROWS[2:4])
        return
    yield _location(bucket)
    yield _storage_class(bucket)


def _bucket_words(session: Session, name: str) -> str:
    return f"gs://{name} in {session.storage_client().get_bucket(name, timeout=WAIT_S).location}"


def _bucket_rights(session: Session, name: str) -> str:
    if lacking := rights.bucket_lacks(session.storage_client().bucket(name)):
        raise Fault(f"{', '.join(lacking)} on gs://{name} {'is' if len(lacking) == 1 else 'are'} not granted")
    return "its metadata and objects may be read, objects written and deleted"


def login_row(project: str | None = None, given: Any = None) -> CheckRow:
    """Who asks: the credentials that the user gave, else a login of this machine, if Google's login server takes it."""
    try:
        credentials = given or login.stored_credentials(project)
    except login.NoLogin as error:
        return CheckRow("login", False, error.words, error.remedy)
    except Exception as error:
        return CheckRow("login", False, _words(error), NETWORK)
    return CheckRow("login", True, f"{login.identity(credentials)}, for Earth Engine and Cloud Storage")


def _computes() -> str:
    import ee

    if ee.Number(20).add(22).getInfo() != 42:
        raise Fault("the server computed 20 + 22 wrongly")
    return "the API answers"


def _pixels() -> str:
    import ee

    grid = {"dimensions": {"width": 1, "height": 1}, "crsCode": "EPSG:4326"}
    pixels = ee.data.computePixels(
        {"expression": ee.Image.constant(7).toUint8(), "fileFormat": "NUMPY_NDARRAY", "grid": grid}
    )
    if int(pixels["constant"][0][0]) != 7:
        raise Fault("a pixel of the constant 7 is another number")
    return "pixels can be computed: export, map and run work"


def _tasks(session: Session) -> str:
    import ee

    call = ee.data._get_cloud_projects().operations().list(name=f"projects/{session.project}", pageSize=1)
    ee.data._execute_cloud_call(call)
    return "tasks can be listed"


def _writing(session: Session) -> CheckRow:
    """Export tasks, ingestion and assets; a Viewer, who lacks them, can still export and map."""
    return _optional(
        _tested(
            "writing",
            lambda: _may_write(session),
            f"{_role_remedy(session, rights.WRITE)}; without it export, map and run work, "
            f"{rights.WRITE.commands} do not",
            fix=_grant(session, rights.WRITE),
        )
    )


def _may_write(session: Session) -> str:
    try:
        lacking = rights.project_lacks(session, rights.WRITE.permissions)
    except Fault:  # the Resource Manager's API is off, or hidden from this identity
        lacking = rights.assets_lack(session, rights.WRITE.permissions[:1])
    if lacking:
        raise Fault(f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not granted")
    return f"{rights.WRITE.commands} work"


def _limits(session: Session) -> Iterator[CheckRow]:
    """The project's limits of EECU-hours, and the tier that the monthly one tells."""
    if session.is_local:
        yield from (CheckRow(name, True, "none on the local engine", required=False) for name in _LIMIT_ROWS)
        return
    try:
        limits = rights.eecu_limits(session)
    except Exception as error:
        words = f"cannot be read ({_words(error)})"
        yield from (CheckRow(name, None, words, required=False) for name in _LIMIT_ROWS)
        return
    day = f"{limits.day:g} EECU-hours a day; beyond it Google says 'quota exceeded'" if limits.day is not None else ""
    yield CheckRow("daily limit", True, day or "none is set", required=False)
    yield _tier(limits)


def _tier(limits: rights.EecuLimits) -> CheckRow:
    if limits.month is None:
        words = f"Google tells no limit of a month: see {CONFIGURATION} (commercial projects have no tier)"
        return CheckRow("tier", None, words, required=False)
    words = (
        f"{limits.tier or 'none that is known'}: {limits.month:,.6g} EECU-hours a month; beyond it requests get slow"
    )
    return CheckRow("tier", True, words, required=False)


def _writes_objects(bucket: Any) -> str:
    # A random name under a precondition: a check may never write over what lies in a user's bucket.
    blob, content = bucket.blob(f"{PROBE}/{secrets.token_hex(8)}"), secrets.token_bytes(16)
    blob.upload_from_string(content, if_generation_match=0, timeout=WAIT_S)
    try:
        if blob.download_as_bytes(timeout=WAIT_S) != content:
            raise Fault("an object read back differs from what was written")
    finally:
        blob.delete(timeout=WAIT_S)
    return "an object was written, read and deleted"


def _location(bucket: Any) -> CheckRow:
    places = {str(bucket.location).upper(), *(str(region).upper() for region in bucket.data_locations or ())}
    # A dual region says its name alone; where it lies is told by its regions.
    near = bool(places & set(NEAR_LOCATIONS))
    detail = f"{bucket.location}: " + ("beside Earth Engine" if near else "far from Earth Engine")
    remedy = "ingestion works from anywhere, but is slower and billed; cloud GeoTIFF assets need US or us-central1"
    return CheckRow("location", near, detail, remedy, required=False)


def _storage_class(bucket: Any) -> CheckRow:
    kept = str(bucket.storage_class or "STANDARD").upper()
    remedy = "publish --external needs a bucket of class STANDARD; publish without it works"
    return CheckRow("storage class", kept in STANDARD, kept, remedy, required=False)


def _optional(row: CheckRow) -> CheckRow:
    return replace(row, required=False)


def _tested(name: str, test: Callable[[], str], remedy: str, fix: tuple[str, ...] = ()) -> CheckRow:
    try:
        return CheckRow(name, True, test(), fix=fix)
    except Exception as error:  # whatever goes wrong is the row's verdict
        if words := outage(error):
            return CheckRow(name, False, words, NETWORK)
        words = _words(error)
        return CheckRow(name, False, words, project_remedy(words) or remedy, fix=fix)


def _untested(*names: str) -> Iterator[CheckRow]:
    return (CheckRow(name, None, "needs what failed above") for name in names)


def _api_remedy(project: str) -> str:
    return f"enable the Earth Engine API and register the project: {CONFIGURATION}?project={project}"


def _project_fix(project: str, words: str) -> tuple[str, ...]:
    """The gcloud lines for a project that is not served: the API where it is off, else the two roles."""
    if "permission" in words.lower():
        return (rights.USE.grant(project), rights.COMPUTE.grant(project))
    return (f"gcloud services enable earthengine.googleapis.com --project={project}",)


def _role_remedy(session: Session, need: rights.Need) -> str:
    return f"ask for the role {need.title} ({need.role}) on project {session.project}"


def _grant(session: Session, need: rights.Need) -> tuple[str, ...]:
    return (need.grant(session.project),)


def _bucket_roles(name: str) -> str:
    return (
        "ask for the roles Storage Object User (roles/storage.objectUser) and Storage Legacy Bucket Reader "
        f"(roles/storage.legacyBucketReader) on gs://{name}"
    )


def _bucket_grants(name: str) -> tuple[str, ...]:
    line = "gcloud storage buckets add-iam-policy-binding gs://{} --member=user:YOUR_EMAIL --role=roles/storage.{}"
    return tuple(line.format(name, role) for role in ("objectUser", "legacyBucketReader"))


def _create_bucket(session: Session, name: str) -> str:
    return f"gcloud storage buckets create gs://{name} --location=US --project={session.project}"


def _bucket_remedy(session: Session, name: str) -> str:
    if session.is_local:
        return (
            f"check the name; a new bucket of the local engine is made by the first command that writes to gs://{name}"
        )
    return f"check the name, or create it: {_create_bucket(session, name)}; where it exists, {_bucket_roles(name)}"


def _words(error: BaseException) -> str:
    """The server's own sentence: of a storage error the message of its JSON, of others their text on one line."""
    response: Any = getattr(error, "response", None)
    try:
        message = response.json()["error"]["message"]
    except (AttributeError, KeyError, TypeError, ValueError):
        message = str(error) or type(error).__name__
    return " ".join(message.split())
