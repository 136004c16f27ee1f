"""Resumable uploads: sessions on disk that any process of the home can go on with.

Source: https://cloud.google.com/storage/docs/performing-resumable-uploads (Content-Range, 308 and Range).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from local_ee.durable import sync
from local_ee.home import Home, locked, read_json, write_json
from local_ee.storage.media_types import check_attributes
from local_ee.storage.objects import CHUNK, Checksums, ObjectStore, Preconditions, StorageError, StoredObject

CHUNK_MULTIPLE = 256 * 1024  # every chunk but the last
LIFETIME_SECONDS = 7 * 24 * 3600  # of a session, as Cloud Storage has it
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class ResumableUploads:
    """The uploads of a home that are under way."""

    def __init__(self, home: Home, store: ObjectStore) -> None:
        self._home = home
        self._store = store

    def begin(
        self, bucket: str, name: str, *, attributes: Mapping[str, Any], conditions: Preconditions, claimed: Checksums
    ) -> str:
        """The id of a new session; preconditions are checked now and again when the object is made."""
        check_attributes(attributes)
        self._store.temporary(bucket, name)
        conditions.check(self._store.find(bucket, name))
        session = secrets.token_hex(16)
        document = {
            "bucket": bucket,
            "name": name,
            "attributes": dict(attributes),
            "conditions": asdict(conditions),
            "claimed": asdict(claimed),
        }
        write_json(self._state_path(session), document)
        self._content_path(session).touch()
        return session

    def receive(self, session: str, content_range: str | None, piece: BinaryIO, late: Checksums) -> StoredObject | int:
        """Takes a piece: the finished object, or the number of bytes that have arrived so far."""
        with locked(self._home, f"upload-{session[:2]}"):
            state = self._state(session)
            if "finished" in state:
                return StoredObject(**state["finished"])
            size = piece.seek(0, os.SEEK_END)
            start, total = _parsed(content_range, size)
            arrived = self._append(session, start, piece)
            if total is None or arrived < total:
                if size % CHUNK_MULTIPLE:
                    self._truncate(session, arrived - arrived % CHUNK_MULTIPLE)
                return self._content_path(session).stat().st_size
            return self._finish(session, state, late)

    def expire(self, seconds: float = LIFETIME_SECONDS) -> None:
        """Forgets sessions, and what broken connections left, that nobody has touched for so long."""
        oldest = time.time() - seconds
        for path in self._home.uploads.glob("*"):
            with suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()

    def cancel(self, session: str) -> None:
        """Forgets a session; 404 where there is none."""
        with locked(self._home, f"upload-{session[:2]}"):
            self._state(session)
            self._state_path(session).unlink()
            self._content_path(session).unlink(missing_ok=True)

    def _append(self, session: str, start: int | None, piece: BinaryIO) -> int:
        content = self._content_path(session)
        content.touch()  # a killed engine may have left the session without it
        arrived = content.stat().st_size
        if start is None or start > arrived:
            return arrived  # a question, or bytes after a gap: the answer tells the client where to go on
        with content.open("r+b") as target:
            piece.seek(arrived - start)
            target.seek(arrived)
            shutil.copyfileobj(piece, target, CHUNK)
        sync(content)
        return content.stat().st_size

    def _truncate(self, session: str, size: int) -> None:
        with self._content_path(session).open("r+b") as target:
            target.truncate(size)

    def _finish(self, session: str, state: dict[str, Any], late: Checksums) -> StoredObject:
        late.check_file(self._content_path(session))
        stored = self._store.put(
            self._content_path(session),
            state["bucket"],
            state["name"],
            attributes=state["attributes"],
            conditions=Preconditions(**state["conditions"]),
            claimed=Checksums(**state["claimed"]),
        )
        write_json(self._state_path(session), {**state, "finished": asdict(stored)})
        return stored

    def _state(self, session: str) -> dict[str, Any]:
        state = read_json(self._state_path(session)) if re.fullmatch(r"[0-9a-f]{32}", session) else None
        if state is None:
            raise StorageError(404, "notFound", f"Upload session {session!r} not found: it ended or never began.")
        return state

    def _state_path(self, session: str) -> Path:
        return self._home.uploads / f"{session}.json"

    def _content_path(self, session: str) -> Path:
        return self._home.uploads / f"{session}.part"


def _parsed(content_range: str | None, size: int) -> tuple[int | None, int | None]:
    """First byte (None: no bytes, only a question) and total size (None: not known yet)."""
    if content_range is None:
        return 0, size
    match = CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None:
        raise StorageError(400, "badRequest", f"Failed to parse Content-Range header: {content_range}")
    first, last, total = match.groups()
    if first is not None and int(last) - int(first) + 1 != size:
        raise StorageError(400, "badRequest", f"Content-Range {content_range} does not fit the {size} bytes sent.")
    return (None if first is None else int(first)), (None if total == "*" else int(total))
