"""manifest.json of a dataset: what its numbers mean, where they come from, and their statistics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox

from gee_export.console import Fault

VERSION = 1
FROM_SERVER = ("simulated", "backscatter", "scenes")  # fields of a manifest that only the server knows
NODATA = -32768
UNKNOWN = 255
REFLECTANCE_SCALE = 1e-4
DECIBEL_SCALE = 0.01


@dataclass(frozen=True)
class Band:
    """A stored band: physical value = stored * scale + offset; `nodata` marks missing pixels."""

    name: str
    unit: str
    scale: float
    offset: float = 0.0
    nodata: int = NODATA


@dataclass(frozen=True)
class BandStatistics:
    """Of a band's valid pixels over the train split, in physical units; valid_share of all its pixels."""

    mean: float
    std: float
    min: float
    max: float
    valid_share: float


@dataclass(frozen=True)
class Grid:
    """Pixels of a region that were exported; row and col are its upper left pixel on the region's lattice."""

    crs: str
    affine: tuple[float, ...]
    shape: tuple[int, int]
    row: int = 0
    col: int = 0

    @classmethod
    def of(cls, geobox: GeoBox, row: int = 0, col: int = 0) -> Grid:
        """The grid of a GeoBox whose upper left pixel is (row, col) of the lattice."""
        return cls(str(geobox.crs), tuple(geobox.affine)[:6], (geobox.shape[0], geobox.shape[1]), row, col)

    @property
    def geobox(self) -> GeoBox:
        return GeoBox(self.shape, Affine(*self.affine), self.crs)

    def patch_geobox(self, row: int, col: int, size: int) -> GeoBox:
        """The pixels of a patch whose upper left pixel is (row, col) of the lattice."""
        affine = Affine(*self.affine) * Affine.translation(col - self.col, row - self.row)
        return GeoBox((size, size), affine, self.crs)


@dataclass(frozen=True)
class DatasetManifest:
    """Everything a reader needs to know of a dataset. Mappings are plain JSON.

    source: server, catalog. image: product per sensor. label: product, year, classes, licence (None without labels).
    periods: label, start and end (exclusive) of each. settings: the composite's (composite.Settings). grids: one per
    region. split: kind, ratios, seed, block_px and what was left out. scenes: ids and counts per region and period.
    """

    name: str
    simulated: bool
    source: Mapping[str, Any]
    image: Mapping[str, Any]
    bands: tuple[Band, ...]
    label: Mapping[str, Any] | None
    periods: tuple[Mapping[str, str], ...]
    settings: Mapping[str, Any]
    backscatter: str | None
    grids: Mapping[str, Grid]
    size: int
    stride: int
    split: Mapping[str, Any]
    scenes: Mapping[str, Any] = field(default_factory=dict)
    statistics: Mapping[str, BandStatistics] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.bands:
            raise ValueError(f"dataset {self.name!r} has no bands")
        if self.size < 1 or self.stride < 1:
            raise ValueError(f"dataset {self.name!r}: size {self.size} and stride {self.stride} must be at least 1")
        if self.backscatter not in (None, "sigma0", "gamma0"):
            raise ValueError(f"dataset {self.name!r}: backscatter {self.backscatter!r}, expected sigma0 or gamma0")

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    def to_json(self) -> dict[str, Any]:
        """The JSON document, in the order of the fields."""
        document = {"version": VERSION} | asdict(self)
        bands = document.pop("bands")
        document["image"] = dict(document["image"]) | {"bands": bands}
        return json.loads(json.dumps(document))

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str = "manifest.json") -> DatasetManifest:
        """From the JSON document; Fault for unknown versions and missing fields."""
        version = document.get("version")
        if version != VERSION:
            raise Fault(
                f"{where} has version {version!r}; this program reads version {VERSION}: "
                "install the isamap release that wrote it, or export again"
            )
        try:
            content = {f.name: document[f.name] for f in fields(cls) if f.name != "bands"}
            content["image"] = dict(content["image"])
            content["bands"] = tuple(Band(**band) for band in content["image"].pop("bands"))
            content["periods"] = tuple(content["periods"])
            content["grids"] = {name: _grid(grid) for name, grid in content["grids"].items()}
            content["statistics"] = {name: BandStatistics(**s) for name, s in content["statistics"].items()}
            return cls(**content)
        except (KeyError, TypeError, ValueError) as error:
            raise Fault(f"{where} is damaged ({error!r}): export the dataset again") from error


def encode(manifest: DatasetManifest) -> bytes:
    """manifest.json's bytes: indented, fields in order, so equal manifests are equal files."""
    return (json.dumps(manifest.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def decode(data: bytes, where: str) -> DatasetManifest:
    """The manifest of a manifest.json's bytes; Fault naming the file where it is damaged or of another version."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise Fault(f"{where} is not JSON ({error}): the dataset is damaged; run the same export again") from error
    return DatasetManifest.from_json(document, where)


def differences(wanted: DatasetManifest, held: DatasetManifest, *, without: Sequence[str] = ()) -> list[str]:
    """In words, each setting that differs (statistics and counts are results, not settings)."""
    left, right = _settings(wanted, without), _settings(held, without)
    differing = [key for key in sorted(left.keys() | right.keys()) if left.get(key) != right.get(key)]
    return [f"{key} is {_brief(right.get(key))} there, {_brief(left.get(key))} asked" for key in differing]


def _settings(manifest: DatasetManifest, without: Sequence[str]) -> dict[str, Any]:
    document = manifest.to_json()
    for key in ("statistics", "counts", *without):
        document.pop(key)
    return _flat(document)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        parts = (_flat(item, f"{prefix}.{key}" if prefix else key) for key, item in value.items())
        return {key: item for part in parts for key, item in part.items()}
    return {prefix: value}


def _grid(document: Mapping[str, Any]) -> Grid:
    shape = document["shape"]
    return Grid(document["crs"], tuple(document["affine"]), (shape[0], shape[1]), document["row"], document["col"])
