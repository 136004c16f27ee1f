"""Objects of a Cloud Storage bucket: preconditions, checksums both ways, retries, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from isamap.gee_export.base.atomic import crc32c_base64, crc32c_base64_of, disk_fault
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.login import AGAIN
from isamap.gee_export.base.outage import NETWORK, outage
from isamap.gee_export.base.retry import Reaction, Refused, classify

T = TypeVar("T")

THREADS = 32  # requests of write_many under way
CONNECTIONS = 2 * THREADS  # kept open: by default the client keeps 10 and opens every other one again
WRITERS = 3  # attempts to write an object that somebody else writes too
REFUSALS = (403, 429)
TRANSFERS = 4  # attempts to bring bytes over unharmed


@dataclass(frozen=True)
class Stored:
    """What a list says of an object; crc32c as Cloud Storage writes it, updated an RFC 3339 moment."""

    name: str
    size: int
    crc32c: str
    updated: str = ""


class BucketStorage:
    """Objects of a bucket under a prefix (google-cloud-storage client).

    Every write carries a generation precondition, so that a retry after a lost reply cannot overwrite a newer
    object; 412 with an equal crc32c is then success (docs/reference/earth-engine.md, "Cloud Storage"). Bytes that
    arrive with another checksum than they left with, in either direction, are sent again.
    """

    def __init__(self, client: Any, bucket: str, prefix: str, *, patience_s: float = 120.0) -> None:
        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self._client = client
        self._name = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._patience_s = patience_s

    def read(self, name: str) -> bytes:
        content: bytes = self._guarded(name, lambda: self._blob(name).download_as_bytes(retry=self._retry))
        return content

    def download(self, name: str, path: Path) -> None:
        """Brings an object into a file, whatever its size; Fault where it is missing or the disk refuses it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._guarded(name, lambda: self._blob(name).download_to_filename(str(path), retry=self._retry))
        except OSError as error:
            path.unlink(missing_ok=True)
            raise disk_fault(path, error) from error

    def head(self, name: str, size: int) -> bytes:
        """An object's first bytes, so many or all; not checked, as Cloud Storage has checksums of whole objects."""
        byte_range = {"start": 0, "end": size - 1, "checksum": None, "retry": self._retry}
        content: bytes = self._guarded(name, lambda: self._blob(name).download_as_bytes(**byte_range))
        return content

    def write(self, name: str, data: bytes) -> None:
        def send(blob: Any, **how: Any) -> None:
            blob.upload_from_string(data, **how)

        self._guarded(name, lambda: self._write(name, send, lambda: crc32c_base64(data)))

    def upload(self, name: str, path: Path) -> None:
        """Stores a file, whatever its size; an object of that name is replaced."""

        def send(blob: Any, **how: Any) -> None:
            blob.upload_from_filename(str(path), **how)

        self._guarded(name, lambda: self._write(name, send, lambda: crc32c_base64_of(path)))

    def write_loose(self, name: str, data: bytes) -> None:
        self.write(name, data)

    def settle(self, names: Iterable[str]) -> None:
        """Nothing to do: an object that the server took stays."""

    def exists(self, name: str) -> bool:
        exists: bool = self._guarded(name, lambda: self._blob(name).exists(retry=self._retry))
        return exists

    def list(self, prefix: str = "", *, deep: bool = True) -> list[str]:
        return sorted(stored.name for stored in self.listed(prefix, deep=deep) if not is_hidden(stored.name))

    def listed(self, prefix: str = "", *, deep: bool = True) -> Sequence[Stored]:
        """Name, size and checksum of every object that begins with `prefix`, hidden ones too; deep as of `list`."""
        # Only what is used: all fields of 100,000 objects would be a list many times as long.
        fields = "items(name,size,crc32c,updated),nextPageToken"
        start = self._prefix + prefix

        def ask() -> list[Stored]:
            options = {"prefix": start, "delimiter": None if deep else "/"}
            blobs = self._bucket.list_blobs(**options, fields=fields, retry=self._retry)
            return [_stored(blob, blob.name[len(self._prefix) :]) for blob in blobs]

        return self._guarded(prefix, ask)

    def delete(self, name: str) -> None:
        from google.api_core.exceptions import NotFound

        def remove() -> None:
            try:
                self._blob(name).delete(retry=self._retry)
            except NotFound:
                return

        self._guarded(name, remove)

    def provide(self) -> None:
        """Makes the bucket where there is none yet."""
        from google.api_core.exceptions import Conflict

        def create() -> None:
            if not self._bucket.exists(retry=self._retry):
                # Another process may have made it between the question and the request.
                with suppress(Conflict):
                    self._client.create_bucket(self._name, retry=self._retry)

        self._guarded("", create)

    def write_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Stores many small objects, THREADS at a time; of `items` only as many are held in memory."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="upload") as pool:
            pending: set[Future[None]] = set()
            try:
                for name, data in items:
                    if len(pending) >= 2 * THREADS:
                        pending = _some_done(pending)
                    pending.add(pool.submit(self.write, name, data))
                for future in pending:
                    future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    @cached_property
    def _bucket(self) -> Any:
        return _widened(self._client).bucket(self._name)

    @cached_property
    def _retry(self) -> Any:
        """The client's own rule what may be repeated, with waits that suit how near the server is."""
        from google.cloud.storage.retry import DEFAULT_RETRY

        # The engine of this process answers in milliseconds: a first wait of a second would be most of its time.
        first_s = 1.0 if self._patience_s >= 60 else 0.05
        rule = DEFAULT_RETRY.with_predicate(_may_pass(DEFAULT_RETRY._predicate))
        return rule.with_delay(initial=first_s, maximum=self._patience_s / 4).with_timeout(self._patience_s)

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + name)

    def _write(self, name: str, send: Callable[..., None], crc32c: Callable[[], str]) -> None:
        """send: gives the bytes to a blob; crc32c: their checksum, asked for only where there is an object."""
        from google.api_core.exceptions import PreconditionFailed

        # 0 means "only where there is none", the one precondition that a first writer can give.
        generation = 0
        for _ in range(WRITERS):
            try:
                send(
                    self._blob(name),
                    content_type="application/octet-stream",
                    if_generation_match=generation,
                    checksum="crc32c",
                    retry=self._retry,
                )
                return
            except PreconditionFailed:
                existing = self._bucket.get_blob(self._prefix + name, retry=self._retry)
            if existing is not None and existing.crc32c == crc32c():
                return
            # Exactly the object that was seen may be replaced; one that came after it is refused again.
            generation = existing.generation if existing is not None else 0
        raise Fault(f"{self.url}/{name} is being written by somebody else at the same time: run one export per prefix")

    def _guarded(self, name: str, action: Callable[[], T]) -> T:
        import requests
        from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, RetryError, Unauthorized
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption

        where = f"{self.url}/{name}".rstrip("/")
        try:
            return _unharmed(action)
        except NotFound as error:
            raise Fault(f"{where} is missing, or bucket {self._name!r} does not exist") from error
        except (Forbidden, Unauthorized, GoogleAuthError, RetryError) as error:
            raise Fault(f"{where}: {self._refusal(error)}") from error
        except DataCorruption as error:
            raise Fault(f"{where} arrived damaged {TRANSFERS} times (wrong crc32c): check the network") from error
        except (GoogleAPIError, requests.RequestException) as error:
            words = outage(error) or str(error)
            raise Fault(f"{where}: Cloud Storage failed: {words}; run the command again to go on") from error

    def _refusal(self, error: Exception) -> str:
        """Why Cloud Storage does not do it, with the remedy: a line that fails and a limit are no lack of rights."""
        from google.api_core.exceptions import Unauthorized
        from google.auth.exceptions import GoogleAuthError

        cause = getattr(error, "cause", None) or error
        if words := outage(cause):
            return f"Cloud Storage failed: {words}; {NETWORK}, then run the command again to go on"
        if is_rate_limit(cause):
            return f"Cloud Storage takes no more requests for the moment ({cause}); run the command again later"
        if isinstance(cause, (Unauthorized, GoogleAuthError)):
            return f"no login that Cloud Storage takes ({cause}); {AGAIN}"
        if cause is not error:  # patience ended, the server still fails
            return f"Cloud Storage failed: {error}; run the command again to go on"
        return f"no permission ({cause}); check it with `isamap check --bucket`"


def is_rate_limit(error: BaseException) -> bool:
    """Whether a refusal speaks of too many requests, which Cloud Storage also does with a 403, and not of rights."""
    response = getattr(error, "response", None)
    if (
        response is None or getattr(response, "status_code", 0) not in REFUSALS
    ):  # of other replies the content may be a stream
        return False
    return classify(Refused.of(response.status_code, response.content)) is Reaction.SLOWER


def _may_pass(rule: Callable[[Exception], bool]) -> Callable[[Exception], bool]:
    """The client's own rule, and refusals for too many requests, which it takes for a lack of rights."""
    return lambda error: rule(error) or is_rate_limit(error)


def is_hidden(name: str) -> bool:
    """Whether a name lies in a folder that is no part of what is stored, such as .run."""
    return any(component.startswith(".") for component in name.split("/"))


def same_bytes(stored: Stored, path: Path) -> bool:
    """Whether a file holds what a list says of an object."""
    return path.stat().st_size == stored.size and crc32c_base64_of(path) == stored.crc32c


def _stored(blob: Any, name: str) -> Stored:
    return Stored(name, int(blob.size), str(blob.crc32c), blob.updated.isoformat() if blob.updated else "")


def _unharmed(action: Callable[[], T]) -> T:
    """The action's result, tried again where its bytes came over damaged."""
    from google.api_core.exceptions import BadRequest
    from google.cloud.storage.exceptions import DataCorruption

    left = TRANSFERS
    while True:
        try:
            return action()
        except (DataCorruption, BadRequest) as error:
            left -= 1
            # A checksum that the server found wrong is a 400, as all other mistakes are; only its words tell.
            refused = isinstance(error, BadRequest) and "doesn't match calculated" not in str(error)
            if refused or not left:
                raise


def _some_done(pending: set[Future[None]]) -> set[Future[None]]:
    """The futures that still run, once some have ended; raises what went wrong in those."""
    done, running = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return running


def _widened(client: Any) -> Any:
    """The client, keeping as many connections open as there are threads."""
    from requests.adapters import HTTPAdapter

    for scheme in ("https://", "http://"):
        client._http.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=CONNECTIONS))
    return client
