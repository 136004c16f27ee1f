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
OPERATOR = "operator"  # after a token in its file: it may end everybody's jobs


@dataclass(frozen=True)
class Tokens:
    """The tokens that open the door; operators: those of them that may end everybody's jobs."""

    tokens: tuple[str, ...] = field(default=(), repr=False)
    operators: tuple[str, ...] = field(default=(), repr=False)


def read_tokens(path: str | Path) -> Tokens:
    """The tokens of a file, one a line, with `operator` after some; ValueError for none, or one that is too short."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--token-file {path} cannot be read: give a text file with a token a line") from error
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not rows or not all(TOKEN.fullmatch(token) and further in ([], [OPERATOR]) for token, *further in rows):
        raise ValueError(
            f"--token-file {path}: expected a token a line, each of 24 letters, digits and -._~+/= or more, with the "
            f'word {OPERATOR} after it or nothing (python -c "import secrets; print(secrets.token_urlsafe(32))")'
        )
    return Tokens(tuple(token for token, *_ in rows), tuple(token for token, *further in rows if further))


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
    warn_of_readers(folder)


def warn_of_readers(path: Path) -> None:
    """Says on stderr that other users may read a file or folder, and what ends that."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        remedy = f"chmod {mode & ~OTHERS:03o} {path}"
        print(f"warning: other users of this machine may use {path}: {remedy}", file=sys.stderr, flush=True)


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
