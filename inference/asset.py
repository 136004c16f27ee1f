"""A map as an Earth Engine image asset: uploaded once, ingested, checked, and the lines that show it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gee_export.base.errors import Fault
from gee_export.base.progress_bar import ProgressBar
from inference import manifest
from inference.arguments import checked_argument
from inference.map_file import MapFile, open_map
from inference.snippet import javascript, python
from inference.upload import checked_content, content_name, content_sha256, open_bucket, upload

if TYPE_CHECKING:
    from gee_export.earth_engine.session import Session

LOCAL_BUCKET = "isamap-maps"
Build = Callable[[Sequence[str], str], Mapping[str, Any]]  # the manifest of gs:// addresses and a content's hash
FIRST_WAIT_S, LONGEST_WAIT_S, WAIT_GROWTH = 0.1, 30.0, 1.5
NOT_FOUND = 404


@dataclass(frozen=True)
class PublishReport:
    """The asset, where the map's files were uploaded, and how to look at it; printed as instructions."""

    asset: str
    uris: tuple[str, ...]
    already_there: bool
    simulated: bool
    javascript: str
    python: str

    def __str__(self) -> str:
        state = "already there with this content" if self.already_there else f"made from {' and '.join(self.uris)}"
        lines = [f"asset {self.asset}: {state}"]
        if self.simulated:
            lines.append("simulated: its property `simulated` says so")
        shown = f"\nCode Editor (https://code.earthengine.google.com):\n{self.javascript}\n\nPython:\n{self.python}"
        return "\n".join([*lines, shown])


def publish(
    path: str | os.PathLike[str],
    *,
    asset: str,
    project: str | None = None,
    bucket: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> PublishReport:
    """The map as an image asset: its files uploaded under names made of their content, ingested, waited for.

    project: Google's servers (which need `bucket`), else the local engine. The same content again does nothing;
    other content under the name is refused unless `overwrite`. ValueError: the user's mistakes. Fault: the server's.
    """
    map_file = open_map(checked_argument("path", path, str))
    target = Target(asset, project=project, bucket=bucket, overwrite=overwrite)
    uris = target.fill(map_file.files, partial(manifest.build, map_file, asset), progress=progress)
    return report(map_file, asset, uris or (), already_there=uris is None)


@dataclass(frozen=True)
class Target:
    """Where an asset goes: its name, the project and bucket, and whether other content under the name is replaced."""

    asset: str
    project: str | None = None
    bucket: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        manifest.check_asset_name(checked_argument("asset", self.asset, str))
        checked_argument("project", self.project, str | None)
        checked_argument("bucket", self.bucket, str | None)
        checked_argument("overwrite", self.overwrite, bool)

    def fill(self, files: Sequence[Path], build: Build, *, progress: bool) -> tuple[str, ...] | None:
        """Uploads the files and ingests what `build` makes of their gs:// addresses and their common hash.

        Those addresses, or None where the asset already has this content.
        """
        contents = [checked_content(file) for file in files]

        def uploaded(session: Session) -> tuple[str, ...]:
            bucket = open_bucket(session, self.bucket or LOCAL_BUCKET)
            return tuple(
                upload(file, content, bucket, content_name(file, content), progress=progress)
                for file, content in zip(files, contents, strict=True)
            )

        sha256 = content_sha256([content.sha256 for content in contents])
        return self.ingest(sha256, uploaded, build, progress=progress)

    def ingest(
        self, sha256: str, uris_of: Callable[[Session], tuple[str, ...]], build: Build, *, progress: bool
    ) -> tuple[str, ...] | None:
        """Ingests what `build` makes of the gs:// addresses that `uris_of` gives; returns as `fill`.

        sha256: of the content. The addresses are asked for only where the asset has another content or none.
        """
        with clear_errors():
            session = connected(self.project, self.bucket)
            if existing(self.asset, sha256, overwrite=self.overwrite) == sha256:
                return None
            uris = uris_of(session)
            _ingest(build(uris, sha256), overwrite=self.overwrite, progress=progress)
        return uris

    def make_collection(self) -> None:
        """An empty image collection of that name, unless it is there; ValueError where something else is."""
        with clear_errors():
            connected(self.project, self.bucket)
            make_parents(self.asset)
            if _info(self.asset) is None:
                _make_container("IMAGE_COLLECTION", self.asset)
            if (_info(self.asset) or {}).get("type") != "IMAGE_COLLECTION":
                raise ValueError(f"asset {self.asset} is there and no image collection: choose another --asset")


def report(map_file: MapFile, asset: str, uris: Sequence[str], *, already_there: bool) -> PublishReport:
    simulated = map_file.tags.get("simulated") == "true"
    lines = javascript(asset, map_file.legend), python(asset, map_file.legend)
    return PublishReport(asset, tuple(uris), already_there, simulated, *lines)


def connected(project: str | None, bucket: str | None) -> Session:
    from gee_export.earth_engine.session import LOCAL, connect

    if not project and bucket:
        raise ValueError(
            f"--bucket {bucket} is where Google ingests from, and without --project nothing goes to Google: "
            "add --project NAME, or leave --bucket out"
        )
    if project not in (None, "", LOCAL) and not bucket:
        raise ValueError(
            "Earth Engine ingests from Cloud Storage: give --bucket NAME, a bucket that you may write to "
            "(`isamap check --project P --bucket NAME` tests it)"
        )
    return connect(project)


def existing(asset: str, sha256: str, *, overwrite: bool) -> str | None:
    """The content hash of the asset that is there, or None; ValueError where it is in the way."""
    info = _info(asset)
    if info is None:
        return None
    if info.get("type") != "IMAGE":
        raise ValueError(f"asset {asset} is of type {info.get('type')} already: choose another name")
    stored_sha256 = str(info.get("properties", {}).get(manifest.CONTENT_PROPERTY, "unknown content"))
    if stored_sha256 != sha256 and not overwrite:
        raise ValueError(
            f"asset {asset} exists with other content ({stored_sha256[:12]}, this map is {sha256[:12]}): "
            "choose another --asset, or replace it with --overwrite"
        )
    return stored_sha256


def _ingest(image_manifest: Mapping[str, Any], *, overwrite: bool, progress: bool) -> None:
    """Starts the ingestion and waits for it; Fault with the server's reason where it fails."""
    import ee

    manifest.check(image_manifest)
    make_parents(image_manifest["name"])
    request_id = ee.data.newTaskId(1)[0]  # makes a repeated request harmless
    started = ee.data.startIngestion(request_id, dict(image_manifest), overwrite)
    operation = _wait(started["name"], progress=progress)
    if "error" in operation:
        reason = operation["error"].get("message", "no reason given")
        if content_of(image_manifest["name"]) == image_manifest["properties"][manifest.CONTENT_PROPERTY]:
            return  # an earlier, interrupted command had started the same ingestion
        raise Fault(f"ingestion of {image_manifest['name']} failed: {reason}")
    if content_of(image_manifest["name"]) != image_manifest["properties"][manifest.CONTENT_PROPERTY]:
        raise Fault(
            f"{image_manifest['name']} was ingested, but the asset holds other content: another process wrote it"
        )


def info_of(collection: str, project: str | None) -> list[Mapping[str, Any]]:
    """The images of a collection as Earth Engine lists them; ValueError where there is no such collection."""
    import ee

    from gee_export.earth_engine.session import connect

    with clear_errors():
        connect(project)
        info = _info(collection)
        if info is None or info.get("type") != "IMAGE_COLLECTION":
            raise ValueError(f"asset {collection} is no image collection: make it with `isamap publish --collection`")
        children = ee.data.listAssets({"parent": collection})["assets"]
        return [child for child in children if child.get("type") == "IMAGE"]


def make_parents(asset: str) -> None:
    """Folders above the asset; ValueError where an image stands in their place."""
    parts = asset.split("/")
    for depth in range(4, len(parts)):
        parent = "/".join(parts[:depth])
        info = _info(parent)
        if info is None:
            _make_container("FOLDER", parent)
        elif info.get("type") not in ("FOLDER", "IMAGE_COLLECTION"):
            raise ValueError(f"asset {parent} is of type {info.get('type')}, no folder: choose another --asset")


def _make_container(asset_type: str, asset: str) -> None:
    import ee

    try:
        ee.data.createAsset({"type": asset_type}, asset)
    except ee.EEException:
        if _info(asset) is None:  # unless another process made it in between
            raise


def content_of(asset: str) -> str | None:
    info = _info(asset) or {}
    return info.get("properties", {}).get(manifest.CONTENT_PROPERTY)


def _info(asset: str) -> Mapping[str, Any] | None:
    """The asset's description, or None where there is none."""
    import ee

    try:
        return ee.data.getAsset(asset)
    except ee.EEException as error:
        if getattr(getattr(error.__context__, "resp", None), "status", None) == NOT_FOUND:
            return None
        raise


def _wait(name: str, *, progress: bool) -> Mapping[str, Any]:
    """The finished operation; polled at growing intervals."""
    import ee

    wait_s = FIRST_WAIT_S
    bar_format = "{desc}: {elapsed} {postfix}"
    with ProgressBar(desc="ingest", bar_format=bar_format, disable=not progress) as bar:
        while not (operation := ee.data.getOperation(name)).get("done"):
            state = operation.get("metadata", {})
            bar.set_postfix_str(f"{state.get('state', 'PENDING')} {float(state.get('progress', 0)):.0%} ({name})")
            time.sleep(wait_s)
            wait_s = min(wait_s * WAIT_GROWTH, LONGEST_WAIT_S)
        bar.set_postfix_str("done")
    return operation


@contextmanager
def clear_errors() -> Iterator[None]:
    """Errors of the two clients as Faults with their own words."""
    import ee
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except ee.EEException as error:
        raise Fault(f"Earth Engine refuses: {error}; `isamap check` tests rights and settings") from error
    except (GoogleAPIError, GoogleAuthError) as error:
        raise Fault(f"Cloud Storage refuses: {error}; `isamap check` tests rights and settings") from error
