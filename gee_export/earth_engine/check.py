"""What a user of Google's servers needs before the first export, tested one by one, each with its remedy."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gee_export.base.errors import Fault
from gee_export.base.outage import NETWORK, outage

if TYPE_CHECKING:
    from gee_export.earth_engine.session import Session

# Where a bucket must lie for cloud GeoTIFF assets and ee.Image.loadGeoTIFF
# (https://developers.google.com/earth-engine/Earth_Engine_asset_from_cloud_geotiff); ingestion takes any location.
NEAR_LOCATIONS = ("US", "US-CENTRAL1", "NAM4")
PROBE = "isamap-check"


@dataclass(frozen=True)
class Row:
    """One test: ok is None where it could not be made because an earlier one failed; only required ones must pass."""

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""
    required: bool = True

    def __str__(self) -> str:
        mark = {True: "ok", False: "FAILED" if self.required else "note", None: "not tested"}[self.ok]
        line = f"{mark:<11}{self.name:<15}{self.detail}"
        return f"{line}\n{'':<26}-> {self.remedy}" if self.remedy and not self.ok else line


@dataclass(frozen=True)
class CheckReport:
    """Every test in order."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows if row.required)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.rows), *(["everything needed is there"] if self.ok else [])])


def check(project: str | None = None, bucket: str | None = None) -> CheckReport:
    """Login, Earth Engine API, asset folder, bucket, its location and write rights; never raises for a failed test."""
    from gee_export.earth_engine.session import LOCAL, connect

    rows = [] if project in (None, "", LOCAL) else [_login()]
    if rows and not rows[0].ok:
        return CheckReport((*rows, *_untested("Earth Engine", "assets", *(_BUCKET_ROWS if bucket else ()))))
    try:
        session = connect(project)
    except Fault as error:
        row = Row("Earth Engine", False, str(error))  # with its remedy
        return CheckReport((*rows, row, *_untested("assets", *(_BUCKET_ROWS if bucket else ()))))
    return CheckReport((*rows, *check_session(session, bucket).rows))


def check_session(session: Session, bucket: str | None = None) -> CheckReport:
    """The tests that need a connection, over one that is open."""
    return CheckReport(tuple(_rows_of(session, bucket)))


_BUCKET_ROWS = ("bucket", "location", "bucket writes")


def _rows_of(session: Session, bucket: str | None) -> Iterator[Row]:
    yield _tested("Earth Engine", _computes, _api_remedy(session.project))
    yield _tested(
        "assets",
        lambda: _writes_assets(session.project),
        f"ask for the role Earth Engine Resource Writer (roles/earthengine.writer) on project {session.project}",
    )
    if bucket:
        yield from _bucket_rows(session, bucket)


def _bucket_rows(session: Session, name: str) -> Iterator[Row]:
    client = session.storage_client()
    exists = _tested(
        "bucket",
        lambda: f"gs://{name} in {client.get_bucket(name, timeout=30).location}",
        _bucket_remedy(session, name),
    )
    yield exists
    if not exists.ok:
        yield from _untested(*_BUCKET_ROWS[1:])
        return
    yield _location(client.get_bucket(name))
    yield _tested(
        "bucket writes",
        lambda: _writes_objects(client.bucket(name)),
        f"ask for the role Storage Object User (roles/storage.objectUser) on gs://{name}",
    )


def _login() -> Row:
    import ee
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        ee.data.get_persistent_credentials()
    except (ee.EEException, GoogleAuthError, OSError) as error:
        if isinstance(error, TransportError) and (words := outage(error)):
            return Row("login", False, f"Google's login server was not reached: {words}", NETWORK)
        return Row("login", False, _words(error), "run `earthengine authenticate`")
    return Row("login", True, "credentials found")


def _computes() -> str:
    import ee

    if ee.Number(20).add(22).getInfo() != 42:
        raise Fault("the server computed 20 + 22 wrongly")
    return "the API answers"


def _writes_assets(project: str) -> str:
    import ee

    folder = f"projects/{project}/assets/{PROBE}-{secrets.token_hex(4)}"
    ee.data.createFolder(folder)
    ee.data.deleteAsset(folder)
    return f"projects/{project}/assets can be written"


def _writes_objects(bucket: Any) -> str:
    blob, content = bucket.blob(f"{PROBE}/{secrets.token_hex(8)}"), secrets.token_bytes(16)
    blob.upload_from_string(content, if_generation_match=0, timeout=30)
    try:
        if blob.download_as_bytes(timeout=30) != content:
            raise Fault("an object read back differs from what was written")
    finally:
        blob.delete(timeout=30)
    return "an object was written, read and deleted"


def _location(bucket: Any) -> Row:
    places = {str(bucket.location).upper(), *(str(region).upper() for region in bucket.data_locations or ())}
    near = bool(places & set(NEAR_LOCATIONS))
    detail = f"{bucket.location}: " + ("beside Earth Engine" if near else "far from Earth Engine")
    remedy = "ingestion works from anywhere, but is slower and billed; cloud GeoTIFF assets need US or us-central1"
    return Row("location", near, detail, remedy, required=False)


def _tested(name: str, test: Callable[[], str], remedy: str) -> Row:
    import ee
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        return Row(name, True, test())
    except (ee.EEException, GoogleAPIError, GoogleAuthError, Fault, OSError, ValueError) as error:
        if words := outage(error):
            return Row(name, False, words, NETWORK)
        return Row(name, False, _words(error), remedy)


def _untested(*names: str) -> Iterator[Row]:
    return (Row(name, None, "needs what failed above") for name in names)


def _api_remedy(project: str) -> str:
    return (
        "enable the Earth Engine API and register the project: "
        f"https://console.cloud.google.com/earth-engine/configuration?project={project}"
    )


def _bucket_remedy(session: Session, name: str) -> str:
    if session.is_local:
        return (
            f"check the name; a new bucket of the local engine is made by the first command that writes to gs://{name}"
        )
    create = f"gcloud storage buckets create gs://{name} --location=US --project={session.project}"
    return f"check the name, or create it: {create}"


def _words(error: BaseException) -> str:
    """The server's own sentence: of a storage error the message of its JSON, of others their text on one line."""
    response: Any = getattr(error, "response", None)
    try:
        message = response.json()["error"]["message"]
    except (AttributeError, KeyError, TypeError, ValueError):
        message = str(error)
    return " ".join(message.split())
