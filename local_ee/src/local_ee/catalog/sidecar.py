"""What the JSON beside a GeoTIFF says of it: Earth Engine's properties, band names, and units."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from affine import Affine

from local_ee.durable import put_in_place

KEYS = ("properties", "bands", "scale", "offset", "nodata")
EVERY = "*"  # the entry of PerBand that holds for all bands
PerBand = Mapping[str, float]
Value = TypeVar("Value", float, float | None)
_SENSING_TIME = re.compile(r"(?<!\d)(\d{8}T\d{6})(?!\d)")
_SENTINEL1_NAME = re.compile(r"^S1[A-D]_(IW|EW|SM|WV)_GRD[FHM]_")
_POLARISATIONS = ("VV", "VH", "HH", "HV")


@dataclass(frozen=True)
class Notes:
    """Facts about an image that its files do not hold.

    `names` and `grids` are by file, the rest by band name or EVERY: a stored value v means v * scale + offset
    in Earth Engine's units of that product, and a stored `nodata` is masked. `types`: bands whose converted values are
    cut to the range of a numpy type.
    """

    source: Path | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    grids: Mapping[Path, tuple[str | None, Affine | None]] = field(default_factory=dict)
    scale: PerBand = field(default_factory=dict)
    offset: PerBand = field(default_factory=dict)
    nodata: PerBand = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


def of_band(values: PerBand, band: str, otherwise: Value) -> Value:
    """The band's own value, the value for all bands, or `otherwise`."""
    return values.get(band, values.get(EVERY, otherwise))


def load(path: Path) -> dict[str, Any]:
    """A JSON object from a file; ValueError naming the file and what is wrong with it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON ({error}): mend or remove it") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} holds a JSON {type(document).__name__}; expected an object with {', '.join(KEYS)}")
    return document


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a sidecar whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def notes_of(document: Mapping[str, Any], path: Path, files: Sequence[Path]) -> Notes:
    """The notes in a sidecar document for the files it stands beside; ValueError for anything misspelled."""
    unknown = sorted(set(document) - set(KEYS))
    if unknown:
        raise ValueError(f"{path}: unknown key {unknown[0]!r}; expected {', '.join(KEYS)}")
    properties = document.get("properties", {})
    if not isinstance(properties, dict):
        raise ValueError(f"{path}: 'properties' is a {type(properties).__name__}; expected an object")
    _check_times(properties, path)
    names = _names(document.get("bands"), path, files)
    order = next(iter(names.values()), ()) if len(files) == 1 else ()
    scale, offset, nodata = (_per_band(document.get(key), key, path, order) for key in ("scale", "offset", "nodata"))
    return Notes(path, properties, names, {}, scale, offset, nodata)


def with_defaults(properties: Mapping[str, Any], index: str, bands: Sequence[str]) -> dict[str, Any]:
    """Properties completed with what Earth Engine's naming tells: system:index, and the sensing time in the index.

    `20190602T025551_..._T50RKU` and `S1A_IW_GRDH_1SDV_20190602T...` carry their time (docs/reference/earth-engine.md,
    "Sentinel-1" and "Sentinel-2"); a Sentinel-1 name also carries the mode, and its bands are the polarisations.
    """
    defaults: dict[str, Any] = {}
    time = _SENSING_TIME.search(index)
    if time and "system:time_start" not in properties:
        defaults["system:time_start"] = _milliseconds(time[1], index)
    mode = _SENTINEL1_NAME.match(index)
    if mode:
        defaults["instrumentMode"] = mode[1]
        defaults["transmitterReceiverPolarisation"] = [p for p in _POLARISATIONS if p in bands]
    return {**defaults, **properties, "system:index": index}


def _milliseconds(text: str, index: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise ValueError(
            f"image {index!r}: {text} in its name is no date; give properties.system:time_start"
        ) from error


def _check_times(properties: Mapping[str, Any], path: Path) -> None:
    for key in ("system:time_start", "system:time_end"):
        value = properties.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{path}: {key} is {value!r}; expected milliseconds since 1970 (a number)")


def _names(bands: Any, path: Path, files: Sequence[Path]) -> dict[Path, tuple[str, ...]]:
    """Band names by file: a list for the one file, or an object of part -> name or list of names."""
    if bands is None:
        return {}
    if isinstance(bands, dict):
        by_part = {part_of(file): file for file in files}
        missing = sorted(set(bands) - set(by_part))
        if missing:
            raise ValueError(
                f"{path}: 'bands' names the part {missing[0]!r}, but the files' parts are {sorted(by_part)}"
            )
        lists = {by_part[key]: [value] if isinstance(value, str) else value for key, value in bands.items()}
    elif len(files) == 1:
        lists = {files[0]: bands}
    else:
        raise ValueError(f"{path}: 'bands' must be an object of part -> names, since the image has {len(files)} files")
    for value in lists.values():
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise ValueError(f"{path}: 'bands' holds {value!r}; expected a list of band names")
    return {file: tuple(value) for file, value in lists.items()}


def part_of(file: Path) -> str:
    """What stands between index and suffix: `B2` of INDEX.B2.tif, empty where the image is one file."""
    return file.name.split(".", 1)[1].rsplit(".", 1)[0] if file.name.count(".") > 1 else ""


def _per_band(value: Any, key: str, path: Path, order: Sequence[str]) -> dict[str, float]:
    """{band or EVERY: number} from a number, an object by band name, or a list in the order of 'bands'."""
    if value is None:
        return {}
    if isinstance(value, list):
        if len(value) != len(order):
            raise ValueError(f"{path}: {key!r} lists {len(value)} numbers for {len(order)} names in 'bands'")
        value = dict(zip(order, value, strict=True))
    table = value if isinstance(value, dict) else {EVERY: value}
    for band, entry in table.items():
        if isinstance(entry, bool) or not isinstance(entry, int | float):
            raise ValueError(f"{path}: {key!r} of band {band!r} is {entry!r}; expected a number")
    if key == "scale" and 0 in table.values():
        raise ValueError(f"{path}: a 'scale' of 0 would make every pixel equal")
    return {band: float(entry) for band, entry in table.items()}
