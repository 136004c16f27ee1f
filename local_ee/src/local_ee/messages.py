"""The kinds of the fields of requests: where the API has a message or a list, nothing else is let in.

Source: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/computePixels and its siblings. The
discovery document of the `ee` wheel says only `any`, so the fields are listed here. Values are checked where they are
read; a message whose keys are free (properties, metadata) and a graph are not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MESSAGES = frozenset(
    (
        *("grid", "dimensions", "affineTransform", "asset", "imageManifest", "tableManifest", "missingData"),
        *("fileExportOptions", "assetExportOptions", "tileExportOptions", "tileOptions", "earthEngineDestination"),
        *("cloudStorageDestination", "driveDestination", "cloudStorageLocation", "geoTiffOptions", "tfRecordOptions"),
        *("visualizationOptions", "videoOptions", "videoExportOptions"),
    )
)
LISTS = frozenset(("tilesets", "sources", "uris", "bands", "bandIds", "maskBands", "selectors", "sourceObjects"))
LISTS_OF_MESSAGES = frozenset(("tilesets", "sources", "bands", "maskBands", "sourceObjects"))
TEXTS = frozenset(("crs", "crsCode", "crsWkt", "uriPrefix"))
FREE = frozenset(("properties", "metadata"))


def check_kinds(document: Mapping[str, Any]) -> None:
    """ValueError names the first field, at any depth, that holds another kind of value than the API's."""
    for name, value in document.items():
        field = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)  # the `earthengine` command's names
        if value is None:
            continue
        if field in FREE and not isinstance(value, Mapping):
            raise _refusal(name, "an object")
        if field in TEXTS and not isinstance(value, str):
            raise _refusal(name, "a text")
        if field in MESSAGES:
            _check_message(name, value)
        elif field in LISTS:
            _check_list(name, value, of_messages=field in LISTS_OF_MESSAGES)


def _check_message(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise _refusal(name, "an object")
    check_kinds(value)


def _check_list(name: str, value: Any, *, of_messages: bool) -> None:
    if not isinstance(value, list):
        raise _refusal(name, "a list")
    for each in value if of_messages else ():
        _check_message(f"{name}[]", each)


def _refusal(name: str, kind: str) -> ValueError:
    return ValueError(f"Invalid JSON payload received: '{name[:100]}' must be {kind}.")
