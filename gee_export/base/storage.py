"""Where datasets lie: bytes by relative name in a local folder or under a gs:// prefix."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from isamap.gee_export.base.atomic import crc32c, disk_fault, settle, sync, write_loose, write_whole
from isamap.gee_export.base.cloud_storage import BucketStorage, is_hidden
from isamap.gee_export.base.errors import Fault

__all__ = [
    "BUCKET_NAME",
    "HIDDEN",
    "FolderStorage",
    "Storage",
    "bucket_of",
    "crc32c",
    "disk_fault",
    "is_remote",
    "open_storage",
    "provide",
    "write_whole",
]

PATIENCE_S, LOCAL_PATIENCE_S = 120.0, 20.0  # how long a failing bucket is asked again, Google's and the engine's
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")  # https://cloud.google.com/storage/docs/buckets#naming
HIDDEN = ".run"  # what belongs to a run is no part of what is stored (docs/reference/formats.md, "Patch dataset")


class Storage(Protocol):
    """Bytes by relative name ('images/a.tif'). Writes are whole or not at all."""

    url: str

    def read(self, name: str) -> bytes:
        """The object's bytes; Fault where it is missing or cannot be read."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Stores the bytes; an object of that name is replaced."""
        ...

    def write_loose(self, name: str, data: bytes) -> None:
        """Stores the bytes, which a power cut before `settle` may lose: nothing may say yet that they are there."""
        ...

    def settle(self, names: Iterable[str]) -> None:
        """Makes what write_loose stored outlive a power cut."""
        ...

    def exists(self, name: str) -> bool: ...

    def list(self, prefix: str = "", *, deep: bool = True) -> list[str]:
        """Relative names that begin with `prefix`, sorted; the run's own folder is left out.

        deep: also those in folders below the one that `prefix` lies in.
        """
        ...

    def delete(self, name: str) -> None:
        """Removes the object; nothing happens where there is none."""
        ...

    def write_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Stores many small objects, in parallel where that pays."""
        ...


def is_remote(url_or_path: str | os.PathLike[str]) -> bool:
    """True for gs:// addresses."""
    return str(url_or_path).startswith("gs://")


def bucket_of(url_or_path: str | os.PathLike[str]) -> str | None:
    """The bucket of a gs:// address; None of a folder. ValueError for what cannot be a bucket's name."""
    if not is_remote(url_or_path):
        return None
    bucket = str(url_or_path)[len("gs://") :].partition("/")[0]
    if bucket and not BUCKET_NAME.fullmatch(bucket):
        raise ValueError(
            f"address {str(url_or_path)!r}: expected a bucket of 3 to 222 of a-z, 0-9, dots, dashes and underscores"
        )
    return bucket or None


def check_bucket(name: str) -> None:
    """ValueError for what cannot be a bucket's name, such as a folder or a gs:// address."""
    if not BUCKET_NAME.fullmatch(name):
        raise ValueError(
            f"--bucket {name!r}: expected the name alone of a Cloud Storage bucket, 3 to 222 of a-z, 0-9, dots, dashes "
            "and underscores"
        )


def open_storage(url_or_path: str | os.PathLike[str], session: Any = None) -> Storage:
    """The storage at a folder path or gs://bucket/prefix; a session gives the bucket client."""
    if is_remote(url_or_path):
        bucket, prefix = bucket_of(url_or_path), str(url_or_path)[len("gs://") :].partition("/")[2]
        if bucket is None:
            raise ValueError(f"address {url_or_path!r} names no bucket: expected gs://BUCKET/PREFIX")
        client = session.storage_client() if session is not None else _default_client()
        local = session is not None and session.is_local
        return BucketStorage(client, bucket, prefix.strip("/"), patience_s=LOCAL_PATIENCE_S if local else PATIENCE_S)
    return FolderStorage(Path(url_or_path))


def provide(bucket: str, session: Any) -> None:
    """Makes a bucket of the local engine where there is none yet; Google's are their owners' to make."""
    if session.is_local:
        BucketStorage(session.storage_client(), bucket, "", patience_s=LOCAL_PATIENCE_S).provide()


class FolderStorage:
    """A local folder; every file is written under a temporary name and renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def path(self, name: str) -> Path:
        """The file of a relative name; ValueError for names that leave the folder."""
        if name.startswith("/") or ".." in Path(name).parts:
            raise ValueError(f"name {name!r} leaves the folder {self.root}")
        return self.root / name

    def read(self, name: str) -> bytes:
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError as error:
            raise Fault(f"{self.path(name)} is missing: run the command that made {self.root} again") from error
        except OSError as error:
            raise Fault(f"{self.path(name)} cannot be read: {error.strerror}") from error

    def write(self, name: str, data: bytes) -> None:
        write_whole(self.path(name), data)

    def exists(self, name: str) -> bool:
        return self.path(name).is_file()

    def write_loose(self, name: str, data: bytes) -> None:
        write_loose(self.path(name), data)

    def settle(self, names: Iterable[str]) -> None:
        settle(self.path(name) for name in names)

    def list(self, prefix: str = "", *, deep: bool = True) -> list[str]:
        folder = self.path(prefix.rpartition("/")[0])
        paths = (path for path in (folder.rglob("*") if deep else folder.glob("*")) if path.is_file())
        names = (path.relative_to(self.root).as_posix() for path in paths)
        return sorted(n for n in names if n.startswith(prefix) and not is_hidden(n))

    def delete(self, name: str) -> None:
        path = self.path(name)
        if path.exists():
            path.unlink(missing_ok=True)
            sync(path.parent)

    def write_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        names = []
        for name, data in items:
            self.write_loose(name, data)
            names.append(name)
        self.settle(names)

    def sweep(self) -> None:
        """Removes what killed writers left under temporary names; call it only while nobody else writes."""
        for path in self.root.rglob(".*.part"):
            path.unlink(missing_ok=True)


def _emulator_client(address: str) -> Any:
    """A client whose addresses, which errors quote, lack the token that the local engine's address ends with."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage
    from google.oauth2.credentials import Credentials

    origin, _, token = address.partition("/t/")
    credentials = Credentials(token) if token else AnonymousCredentials()
    return storage.Client(project="local", credentials=credentials, client_options={"api_endpoint": origin})


def _default_client() -> Any:
    from google.cloud import storage

    from isamap.gee_export.base.login import stored_credentials

    if address := os.environ.get("STORAGE_EMULATOR_HOST"):
        return _emulator_client(address)
    credentials = stored_credentials()
    # a project is only needed to make and list buckets
    return storage.Client(project=getattr(credentials, "quota_project_id", None) or "unnamed", credentials=credentials)
