"""A map as a COG-backed Earth Engine asset: its files lie in the user's bucket and are read there, nothing is ingested.

https://developers.google.com/earth-engine/Earth_Engine_asset_from_cloud_geotiff; docs/reference/earth-engine.md,
"External images".
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import bucket_of
from isamap.gee_export.earth_engine.assets import check_asset_name, check_server, make_parents
from isamap.gee_export.earth_engine.check import STANDARD
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.map_files.map_file import MapFile, open_map
from isamap.inference.publishing import asset as assets
from isamap.inference.publishing import manifest
from isamap.inference.publishing.asset import PublishReport
from isamap.inference.publishing.upload import UploadContent, checked_content, content_sha256, open_bucket, upload

PLACES = ("US", "US-CENTRAL1")  # of buckets; of two regions, where one is US-CENTRAL1


def publish_external(
    path: str | os.PathLike[str],
    *,
    asset: str,
    external: str,
    project: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> PublishReport:
    """The map as an asset whose pixels stay at `external`, gs://BUCKET/NAME.tif, to which the map's files are uploaded.

    The probabilities go beside it as NAME_prob.tif. An asset is tied to the very objects that it was made from, so an
    object that is there with other content is never replaced. The same content again does nothing. ValueError: the
    user's mistakes, such as a bucket outside the USA. Fault: the server's.
    """
    made = manifest.whole(open_map(checked_argument("path", path, str)))
    bucket_name, names = _objects(checked_argument("external", external, str), made)
    checked_argument("overwrite", overwrite, bool)
    check_asset_name(checked_argument("asset", asset, str))
    check_server(asset, project)
    contents = [checked_content(file) for file in made.files]
    sha256 = content_sha256([content.sha256 for content in contents])
    with assets.clear_errors():
        session = assets.connected(project, bucket_name if project else None)
        if assets.existing(asset, sha256, overwrite=overwrite) == sha256:
            return assets.report(made, asset, (), already_there=True)
        bucket = open_bucket(session, bucket_name)
        _check_place(bucket)
        for name, content in zip(names, contents, strict=True):
            _check_free(bucket, name, content)
        files = zip(made.files, contents, names, strict=True)
        uris = [upload(file, content, bucket, name, progress=progress) for file, content, name in files]
        _register(manifest.external(made, asset, uris, sha256), overwrite=overwrite)
    return assets.report(made, asset, uris, already_there=False)


def _objects(external: str, made: MapFile) -> tuple[str, list[str]]:
    bucket, _, name = external.removeprefix("gs://").partition("/")
    path = PurePosixPath(name)
    if not external.startswith("gs://") or not bucket or path.suffix != ".tif" or not path.stem:
        raise ValueError(f"--external {external}: expected gs://BUCKET/NAME.tif, where the map is to lie")
    bucket_of(external)  # ValueError for what cannot be a bucket's name
    names = [name, path.with_name(f"{path.stem}_prob.tif").as_posix()]
    return bucket, names[: len(made.files)]


def _check_place(bucket: Any) -> None:
    """ValueError where Earth Engine does not read the bucket."""
    bucket.reload()
    location = str(bucket.location or "").upper()
    regions = {str(region).upper() for region in bucket.data_locations or ()}
    if location not in (*PLACES, "NAM4") and "US-CENTRAL1" not in regions:
        raise ValueError(
            f"bucket {bucket.name} is in {location}, and Earth Engine reads external images only from the US "
            "multi-region, US-CENTRAL1 or a dual region with it: give a bucket there, or leave --external out to upload"
        )
    _check_class(f"bucket {bucket.name}", bucket.storage_class)


def _check_class(subject: str, storage_class: str | None) -> None:
    """ValueError where Earth Engine would refuse the objects after they are uploaded."""
    kept = str(storage_class or STANDARD[0]).upper()
    if kept not in STANDARD:
        raise ValueError(
            f"{subject} is of class {kept}, and Earth Engine reads external images only from STANDARD: give a bucket "
            "of that class (gcloud storage buckets create gs://NAME --location=US), or leave --external out to upload"
        )


def _check_free(bucket: Any, name: str, content: UploadContent) -> None:
    """ValueError where another file lies there: the assets that were made from it would break."""
    stored = bucket.get_blob(name)
    if stored is not None and (stored.size, stored.crc32c) != (content.size, content.crc32c):
        raise ValueError(f"gs://{bucket.name}/{name} holds another file: give another --external, or remove it")
    if stored is not None:
        _check_class(f"gs://{bucket.name}/{name}", stored.storage_class)


def _register(image_manifest: dict[str, Any], *, overwrite: bool) -> None:
    """Makes the asset, which is there when the call returns."""
    import ee

    manifest.check(image_manifest)
    make_parents(image_manifest["name"])
    name, content = image_manifest["name"], image_manifest["properties"][manifest.CONTENT_PROPERTY]
    try:
        ee.data.startExternalImageIngestion(image_manifest, overwrite)
    except ee.EEException:
        if assets.content_of(name) != content:  # unless the answer to an earlier attempt was lost
            raise
    if assets.content_of(name) != content:
        raise Fault(f"{name} was registered, but the asset holds other content: another process wrote it")
