"""manifest.json of a dataset: what its numbers mean, where they come from, and their statistics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets import digests

VERSION = 1
# Fields of a manifest that only the server knows
FROM_SERVER = (
    "simulated", "backscatter", "label", "scenes", "skipped", "image.product.sentinel2", "layers.frames.dates",
)  # fmt: skip
FROM_PLAN = ("split.positions", "split.left_out", "split.regions")  # found by the plan, not asked for
# The one number of int16 without a counterpart, so that stored values stay symmetric.
NODATA = -32768
LEAST_SHOWN = 0.5  # share of a patch: foreign images, finer ones and frames that show less are left out
# Each a folder of the dataset (docs/reference/formats.md, "Patch dataset")
LAYERS = ("shares", "frames", "fine", "fine_labels")
# Left out where empty
LATER_FIELDS = ("asked", "skipped", "layers")
REFLECTANCE_SCALE = 1e-4
# Processing baseline 04.00 (25 January 2022) adds 1000 to Sentinel-2's numbers; water and shade seem to reflect 0.1
DARK = 0.095
# int16 then holds -327.67 to 327.67 dB, finer than any speckle.
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
    """Statistics of a band's valid pixels in the train split, physical units; valid_share is of all its pixels."""

    mean: float
    std: float
    min: float
    max: float
    valid_share: float


@dataclass(frozen=True)
class StoredLayer:
    """What the patches hold beside image and label: bands, pixel type, product, and statistics as the image's.

    ratio: how many of its pixels lie along one of the image's. dates: of frames, per region and period, YYYYMMDD with
    what each is made of; a patch that has no file of a date has too few clear pixels of it.
    """

    bands: tuple[Band, ...]
    dtype: str
    ratio: int = 1
    product: Mapping[str, Any] = field(default_factory=dict)
    dates: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    statistics: Mapping[str, BandStatistics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.bands or self.ratio < 1 or self.dtype not in ("uint8", "int16"):
            raise ValueError(
                f"layer of {len(self.bands)} bands, {self.dtype}, ratio {self.ratio}: expected bands of uint8 or int16"
            )

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> StoredLayer:
        """The layer of the manifest's JSON."""
        bands = tuple(Band(**band) for band in document["bands"])
        statistics = {name: BandStatistics(**values) for name, values in document["statistics"].items()}
        return cls(**dict(document) | {"bands": bands, "statistics": statistics})


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

    def patch_geobox(self, row: int, col: int, size: int, ratio: int = 1) -> GeoBox:
        """The pixels of a patch whose upper left pixel is (row, col) of the lattice; `ratio` times finer if asked."""
        affine = Affine(*self.affine) * Affine.translation(col - self.col, row - self.row) * Affine.scale(1 / ratio)
        return GeoBox((size * ratio, size * ratio), affine, self.crs)


@dataclass(frozen=True)
class DatasetManifest:
    """Everything a reader needs to know of a dataset. Mappings are plain JSON.

    source: server, catalog, of simulated pixels world (their version). image: product per sensor.
    label: product, year, classes, licence (None without labels).
    periods: label, start and end (exclusive) of each. settings: the composite's (composite.Settings). grids: one per
    region. split: as asked (kind, ratios, seed) and, by region, positions, block_px and what was left out. scenes: ids
    and counts per region and period. skipped: by region and period, why there is nothing of them.
    asked: options that no other field holds, such as the label sources.
    layers: what the patches hold beside image and label, by a name of LAYERS.
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
    asked: Mapping[str, Any] = field(default_factory=dict)
    skipped: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    layers: Mapping[str, StoredLayer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := sorted(self.layers.keys() - set(LAYERS)):
            raise ValueError(
                f"dataset {self.name!r}: layers {', '.join(unknown)}, expected some of {', '.join(LAYERS)}"
            )
        if not self.bands:
            raise ValueError(f"dataset {self.name!r} has no bands")
        if self.size < 1 or self.stride < 1:
            raise ValueError(f"dataset {self.name!r}: size {self.size} and stride {self.stride} must be at least 1")
        if self.backscatter not in (None, "sigma0", "gamma0"):
            raise ValueError(f"dataset {self.name!r}: backscatter {self.backscatter!r}, expected sigma0 or gamma0")

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    @property
    def sensors(self) -> tuple[str, ...]:
        """Those in the composites, such as sentinel2; none where images are of another origin."""
        facts = (sensors for periods in self.scenes.values() for sensors in periods.values())
        return tuple(next(facts, ()))

    @property
    def level(self) -> str | None:
        """Sentinel-2's in the composites, L2A or L1C; None where there is none."""
        facts = (sensors for periods in self.scenes.values() for sensors in periods.values())
        return next((sensors["sentinel2"]["level"] for sensors in facts if "sentinel2" in sensors), None)

    @property
    def impervious_class(self) -> int:
        """The number of impervious ground in the labels: 1, or 4 among LandCover3m's seven classes."""
        classes = (self.label or {}).get("classes", {})
        return next((int(value) for value, name in classes.items() if name == "impervious"), 1)

    def to_json(self) -> dict[str, Any]:
        """The JSON document, in the order of the fields."""
        document = {"version": VERSION} | asdict(self)
        bands = document.pop("bands")
        document["image"] = dict(document["image"]) | {"bands": bands}
        for name in LATER_FIELDS:
            if not document[name]:
                del document[name]
        # Through JSON, so that tuples are lists on both sides of a comparison.
        plain: dict[str, Any] = json.loads(json.dumps(document))
        return plain

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str = "manifest.json") -> DatasetManifest:
        """The manifest of a JSON document; Fault for unknown versions and missing fields."""
        version = document.get("version")
        if version != VERSION:
            raise Fault(
                f"{where} has version {version!r}; this program reads version {VERSION}: "
                "install the isamap release that wrote it, or export again"
            )
        try:
            document = {name: {} for name in LATER_FIELDS} | dict(document)
            content = {f.name: document[f.name] for f in fields(cls) if f.name != "bands"}
            content["image"] = dict(content["image"])
            content["bands"] = tuple(Band(**band) for band in content["image"].pop("bands"))
            content["periods"] = tuple(content["periods"])
            content["grids"] = {name: _grid(grid) for name, grid in content["grids"].items()}
            content["layers"] = {name: StoredLayer.from_json(layer) for name, layer in content["layers"].items()}
            content["statistics"] = {name: BandStatistics(**s) for name, s in content["statistics"].items()}
            return cls(**content)
        except (KeyError, TypeError, ValueError) as error:
            raise Fault(f"{where} is damaged ({error!r}): export the dataset again") from error


def encode(manifest: DatasetManifest, index: bytes | None = None) -> bytes:
    """manifest.json's bytes: indented, fields in order, so equal manifests are equal files.

    index: the bytes of patches.parquet, for a finished dataset, whose manifest names the digests of both.
    """
    document = manifest.to_json()
    return digests.text(document) if index is None else digests.sealed(document, index)


def decode(data: bytes, where: str) -> DatasetManifest:
    """The manifest of an unfinished dataset; Fault naming the file where it is damaged or of another version."""
    return DatasetManifest.from_json(_document(data, where), where)


def decode_sealed(data: bytes, where: str) -> tuple[DatasetManifest, str]:
    """The manifest of a finished dataset, and the digest that patches.parquet must have; Fault as of `decode`."""
    document = _document(data, where)
    head = DatasetManifest.from_json(document, where)
    return head, digests.checked(document, data, where)


def _document(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Fault(f"{where} is not JSON ({error}): the dataset is damaged; run the same export again") from error
    if not isinstance(document, dict):
        raise Fault(f"{where} is no JSON object: the dataset is damaged; run the same export again")
    return document


def differences(requested: DatasetManifest, stored: DatasetManifest, *, without: Sequence[str] = ()) -> list[str]:
    """Each setting that differs, in words (statistics and counts are results, not settings).

    without: fields to leave out, such as scenes or split.regions.
    """
    left, right = _settings(requested, without), _settings(stored, without)
    differing = [key for key in sorted(left.keys() | right.keys()) if left.get(key) != right.get(key)]
    return [f"{key} is {_brief(right.get(key))} there, {_brief(left.get(key))} asked" for key in differing]


def _settings(manifest: DatasetManifest, without: Sequence[str]) -> dict[str, Any]:
    document = manifest.to_json()
    left_out = ("statistics", "counts", *(f"layers.{name}.statistics" for name in LAYERS), *without)
    return {key: value for key, value in _flat(document).items() if not _is_under(key, left_out)}


def _is_under(key: str, fields_: Sequence[str]) -> bool:
    return any(key == field_ or key.startswith(f"{field_}.") for field_ in fields_)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        parts = (_flat(item, f"{prefix}.{key}" if prefix else key) for key, item in value.items())
        return {key: item for mapping in parts for key, item in mapping.items()}
    return {prefix: value}


def _grid(document: Mapping[str, Any]) -> Grid:
    shape = document["shape"]
    return Grid(document["crs"], tuple(document["affine"]), (shape[0], shape[1]), document["row"], document["col"])
