"""A STAC catalogue beside a dataset: collection.json and an item for every patch, so that other tools read it.

STAC 1.0.0 with the extensions projection 1.1.0, raster 1.1.0, eo 1.1.0, file 2.1.0, sar 1.0.0 and label 1.0.1
(stac-extensions on GitHub): versions that GDAL, QGIS, odc-stac and stackstac all read. Links are relative; no clock
times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.stac_fields import FILE, PROCESSOR, SIMULATOR, file_fields, licence_links, moments, rounded
from isamap.gee_export.card.card import class_names
from isamap.gee_export.datasets import digests
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.gee_export.datasets.manifest import Band, DatasetManifest
from isamap.gee_export.datasets.sample import LABEL

FOLDER = "stac"
_HOME = "https://stac-extensions.github.io"
PROJECTION = f"{_HOME}/projection/v1.1.0/schema.json"
RASTER = f"{_HOME}/raster/v1.1.0/schema.json"
EO = f"{_HOME}/eo/v1.1.0/schema.json"
SAR = f"{_HOME}/sar/v1.0.0/schema.json"
LABELLED = f"{_HOME}/label/v1.0.1/schema.json"
# The eo extension's common names of Sentinel-2's bands and of red, green, blue and near infrared by letter
COMMON_NAMES = {
    "B1": "coastal", "B2": "blue", "B3": "green", "B4": "red", "B5": "rededge", "B6": "rededge", "B7": "rededge",
    "B8": "nir", "B8A": "nir08", "B9": "nir09", "B10": "cirrus", "B11": "swir16", "B12": "swir22",
    "R": "red", "G": "green", "B": "blue", "N": "nir",
}  # fmt: skip
_TITLES = {
    "image": "Composite",
    "labels": "Labels",
    "shares": "Impervious percent",
    "fine": "Finer image",
    "fine_labels": "Labels of the finer image",
    "frames": "The same bands on one date",
}
_GEOTIFF = "image/tiff; application=geotiff"


def write(data: Dataset) -> str:
    """Writes stac/ beside the data; returns the collection's address."""
    data.storage.write_many(documents(data))
    return f"{data.storage.url}/{FOLDER}/collection.json"


def documents(data: Dataset) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every item, then of the collection, which names them."""
    boxes = []
    for patch in data.patches:
        item = _item(data, patch)
        boxes.append(item["bbox"])
        yield f"{FOLDER}/items/{patch.id}.json", digests.text(item)
    west, south, east, north = zip(*boxes, strict=True)
    yield f"{FOLDER}/collection.json", digests.text(_collection(data, [min(west), min(south), max(east), max(north)]))


def _collection(data: Dataset, bbox: list[float]) -> dict[str, Any]:
    head = data.manifest
    starts, ends = zip(*(_days(data, period["label"]) for period in head.periods), strict=True)
    items = [{"rel": "item", "href": f"./items/{p.id}.json", "type": "application/geo+json"} for p in data.patches]
    simulated = "SIMULATED by the local engine, not measured by satellites. " if head.simulated else ""
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "stac_extensions": [RASTER, EO, FILE],
        "id": head.name,
        "title": f"{head.name}: image and label patches",
        "description": f"{simulated}{len(data)} patches of {head.size} x {head.size} pixels: "
        f"{', '.join(head.band_names)}, made by isamap.",
        "license": "various",
        "keywords": ["impervious surface", "training data", *(["simulated"] if head.simulated else [])],
        "providers": providers(head),
        "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[min(starts), max(ends)]]}},
        "summaries": {
            "isamap:split": sorted({patch.split for patch in data.patches}),
            "eo:bands": [_optical(band) for band in head.bands if _is_optical(band)],
            "raster:bands": [_raster(band, "int16") for band in head.bands],
        },
        "links": [
            {"rel": "root", "href": "./collection.json", "type": "application/json"},
            *licence_links(licences(head), simulated=head.simulated),
            {"rel": "describedby", "href": "../manifest.json", "type": "application/json"},
            *items,
        ],
        "assets": {
            "index": {
                "href": "../patches.parquet",
                "type": "application/vnd.apache.parquet",
                "title": "Footprints, splits and shares of all patches",
                "roles": ["metadata"],
                **file_fields(data.storage.read(digests.INDEX)),
            }
        },
    }


def providers(head: DatasetManifest) -> list[dict[str, Any]]:
    """Who cut the patches, who made their images and labels; a simulation has no producer but the local engine."""
    if head.simulated:
        return [PROCESSOR, SIMULATOR]
    images = ", ".join(f"{key} {value}" for key, value in sorted(_products(head).items())) or "unknown images"
    label: Mapping[str, Any] = head.label or {}
    labels = [str(label.get("title") or label.get("product"))] if label else []
    return [
        PROCESSOR,
        *({"name": name[:200], "roles": ["producer", "licensor"]} for name in (images, *labels)),
    ]


def licences(head: DatasetManifest) -> list[str]:
    """The licences of the images and of the labels, as far as they are known."""
    sentinel = any("COPERNICUS/" in product for product in _products(head).values())
    images = ["Copernicus Sentinel data"] if sentinel else []
    return [*images, *filter(None, [str((head.label or {}).get("licence", ""))])]


def _products(head: DatasetManifest) -> dict[str, str]:
    return {str(key): str(value) for key, value in dict(head.image.get("product", {})).items()}


def _item(data: Dataset, patch: Patch) -> dict[str, Any]:
    head, geobox = data.manifest, data.geobox(patch)
    ground = geobox.extent.to_crs("EPSG:4326")
    start, end = _days(data, patch.period)
    assets = dict(_assets(data, patch))
    label = _label(data) if "labels" in assets else {}
    radar = _radar(data)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [PROJECTION, RASTER, EO, FILE, *([SAR] if radar else []), *([LABELLED] if label else [])],
        "id": patch.id,
        "geometry": rounded(ground.json),
        "bbox": [round(side, 7) for side in ground.boundingbox.bbox],
        "properties": {
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
            **_place(geobox),
            **radar,
            **label,
            "isamap:split": patch.split,
            "isamap:region": patch.region,
            "isamap:period": patch.period,
            "isamap:simulated": head.simulated,
            "isamap:impervious_share": patch.impervious_share,
            "isamap:valid_share": patch.valid_share,
        },
        "links": [
            {"rel": relation, "href": "../collection.json", "type": "application/json"}
            for relation in ("root", "parent", "collection")
        ],
        "collection": head.name,
        "assets": assets,
    }


def _assets(data: Dataset, patch: Patch) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, _ in patch.files:
        folder = name.partition("/")[0]
        key = {"images": "image"}.get(folder, folder)
        layer = data.manifest.layers.get(folder)
        bands = data.manifest.bands if key == "image" else layer.bands if layer else (LABEL,)
        dtype = "int16" if key == "image" else layer.dtype if layer else "uint8"
        day = name.rpartition("/")[2].removesuffix(".tif")
        yield (
            f"{key}-{day}" if key == "frames" else key,
            _asset(name, key, bands, dtype)
            | file_fields(data.storage.read(name))
            | _place(data.geobox(patch, "image" if key in ("image", "labels") else folder)),
        )


def _asset(name: str, key: str, bands: tuple[Band, ...], dtype: str) -> dict[str, Any]:
    optical = {"eo:bands": [_optical(band) for band in bands]} if any(map(_is_optical, bands)) else {}
    role = "labels" if "label" in key or key == "shares" else "data"
    return {
        "href": f"../../{name}",
        "type": _GEOTIFF,
        "title": _TITLES[key],
        "roles": [role],
        "raster:bands": [_raster(band, dtype) for band in bands],
        **optical,
    }


def _place(geobox: GeoBox) -> dict[str, Any]:
    """The projection extension's fields; proj:epsg null where the CRS has no such number."""
    crs = crs_of(geobox)
    named = {"proj:epsg": crs.epsg} if crs.epsg else {"proj:epsg": None, "proj:wkt2": crs.to_wkt()}
    return named | {"proj:transform": list(geobox.affine)[:6], "proj:shape": list(geobox.shape)}


def _raster(band: Band, dtype: str) -> dict[str, Any]:
    return {
        "data_type": dtype,
        "nodata": band.nodata,
        "scale": band.scale,
        "offset": band.offset,
        "unit": band.unit,
        "description": band.name,
    }


def _is_optical(band: Band) -> bool:
    return band.name in COMMON_NAMES or band.unit == "reflectance"


def _optical(band: Band) -> dict[str, Any]:
    common = COMMON_NAMES.get(band.name)
    return {"name": band.name} | ({"common_name": common} if common else {})


def _radar(data: Dataset) -> dict[str, Any]:
    """The sar extension's fields of Sentinel-1's interferometric wide swath, where its bands are there."""
    polarisations = [name for name in data.manifest.band_names if name in ("VV", "VH", "HH", "HV")]
    if not polarisations or data.manifest.backscatter is None:
        return {}
    return {
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:polarizations": polarisations,
        "sar:product_type": "GRD",
    }


def _label(data: Dataset) -> dict[str, Any]:
    names = [name for value, name in sorted(class_names(data.manifest.label).items()) if value != LABEL.nodata]
    label: Mapping[str, Any] = data.manifest.label or {}
    return {
        "label:type": "raster",
        "label:tasks": ["segmentation"],
        "label:properties": None,
        "label:classes": [{"name": None, "classes": names}],
        "label:description": str(label.get("title") or label.get("product") or "impervious surface"),
    }


def _days(data: Dataset, period: str) -> tuple[str, str]:
    """First and last moment of a period, RFC 3339 in UTC."""
    document = next(candidate for candidate in data.manifest.periods if candidate["label"] == period)
    return moments(document["start"], document["end"])
