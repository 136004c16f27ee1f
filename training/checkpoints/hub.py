"""Checkpoints of a model hub, hf://ORG/NAME[@REVISION]: copied once, found again without network, and put there.

Only the description, the safetensors and the card are taken, so nothing that comes from a hub can run; a network of
another package needs --trust as everywhere. The paths are those of the Hugging Face Hub (huggingface.co/docs/hub/api).
Tests use a hub of their own on the loopback address: nobody has called the real one from here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from isamap.gee_export.base.atomic import write_json
from isamap.gee_export.base.errors import Fault, notice
from isamap.training.checkpoints.atomic_folder import write_folder
from isamap.training.checkpoints.layout import BEST, CARD, DESCRIPTION, WEIGHTS, nothing_at
from isamap.training.home import cache_home

SCHEME, PUBLIC, MAIN = "hf://", "https://huggingface.co", "main"
ENDPOINT, TOKEN, OFFLINE = "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"  # the hub's own variables
README = "README.md"  # what a hub shows of a model: our card
# Ours: descriptions have a few kB and the largest network here 0.5 GB; a hub that sends more is no checkpoint.
LARGEST_TEXT, LARGEST_WEIGHTS, TIMEOUT_S = 8 << 20, 2 << 30, 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PAGE = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)  # how neither JSON nor safetensors nor a card begins
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class HubModel:
    """A model of a hub at a revision (a branch, a tag or a commit)."""

    organisation: str
    name: str
    revision: str = MAIN

    @classmethod
    def of(cls, address: str) -> HubModel:
        """Of hf://ORG/NAME or hf://ORG/NAME@REVISION; ValueError for another form."""
        path, _, revision = address.removeprefix(SCHEME).partition("@")
        words = path.split("/")
        if len(words) != 2 or not all(map(_NAME.fullmatch, (*words, revision or MAIN))):
            raise ValueError(f"{address}: expected hf://ORG/NAME or hf://ORG/NAME@REVISION")
        return cls(words[0], words[1], revision or MAIN)

    @property
    def path(self) -> str:
        """ORG/NAME."""
        return f"{self.organisation}/{self.name}"


class NotReached(ConnectionError):
    """The hub did not answer."""


def is_hub(address: object) -> bool:
    """Whether an address is of a hub."""
    return isinstance(address, str) and address.startswith(SCHEME)


def hub_folder(address: str) -> Path:
    """The folder under ISAMAP_HOME with a copy of the model; the copy of before where the hub does not answer whole.

    ValueError: no such model, no checkpoint in it, no right to read it. Fault: no answer and no copy, damaged weights,
    a web page instead of a file.
    """
    model = HubModel.of(address)
    note = cache_home() / "hub" / f"{model.organisation}--{model.name}--{model.revision}.json"
    try:
        commit = _commit(model)
        kept = _noted(note)
        if kept is not None and kept[0] == commit:
            return kept[1]
        folder = _copied(model, commit, address)
    except NotReached as error:
        return _copy_of_before(note, address, error)
    # After the copy: where the note is there, the folder that it names is whole.
    note.parent.mkdir(parents=True, exist_ok=True)
    write_json(note, {"commit": commit, "folder": folder.name})
    return folder


def call(
    path: str, body: bytes | None = None, *, method: str | None = None, headers: Mapping[str, str] | None = None,
    largest: int = LARGEST_TEXT,
) -> bytes:  # fmt: skip
    """The answer to a request; `path` begins with / (of the endpoint) or is a URL that the hub gave.

    The token goes to the endpoint alone, never to where the hub leads. NotReached without a whole answer,
    FileNotFoundError for 404, ValueError for other refusals, Fault for a web page.
    """
    if os.environ.get(OFFLINE, "").lower() in ("1", "true", "yes", "on"):
        raise NotReached(f"{OFFLINE} is set")
    base = _endpoint()
    url = base + path if path.startswith("/") else _checked(path)
    http_request = request.Request(url, data=body, method=method, headers=dict(headers or {}))
    token = os.environ.get(TOKEN)
    if token and _place(url) == _place(base):
        # Hubs redirect to stores of other companies, which have no business with the user's token.
        http_request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with request.build_opener(_SafeRedirects()).open(http_request, timeout=TIMEOUT_S) as answer:
            content = _read(answer, largest)
    except HTTPError as error:
        raise _refusal(error, url) from error
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        # what another protocol said may be long and of several lines
        reason = " ".join(str(getattr(error, "reason", error)).split())[:200]
        raise NotReached(f"{base} did not answer ({reason})") from error
    if len(content) > largest:
        raise ValueError(f"{url} holds more than {largest:,} bytes: that is no checkpoint of isamap")
    if _PAGE.match(content):
        raise Fault(f"{url}: a web page came instead, as of a login or a proxy: check {ENDPOINT} and try again")
    return content


def _read(answer: HTTPResponse, largest: int) -> bytes:
    """The body, or one byte more than `largest`; ConnectionError where it ends before the length that was announced."""
    # One byte more than allowed tells a file of the limit's size from a larger one, without reading that.
    content: bytes = answer.read(largest + 1)
    if len(content) <= largest and answer.length:  # bytes still to come: read(n) gives a torn body without an error
        raise ConnectionError(f"the answer was cut off after {len(content):,} bytes")
    return content


class _SafeRedirects(request.HTTPRedirectHandler):
    """Leads on to safe addresses only; headers that are not to be sent there stay behind."""

    def redirect_request(self, *arguments: Any) -> request.Request | None:
        _checked(arguments[-1])
        return super().redirect_request(*arguments)


def _copied(model: HubModel, commit: str, address: str) -> Path:
    """A fresh copy, checked against the hash that its description names."""
    for below in ("", f"{BEST}/"):
        try:
            text = call(_file(model, commit, below + DESCRIPTION))
            break
        except FileNotFoundError:
            continue
    else:
        raise nothing_at(address)
    try:
        expected_hash = json.loads(text)["weights_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"{address}: {DESCRIPTION} is damaged; ask who published it") from error
    try:
        weights = call(_file(model, commit, below + WEIGHTS), largest=LARGEST_WEIGHTS)
    except FileNotFoundError as error:
        raise Fault(f"{address}: {WEIGHTS} is missing; ask who published it") from error
    if hashlib.sha256(weights).hexdigest() != expected_hash:
        raise Fault(f"{address}: {WEIGHTS} is damaged (its hash differs from {DESCRIPTION}); try again")
    files = {WEIGHTS: weights, **_card(model, commit, below), DESCRIPTION: text}
    # Named by the description, which names the weights' hash: equal checkpoints of two addresses are one copy.
    folder = cache_home() / "checkpoints" / hashlib.sha256(text).hexdigest()[:32]
    write_folder(folder, files, DESCRIPTION)
    notice(f"{address} at commit {commit[:12]}: {_licence(files.get(CARD, b''))}; card: {folder / CARD}")
    return folder


def _card(model: HubModel, commit: str, below: str) -> dict[str, bytes]:
    for name in (below + CARD, README):
        try:
            return {CARD: call(_file(model, commit, name))}
        except FileNotFoundError:
            continue
    return {}


def _licence(card: bytes) -> str:
    """What a card's first lines say of the licence."""
    stated = re.search(rb'^license:\s*"?([\w.-]{1,60})', card, re.MULTILINE)
    return f"licence {stated[1].decode()}" if stated else "no licence stated"


def _commit(model: HubModel) -> str:
    """The commit that a revision is; NotReached, ValueError."""
    try:
        answer = call(f"/api/models/{model.path}/revision/{quote(model.revision, safe='')}")
        commit = str(json.loads(answer)["sha"])
    except FileNotFoundError as error:
        raise ValueError(f"hf://{model.path}@{model.revision}: the hub has no such model or revision") from error
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Fault(f"{_endpoint()} did not answer as a hub does: check {ENDPOINT}") from error
    # It becomes part of addresses and of a file's name: nothing else than a hash may.
    if not _COMMIT.fullmatch(commit):
        raise Fault(f"{_endpoint()} gave commit {commit[:60]!r}, expected 40 hexadecimal digits: check {ENDPOINT}")
    return commit


def _copy_of_before(note: Path, address: str, error: NotReached) -> Path:
    kept = _noted(note)
    if kept is None:
        raise Fault(f"{address}: {error}, and there is no copy from before; try again with a network") from error
    notice(f"{address}: {error}; the copy of commit {kept[0][:12]} is used")
    return kept[1]


def _noted(note: Path) -> tuple[str, Path] | None:
    """The commit and the folder of the last copy, if it is still there."""
    try:
        values = json.loads(note.read_bytes())
        # The last name alone: a note that somebody changed must not lead out of the cache.
        folder = cache_home() / "checkpoints" / Path(values["folder"]).name
        return (str(values["commit"]), folder) if (folder / DESCRIPTION).is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file(model: HubModel, commit: str, name: str) -> str:
    return f"/{model.path}/resolve/{commit}/{name}"


def _endpoint() -> str:
    """The hub's address without a slash at its end; ValueError where it is not safe."""
    return _checked(os.environ.get(ENDPOINT) or PUBLIC).rstrip("/")


def _checked(url: str) -> str:
    """The URL; ValueError where what comes from it could have been changed on the way."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"{url[:200]}: a hub is asked by https (http only on this machine); check {ENDPOINT}")
    return url


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _refusal(error: HTTPError, url: str) -> Exception:
    if error.code == 404:
        return FileNotFoundError(url)
    if error.code in (401, 403):
        return ValueError(f"{url}: the hub refuses ({error.code}): set {TOKEN} to a token that may do this")
    if error.code >= 500 or error.code == 429:
        return NotReached(f"{_endpoint()} answered {error.code}")
    return ValueError(f"{url}: the hub refuses ({error.code} {error.reason})")
