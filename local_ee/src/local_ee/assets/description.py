"""The JSON file that says what an asset is, with a digest of itself, and the refusal of damaged ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from local_ee.errors import EngineError
from local_ee.home import read_json, write_json

DIGEST = "digest"  # isamap 0.1 wrote none


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Puts a description under its name in one step."""
    write_json(path, {**document, DIGEST: _digest(document)})


def read(path: Path) -> dict[str, Any] | None:
    """A description, or None where there is no such file; EngineError 500 where it is not the one that was written."""
    try:
        document = read_json(path)
    except ValueError as error:
        raise damaged_description(path) from error
    if document is None:
        return None
    if not isinstance(document, dict) or document.pop(DIGEST, None) not in (None, _digest(document)):
        raise damaged_description(path)
    return document


def damaged_description(path: Path) -> EngineError:
    """The refusal of a description that cannot be read."""
    return damaged(f"The description {path.name} of an asset is damaged")


def damaged(words: str) -> EngineError:
    """The refusal of an asset that is not what was stored."""
    return EngineError(f"{words}. Remove its files from ISAMAP_HOME and upload or export it again.", 500, "DATA_LOSS")


def _digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a description in JSON, whatever its layout in the file."""
    return sha256(json.dumps({k: v for k, v in document.items() if k != DIGEST}, sort_keys=True).encode()).hexdigest()
