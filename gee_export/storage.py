"""Where datasets lie: bytes by relative name in a local folder or under a gs:// prefix."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import google_crc32c

from gee_export.console import Fault

UPLOAD_THREADS = 16
HIDDEN = ".run"  # what belongs to a run is no part of what is stored (formats.md section 1)


class Storage(Protocol):
    """Bytes by relative name ('images/a.tif'). Writes are whole or not at all."""

    url: str

    def read(self, name: str) -> bytes:
        """The object's bytes; Fault where it is missing or cannot be read."""
        ...

    def write(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        """Stores the bytes; without `overwrite`, an object of other content is kept and a Fault raised."""
        ...

    def exists(self, name: str) -> bool: ...

    def list(self, prefix: str = "") -> list[str]:
        """Relative names that begin with `prefix`, sorted; the run's own folder is left out."""
        ...

    def delete(self, name: str) -> None:
        """Removes the object; nothing happens where there is none."""
        ...

    def write_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Stores many small objects, in parallel where that pays."""
        ...


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of the bytes, the checksum of Cloud Storage and of patches.parquet."""
    return google_crc32c.value(data)


def is_remote(url_or_path: str | Path) -> bool:
    """True for gs:// addresses."""
    return str(url_or_path).startswith("gs://")


def open_storage(url_or_path: str | Path, session: Any = None) -> Storage:
    """The storage at a folder path or gs://bucket/prefix; `session` (gee_export.session) gives the bucket client."""
    if is_remote(url_or_path):
        bucket, _, prefix = str(url_or_path)[len("gs://") :].partition("/")
        if not bucket:
            raise ValueError(f"address {url_or_path!r} names no bucket: expected gs://BUCKET/PREFIX")
        client = session.storage_client() if session is not None else _default_client()
        return BucketStorage(client, bucket, prefix.strip("/"))
    return FolderStorage(Path(url_or_path))


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

    def write(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        path = self.path(name)
        if not overwrite and path.exists():
            if path.read_bytes() != data:
                raise Fault(f"{path} exists with other content: remove it or choose another folder")
            return
        write_whole(path, data)

    def exists(self, name: str) -> bool:
        return self.path(name).is_file()

    def list(self, prefix: str = "") -> list[str]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        names = (path.relative_to(self.root).as_posix() for path in found)
        return sorted(n for n in names if n.startswith(prefix) and not _is_hidden(n))

    def delete(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def write_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        for name, data in items:
            self.write(name, data)

    def sweep(self) -> None:
        """Removes what killed writers left under temporary names; call it only while nobody else writes."""
        for path in self.root.rglob(".*.part"):
            path.unlink(missing_ok=True)


class BucketStorage:
    """Objects of a Cloud Storage bucket under a prefix (google-cloud-storage client).

    Every write carries a generation precondition, so that a retry after a lost reply cannot overwrite a newer
    object; 412 with an equal crc32c is then success (earth-engine.md section 4.1).
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""

    def read(self, name: str) -> bytes:
        return self._guarded(name, lambda: self._blob(name).download_as_bytes())

    def write(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        self._guarded(name, lambda: self._write(name, data, overwrite))

    def exists(self, name: str) -> bool:
        return self._guarded(name, lambda: self._blob(name).exists())

    def list(self, prefix: str = "") -> list[str]:
        start = self._prefix + prefix
        blobs = self._guarded(prefix, lambda: list(self._bucket.list_blobs(prefix=start)))
        return sorted(n for b in blobs if not _is_hidden(n := b.name[len(self._prefix) :]))

    def delete(self, name: str) -> None:
        from google.api_core.exceptions import NotFound

        def remove() -> None:
            try:
                self._blob(name).delete()
            except NotFound:
                return

        self._guarded(name, remove)

    def write_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
            for done in [pool.submit(self.write, name, data) for name, data in items]:
                done.result()

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + name)

    def _write(self, name: str, data: bytes, overwrite: bool) -> None:
        from google.api_core.exceptions import PreconditionFailed

        generation = 0
        for _ in range(3):
            try:
                self._blob(name).upload_from_string(
                    data, content_type="application/octet-stream", if_generation_match=generation
                )
                return
            except PreconditionFailed:
                held = self._bucket.get_blob(self._prefix + name)
            if held is not None and held.crc32c == _crc32c_base64(data):
                return
            if not overwrite:
                raise Fault(f"{self.url}/{name} exists with other content: remove it or choose another prefix")
            generation = held.generation if held is not None else 0
        raise Fault(f"{self.url}/{name} is being written by somebody else at the same time: run one export per prefix")

    def _guarded(self, name: str, action: Callable[[], Any]) -> Any:
        import requests
        from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, Unauthorized
        from google.auth.exceptions import GoogleAuthError

        where = f"{self.url}/{name}".rstrip("/")
        try:
            return action()
        except NotFound as error:
            raise Fault(f"{where} is missing, or bucket {self._bucket.name!r} does not exist") from error
        except (Forbidden, Unauthorized, GoogleAuthError) as error:
            raise Fault(f"{where}: no permission ({error}); check it with `isamap check --bucket`") from error
        except (GoogleAPIError, requests.RequestException) as error:
            raise Fault(f"{where}: Cloud Storage failed: {error}; run the command again to go on") from error


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name in the same folder and renames it; Fault on a full or unwritable disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_fault(path, error) from error


def disk_fault(path: Path, error: OSError) -> Fault:
    """The sentence for a file that cannot be written."""
    if error.errno == errno.ENOSPC:
        return Fault(f"the disk of {path} is full: free some space and run the same command again, it goes on")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Fault(f"{path} is not writable ({error.strerror}): choose another folder or change its permissions")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return Fault(
            f"{path} cannot be written ({error.strerror}): a file stands where a folder belongs; "
            "choose another place or remove it"
        )
    return Fault(f"{path} cannot be written: {error.strerror or error}; mend that and run the same command again")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _crc32c_base64(data: bytes) -> str:
    return base64.b64encode(crc32c(data).to_bytes(4, "big")).decode()


def _default_client() -> Any:
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    try:
        if os.environ.get("STORAGE_EMULATOR_HOST"):
            return storage.Client(project="local")
        return storage.Client()
    except DefaultCredentialsError as error:
        raise Fault(
            "no Google credentials found for gs:// addresses: run `gcloud auth application-default login`"
        ) from error
