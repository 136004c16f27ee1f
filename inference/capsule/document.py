"""capsule.json: what a map is made of, and the digests that hold it together."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from gee_export.base.errors import Fault
from gee_export.base.revision import revision

VERSION = 1
LIBRARIES = ("earthengine-api", "numpy", "torch", "rasterio", "pyproj", "odc-geo", "safetensors")
# what decides a scene's pixels or says which they are; the other properties may be written again by a catalog
PROPERTIES = (
    "system:time_start", "system:version", "PROCESSING_BASELINE", "MGRS_TILE", "SENSING_ORBIT_NUMBER",
    "relativeOrbitNumber_start", "orbitProperties_pass", "instrumentMode", "simulated",
)  # fmt: skip

Scenes = Mapping[str, Mapping[str, Mapping[str, Any]]]  # sensor -> scene -> properties


@dataclass(frozen=True)
class Document:
    """map: the file's name. outputs: digest of each of the map's files. files: digest of each other file in it.

    checkpoint: its fingerprint. engine: server and catalog. input: name and digest of a file that was mapped, or None.
    scenes: empty without a composite. graph: digest of the composite's graph, or "". requests: blocks, bands and bytes
    asked for. eecu_seconds: what the engine said it used, None where it did not. versions: isamap's revision, Python's
    and libraries' versions.
    """

    map: str
    outputs: Mapping[str, str]
    files: Mapping[str, str]
    checkpoint: str
    tags: Mapping[str, str]
    engine: Mapping[str, str] = field(default_factory=dict)
    input: Mapping[str, str] | None = None
    scenes: Scenes = field(default_factory=dict)
    graph: str = ""
    requests: Mapping[str, Any] = field(default_factory=dict)
    eecu_seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """JSON with a digest of itself."""
        content = {"version": VERSION, **asdict(self)}
        return (json.dumps(content | {"digest": digest_of_json(content)}, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes, where: str) -> tuple[Document, bool]:
        """The document, and whether it is as it was written. Fault: no JSON, or fields missing or of other types."""
        try:
            content = json.loads(data)
            written = content.pop("digest") == digest_of_json(content)
            version = content.pop("version")
            if version != VERSION:
                raise ValueError(f"version {version!r}, this isamap reads {VERSION}")
            document = cls(**content)
            _check(document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Fault(f"capsule {where}: capsule.json is damaged or of another release ({error})") from error
        return document, written


def digest(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def digest_of_json(value: Any) -> str:
    """Of a value's canonical JSON."""
    return digest(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def versions() -> dict[str, str]:
    """Revision of isamap, versions of Python and of the libraries that decide pixels."""
    installed = {"isamap": revision(), "python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "none"
    return installed


def _check(document: Document) -> None:
    """TypeError or ValueError where a field is not what its reader expects."""
    for name in ("outputs", "files", "tags", "engine", "versions"):
        pairs = getattr(document, name).items()
        if not all(isinstance(key, str) and isinstance(value, str) for key, value in pairs):
            raise TypeError(f"{name} holds more than texts")
    if not all(isinstance(getattr(document, name), str) for name in ("map", "checkpoint", "graph")):
        raise TypeError("map, checkpoint or graph is no text")
    if "/" in document.map or "\\" in document.map or not document.map.lower().endswith((".tif", ".tiff")):
        raise ValueError(f"map {document.map!r} is no name of a GeoTIFF")
    if document.input is not None and set(document.input) != {"name", "sha256"}:
        raise ValueError("input has other members than name and sha256")
    for sensor in document.scenes.values():
        _ = [dict(properties) for properties in sensor.values()]
