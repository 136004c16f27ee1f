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

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.gee_export.base.storage import check_bucket
from isamap.gee_export.earth_engine import assets
from isamap.gee_export.earth_engine.assets import info_or_none, make_parents
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.map_files.map_file import MapFile, numbers_words, open_map
from isamap.inference.publishing import manifest
from isamap.inference.publishing.snippet import javascript, python
from isamap.inference.publishing.upload import checked_content, content_name, content_sha256, open_bucket, upload

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

LOCAL_BUCKET = "isamap-maps"
Build = Callable[[Sequence[str], str], Mapping[str, Any]]  # the manifest of gs:// addresses and a content's hash
FIRST_WAIT_S, LONGEST_WAIT_S, WAIT_GROWTH = 0.1, 30.0, 1.5
EVERYONE = "allUsers"  # of a policy: "Anyone can read" of the Code Editor (guides/manage_assets)


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
        if assets.is_local(self.asset):
            lines.append("it is in the local engine of this machine: Google has nothing of it")
        else:
            lines.append(f"\nCode Editor (https://code.earthengine.google.com):\n{self.javascript}")
        return "\n".join([*lines, f"\nPython:\n{self.python}"])


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
    map_file = manifest.whole(open_map(checked_argument("path", path, str)))
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
        assets.check_asset_name(checked_argument("asset", self.asset, str))
        checked_argument("project", self.project, str | None)
        checked_argument("bucket", self.bucket, str | None)
        checked_argument("overwrite", self.overwrite, bool)
        assets.check_server(self.asset, self.project)
        if self.bucket is not None:
            check_bucket(self.bucket)

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
            # Asked before the upload: gigabytes need not travel to be refused, or to be there already.
            if existing(self.asset, sha256, overwrite=self.overwrite) == sha256:
                return None
            uris = uris_of(session)
            _ingest(build(uris, sha256), overwrite=self.overwrite, progress=progress)
        return uris

    def make_collection(self) -> None:
        """An empty image collection of that name, unless it is there; ValueError where something else is."""
        with clear_errors():
            connected(self.project, self.bucket)
            assets.make_collection(self.asset)


def report(map_file: MapFile, asset: str, uris: Sequence[str], *, already_there: bool) -> PublishReport:
    simulated = map_file.tags.get("simulated") == "true"
    numbers = numbers_words(map_file.tags)
    lines = javascript(asset, map_file.legend, numbers), python(asset, map_file.legend)
    return PublishReport(asset, tuple(uris), already_there, simulated, *lines)


def connected(project: str | None, bucket: str | None) -> Session:
    from isamap.gee_export.earth_engine.session import LOCAL, connect

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
    info = info_or_none(asset)
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
    """Starts the ingestion, or finds one of this asset that runs, and waits for it; Fault with the server's reason.

    The client drops the request id of an image (1.7.50, ee.data.startIngestion), so a repeated request is a second
    ingestion: the fixed name of the asset and the hash of its content make that harmless.
    """
    import ee

    manifest.check(image_manifest)
    name, content = image_manifest["name"], image_manifest["properties"][manifest.CONTENT_PROPERTY]
    make_parents(name)
    if (running := _running_ingestion(name)) is not None:
        _wait(running, progress=progress)
        if content_of(name) == content:
            return  # an earlier, interrupted command had started it
    started = ee.data.startIngestion(ee.data.newTaskId(1)[0], dict(image_manifest), overwrite)
    operation = _wait(started["name"], progress=progress)
    if "error" in operation:
        reason = operation["error"].get("message", "no reason given")
        if content_of(name) == content:
            return  # the client's own repetition after a lost reply was first
        raise Fault(f"ingestion of {name} failed: {reason}")
    if content_of(name) != content:
        raise Fault(f"{name} was ingested, but the asset holds other content: another process wrote it")


def _running_ingestion(asset: str) -> str | None:
    """The name of an operation that ingests this asset and has not ended, found by its description; None without."""
    import ee

    for operation in ee.data.listOperations():
        facts = operation.get("metadata", {})
        named = str(facts.get("description", "")).endswith(f'"{asset}"')
        if not operation.get("done") and named and str(facts.get("type", "")).startswith("INGEST"):
            return str(operation["name"])
    return None


def info_of(collection: str, project: str | None) -> list[Mapping[str, Any]]:
    """The images of a collection as Earth Engine lists them; ValueError where there is no such collection."""
    import ee

    from isamap.gee_export.earth_engine.session import connect

    with clear_errors():
        connect(project)
        info = info_or_none(collection)
        if info is None or info.get("type") != "IMAGE_COLLECTION":
            raise ValueError(f"asset {collection} is no image collection: make it with `isamap publish --collection`")
        children = ee.data.listAssets({"parent": collection})["assets"]
        return [child for child in children if child.get("type") == "IMAGE"]


def share(asset: str) -> None:
    """Lets everybody read the asset (of a collection: the images in it too), as an App needs it (guides/apps).

    Fault in the server's words where the asset is not ours to share.
    """
    import ee

    with clear_errors():
        for name in (asset, *_images_of(asset)):
            policy = ee.data.getIamPolicy(name)
            # Added to the policy that is there: to write a new one would take other readers' rights away.
            bindings = [each for each in policy.get("bindings", []) if EVERYONE not in each.get("members", ())]
            everyone = {"role": "roles/viewer", "members": [EVERYONE]}
            ee.data.setIamPolicy(name, {**policy, "bindings": [*bindings, everyone]})


def is_public(asset: str) -> bool:
    """Whether everybody may read the asset; EEException where its policy may not be read."""
    import ee

    bindings = ee.data.getIamPolicy(asset).get("bindings", [])
    return any(EVERYONE in binding.get("members", ()) for binding in bindings)


def _images_of(asset: str) -> list[str]:
    import ee

    if (info_or_none(asset) or {}).get("type") != "IMAGE_COLLECTION":
        return []
    return [str(child["name"]) for child in ee.data.listAssets({"parent": asset})["assets"]]


def content_of(asset: str) -> str | None:
    info = info_or_none(asset) or {}
    return info.get("properties", {}).get(manifest.CONTENT_PROPERTY)


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
