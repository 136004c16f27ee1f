"""Where the files of an export go: a bucket of Cloud Storage, or Google Drive.

Assumption: Google Drive is the bucket google-drive, which the first export to it makes: FOLDER/PREFIX.tif is there
gs://google-drive/FOLDER/PREFIX.tif. A file of the same name is replaced, where Drive keeps both.

Source: reference/rest/v1/CloudStorageDestination and reference/rest/v1/DriveDestination.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_ee.errors import EngineError
from local_ee.storage.objects import ObjectStore, StorageError

DRIVE = "google-drive"
_CONFLICT = 409


@dataclass(frozen=True)
class Destination:
    """A bucket, and what the names of the files in it begin with."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Destination:
        """That of a fileExportOptions message; EngineError for none."""
        cloud_storage = options.get("cloudStorageDestination") or {}
        if cloud_storage.get("bucket"):
            return cls(str(cloud_storage["bucket"]), str(cloud_storage.get("filenamePrefix", "")))
        if "driveDestination" not in options:
            raise EngineError("An export of files needs a bucket of Cloud Storage, or Google Drive: set a bucket.")
        drive = options["driveDestination"] or {}
        folder, prefix = str(drive.get("folder") or ""), str(drive.get("filenamePrefix", ""))
        return cls(DRIVE, f"{folder}/{prefix}" if folder else prefix)

    @property
    def url(self) -> str:
        """What the addresses of the files begin with."""
        return f"gs://{self.bucket}/{self.prefix}"

    def check(self, buckets: ObjectStore) -> None:
        """EngineError where there is no such bucket; that of Google Drive is made."""
        try:
            if self.bucket == DRIVE:
                provide(buckets)
            buckets.bucket(self.bucket)
        except StorageError as error:
            raise EngineError(f"Cannot write to bucket {self.bucket}: {error}") from error


def provide(buckets: ObjectStore) -> None:
    """Makes the bucket of Google Drive where it is not there yet."""
    try:
        buckets.create_bucket(DRIVE, {})
    except StorageError as error:
        if error.status != _CONFLICT:
            raise
