"""The tokens that open a service, read from a file or made for its folder, which other users may not read."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path

from isamap.gee_export.base.atomic import disk_fault

TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{24,500}")
OWN_TOKEN = "token"
# 32 bytes are 43 letters, far more than guessing reaches; 24 letters are asked of tokens that users make.
TOKEN_BYTES = 32
PRIVATE, OTHERS = 0o700, 0o077  # rights of this user and of others
ROOT = 0
USERS_ARE_TOLD_APART = os.name == "posix"  # Windows shows everybody's files as 0666 and keeps its own lists of rights
OPERATOR = "operator"  # after a token in its file: it may end everybody's jobs


@dataclass(frozen=True)
class Tokens:
    """The tokens that open the door; operators: those of them that may end everybody's jobs."""

    tokens: tuple[str, ...] = field(default=(), repr=False)
    operators: tuple[str, ...] = field(default=(), repr=False)


def read_tokens(path: str | Path) -> Tokens:
    """The tokens of a file, one a line, with `operator` after some.

    ValueError for a file that other users may read or that is another user's, for none, or one that is too short.
    """
    try:
        with open(path, encoding="utf-8") as file:
            status, lines = os.fstat(file.fileno()), file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--token-file {path} cannot be read: give a text file with a token a line") from error
    if USERS_ARE_TOLD_APART and (fault := fault_of_rights(status, os.geteuid())):
        raise ValueError(f"--token-file {path} {fault}")
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not rows or not all(TOKEN.fullmatch(token) and further in ([], [OPERATOR]) for token, *further in rows):
        raise ValueError(
            f"--token-file {path}: expected a token a line, each of 24 letters, digits and -._~+/= or more, with the "
            f'word {OPERATOR} after it or nothing (python -c "import secrets; print(secrets.token_urlsafe(32))")'
        )
    return Tokens(tuple(token for token, *_ in rows), tuple(token for token, *further in rows if further))


def fault_of_rights(status: os.stat_result, user: int) -> str | None:
    """What is wrong with a secret file's owner and rights, and the remedy; None where other users cannot read it.

    Source: PostgreSQL's rule for its key file (https://www.postgresql.org/docs/current/ssl-tcp.html), which also takes
    secrets that a container's system mounts: the user's own with 0600 or less, or root's with 0640 or less.
    """
    if status.st_uid not in (user, ROOT):
        return f"is another user's, who knows its tokens: copy it, and chown the copy to user {user}"
    allowed = 0o600 if status.st_uid == user else 0o640
    if stat.S_IMODE(status.st_mode) & OTHERS & ~allowed:
        return f"can be used by other users of this machine: chmod {allowed:o} it, and make new tokens"
    return None


def owner_of_token(token: str) -> str:
    """A digest, by which jobs name the token that started them."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def private_folder(folder: Path) -> None:
    """Makes the folder for this user alone; one that is there keeps its rights, and the user is told of others'.

    Fault where the disk refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=PRIVATE, exist_ok=True)
    except OSError as error:
        raise disk_fault(folder, error) from error
    mode = stat.S_IMODE(folder.stat().st_mode)
    if USERS_ARE_TOLD_APART and mode & OTHERS:
        remedy = f"chmod {mode & ~OTHERS:03o} {folder}"
        print(f"warning: other users of this machine may use {folder}: {remedy}", file=sys.stderr, flush=True)


def own_token(folder: Path) -> Tokens:
    """The token that the service made for its folder at its first start, which may end everybody's jobs.

    It stays the same, so that open pages and programs go on after a restart. ValueError for a file that holds no token.
    """
    path = folder / OWN_TOKEN
    try:
        # With its rights from the first moment: a file that is closed to others afterwards was open until then.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_tokens(path)
    except OSError as error:
        raise disk_fault(path, error) from error
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_urlsafe(TOKEN_BYTES)} {OPERATOR}\n")
        file.flush()
        os.fsync(file.fileno())
    return read_tokens(path)
