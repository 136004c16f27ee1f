"""ISAMAP_HOME: where assets, buckets and operations lie; safe names, whole files, locks between processes."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import platformdirs

from local_ee.durable import make_folder, put_in_place
from local_ee.platform import lock

# A file of an entry carries this mark and a folder never does (it is escaped in names), so the entries "a" and "a/b"
# can lie side by side: the file a@.json and the folder a/.
MARK = "@"
DESCRIPTION = f"{MARK}.json"
MAX_SEGMENT = 150  # characters of a file name before marks; longer ones are replaced by their hash
SAFE = "-_.!+=,() "
PRIVATE, OTHERS = 0o700, 0o077  # modes of folders
TEMPORARY = ".tmp"
PARTS = ".parts"  # ends the names of folders of uploads in parts
UPLOAD = "upload.json"  # in such a folder: what is uploaded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Home:
    """The folders of one home; several processes may use it at once."""

    root: Path

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def assets(self) -> Path:
        return self.engine / "assets"

    @property
    def buckets(self) -> Path:
        return self.engine / "buckets"

    @property
    def operations(self) -> Path:
        return self.engine / "operations"

    def credentials(self, port: int) -> Path:
        """What other programs log in with at the engine of this port, while it runs."""
        return self.engine / f"credentials-{port}.json"

    @property
    def uploads(self) -> Path:
        """Resumable uploads under way."""
        return self.engine / "uploads"

    @property
    def locks(self) -> Path:
        return self.engine / "locks"


def default_home() -> Path:
    """ISAMAP_HOME, or the platform's user data folder."""
    named = os.environ.get("ISAMAP_HOME")
    return Path(named).expanduser().absolute() if named else platformdirs.user_data_path("isamap")


def private_folder(path: Path) -> None:
    """Makes the folder, and the folders above it, for this user alone (mode 0700); OSError where that fails.

    What lies in it no other user reaches, whatever the modes of the files are. A folder that was there loses the
    rights of others; those above it stay as they are.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=PRIVATE, exist_ok=True)
    if path.stat().st_mode & OTHERS:
        path.chmod(PRIVATE)


def entry_path(folder: Path, name: str) -> Path:
    """The path stem of a slash-separated name, always inside `folder`; files append MARK and more to it.

    Characters that a file system may not hold are percent-escaped, `.`, `..` and empty parts too; long parts become
    hashes, so whoever lists a folder reads names from the descriptions and not from the paths.
    """
    return folder.joinpath(*(_segment(segment) for segment in name.split("/")))


def description_path(folder: Path, name: str) -> Path:
    """The JSON file that says what an entry is; the entry exists where this file does."""
    stem = entry_path(folder, name)
    return stem.with_name(stem.name + DESCRIPTION)


def _segment(name: str) -> str:
    if not name:
        return "%"
    escaped = quote(name, safe=SAFE, errors="surrogatepass")
    if not escaped.strip(".") or escaped.startswith(" ") or escaped.endswith((" ", ".")):
        escaped = escaped.replace(".", "%2E").replace(" ", "%20")
    if len(escaped) <= MAX_SEGMENT:
        return escaped
    return "%~" + sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def temporary_beside(path: Path) -> Path:
    """A fresh name in the folder of `path` (made if absent), to be written and then renamed."""
    make_folder(path.parent)
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(6)}{TEMPORARY}")


def write_whole(path: Path, content: bytes) -> None:
    """Puts the content under the name in one step: readers see the old file or the new one, after a power cut too."""
    temporary = temporary_beside(path)
    try:
        temporary.write_bytes(content)
        put_in_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_secret(path: Path, content: bytes) -> None:
    """As `write_whole`, and no other user may read the file, not even while it is written."""
    temporary = temporary_beside(path)
    try:
        # The mode is that of the file's first moment: a chmod comes too late for who opened it before.
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        # Not synced: the secret is of a running engine, and no engine outlives a power cut.
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, document: Any) -> None:
    """A JSON file written in one step, keys sorted."""
    write_whole(path, json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode("utf-8"))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no such file, or one that cannot be read, which is logged once.

    What it described counts as absent then, so that the rest of a folder can still be listed and it can be made again.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        _log_damage(path)
        return None
    return document


@lru_cache(maxsize=1024)
def _log_damage(path: Path) -> None:
    log.warning("%s is damaged and left out: write what it described again", path)


@contextmanager
def locked(home: Home, name: str) -> Iterator[None]:
    """Holds the lock of this name against every thread and process that uses the home."""
    path = home.locks / _segment(name)
    make_folder(path.parent)
    with path.open("ab") as handle:
        lock.take(handle)
        yield


def held(path: Path) -> bool:
    """Whether a living process holds the lock of this file (see `hold`)."""
    try:
        with path.open("r+b") as handle:
            return not lock.try_take(handle)
    except FileNotFoundError:
        return False


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keeps a lock file locked; the system frees it however the process ends."""
    make_folder(path.parent)
    with path.open("ab") as handle:
        lock.take(handle)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
