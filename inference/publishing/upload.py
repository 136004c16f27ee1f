"""Files of maps as objects of a bucket, named by their content and never replaced."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.inference.publishing import manifest

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

    from isamap.gee_export.earth_engine.session import Session

READ_BYTES = 8 << 20


@dataclass(frozen=True)
class UploadContent:
    """What a file holds, in numbers that a bucket remembers."""

    size: int
    sha256: str
    crc32c: str

    @classmethod
    def of(cls, path: Path) -> UploadContent:
        """Read once, in pieces."""
        import google_crc32c

        sha256, crc32c, size = hashlib.sha256(), google_crc32c.Checksum(), 0
        with path.open("rb") as file:
            while piece := file.read(READ_BYTES):
                sha256.update(piece)
                crc32c.update(piece)
                size += len(piece)
        return cls(size, sha256.hexdigest(), base64.b64encode(crc32c.digest()).decode())


def checked_content(path: Path) -> UploadContent:
    content = UploadContent.of(path)
    if content.size > manifest.FILE_LIMIT_BYTES:
        raise ValueError(
            f"{path} has {content.size:,} bytes, Earth Engine takes files to {manifest.FILE_LIMIT_BYTES:,}"
        )
    return content


def content_sha256(sha256: Sequence[str]) -> str:
    """The hash of a map's content: of its only file, or of the hashes of its files."""
    return sha256[0] if len(sha256) == 1 else hashlib.sha256("".join(sha256).encode()).hexdigest()


def open_bucket(session: Session, name: str) -> Bucket:
    """The bucket; made on the local engine, where nobody else would."""
    from google.api_core.exceptions import Conflict

    bucket = session.storage_client().bucket(name)
    if bucket.exists():
        return bucket
    if not session.is_local:
        raise ValueError(f"bucket {name!r} does not exist: create it, or give another --bucket")
    with suppress(Conflict):  # another process made it in between
        bucket.create()
    return bucket


def content_name(path: Path, content: UploadContent) -> str:
    """The object of a file, named by its content."""
    return f"isamap/{path.stem}-{content.sha256[:16]}.tif"


def upload(path: Path, content: UploadContent, bucket: Bucket, name: str, *, progress: bool) -> str:
    """gs:// address of the file's content, uploaded unless it is there.

    It is written only where nothing is, so that neither a repeated request nor another process can change what an
    asset was made from; a 412 with equal size and crc32c is our own success
    (docs/reference/earth-engine.md, "Cloud Storage").
    """
    from google.api_core.exceptions import PreconditionFailed

    blob = bucket.blob(name)
    bar = {"total": content.size, "unit": "B", "unit_scale": True, "desc": "upload", "disable": not progress}
    try:
        with path.open("rb") as file, ProgressBar.wrapattr(file, "read", **bar) as counted:
            blob.upload_from_file(
                counted, size=content.size, content_type="image/tiff", if_generation_match=0, checksum="crc32c"
            )
    except PreconditionFailed as error:
        stored = bucket.get_blob(name)
        if stored is None or stored.size != content.size or stored.crc32c != content.crc32c:
            raise Fault(f"gs://{bucket.name}/{name} holds other content than its name says: remove it") from error
    return f"gs://{bucket.name}/{name}"
