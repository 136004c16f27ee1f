"""A Croissant file beside a dataset: schema.org's JSON-LD of what its files hold, by which catalogues of data list it.

Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html). Addresses are relative. There are no
clock times, so `datePublished`, which the format recommends, is the publisher's to add. The rasters are sets of files
without records: mlcroissant 1.1.1 takes every TIFF for a picture of three colours from 0 to 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from isamap.gee_export.base.stac_fields import OWN_LICENCE, licence_links
from isamap.gee_export.card.card import class_names
from isamap.gee_export.card.stac import licences, providers
from isamap.gee_export.datasets import digests
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.index import SPLITS

FILE = "croissant.json"
VERSION = "http://mlcommons.org/croissant/1.0"
# the context of the format's own documents: names of schema.org, and those of Croissant with a prefix
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_COLUMNS = {  # of patches.parquet: type, and what it says
    "id": ("sc:Text", "Name of the patch and of its files"),
    "region": ("sc:Text", "Region, by whose lattice row and column are counted"),
    "period": ("sc:Text", "Period of the composite"),
    "row": ("sc:Integer", "Row of the upper left pixel on the region's lattice"),
    "col": ("sc:Integer", "Column of the upper left pixel on the region's lattice"),
    "split": ("sc:Text", "train, val or test"),
    "impervious_share": ("sc:Float", "Share of the labelled pixels that are impervious"),
    "valid_share": ("sc:Float", "Share of the pixels at which every band is valid"),
}
_FOLDERS = {
    "images": "Composite of each patch: GeoTIFF, int16; physical value = stored * scale + offset of its band",
    "labels": "Class of each pixel of a patch: GeoTIFF, uint8, 255 is unknown",
    "shares": "Impervious percent of each pixel of a patch: GeoTIFF, uint8, 255 is unknown",
    "frames": "The same bands on single dates: GeoTIFF, in a folder a patch",
    "fine": "Finer image of each patch: GeoTIFF",
    "fine_labels": "Class of each pixel of the finer image: GeoTIFF, uint8, 255 is unknown",
}


def write(data: Dataset) -> str:
    """Writes croissant.json beside the data; returns its address. The same dataset gives the same bytes."""
    data.storage.write(FILE, digests.text(document(data)))
    return f"{data.storage.url}/{FILE}"


def document(data: Dataset) -> dict[str, Any]:
    """The JSON-LD of a dataset."""
    head = data.manifest
    simulated = "SIMULATED by the local engine, not measured by satellites. " if head.simulated else ""
    pages = [link["href"] for link in licence_links(licences(head), simulated=head.simulated)]
    folders = _folders(data)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": head.name,
        "description": f"{simulated}{len(data)} patches of {head.size} x {head.size} pixels with the bands "
        f"{', '.join(head.band_names)}, cut by isamap.",
        "license": pages or [OWN_LICENCE],
        "url": "./",  # required; the folder of this file, wherever it lies
        "version": "1.0.0",
        "identifier": data.fingerprint,
        "keywords": ["impervious surface", "semantic segmentation", *(["simulated"] if head.simulated else [])],
        "citeAs": str((head.label or {}).get("citation", "")) or f"isamap dataset {head.name} {data.fingerprint}",
        "creator": [{"@type": "sc:Organization", "name": each["name"]} for each in providers(head)],
        "distribution": [
            _file(data, digests.INDEX, "application/x-parquet", "Place, split and shares of every patch"),
            _file(data, digests.MANIFEST, "application/json", "What the numbers mean and where they come from"),
            *(_folder(name) for name in folders),
        ],
        "recordSet": [_splits(), _patches(), _bands(data), *_classes(data)],
    }


def _folders(data: Dataset) -> list[str]:
    """The folders of the patches' files, as `_FOLDERS` orders them."""
    present = {name.partition("/")[0] for patch in data.patches for name, _ in patch.files}
    return [name for name in _FOLDERS if name in present]


def _file(data: Dataset, name: str, media_type: str, description: str) -> dict[str, Any]:
    content = data.storage.read(name)
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": description,
        "contentUrl": name,
        "contentSize": f"{len(content)} B",
        "encodingFormat": media_type,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _folder(name: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": _FOLDERS[name],
        "encodingFormat": "image/tiff",
        "includes": f"{name}/*/*.tif" if name == "frames" else f"{name}/*.tif",
    }


def _patches() -> dict[str, Any]:
    """A record a patch, from the index, whose `id` names its files; its split refers to the record set of splits."""
    columns = [_field(f"patches/{name}", *column, _column(name)) for name, column in _COLUMNS.items()]
    split = next(field for field in columns if field["@id"] == "patches/split")
    split["references"] = {"field": {"@id": "splits/name"}}
    return _records("patches", "One record a patch", columns) | {"key": {"@id": "patches/id"}}


def _bands(data: Dataset) -> dict[str, Any]:
    """Unit, scale and no-data value of every band of the images, in their order."""
    types = {"name": "sc:Text", "unit": "sc:Text", "scale": "sc:Float", "offset": "sc:Float", "nodata": "sc:Integer"}
    fields = [_field(f"bands/{name}", data_type, f"{name} of a band") for name, data_type in types.items()]
    rows = [{f"bands/{name}": getattr(band, name) for name in types} for band in data.manifest.bands]
    return _records("bands", "Bands of the images, in their order", fields) | {"data": rows}


def _classes(data: Dataset) -> Iterator[dict[str, Any]]:
    """Number and name of every class of the labels; nothing without labels."""
    label: Mapping[str, Any] | None = data.manifest.label
    if label is None:
        return
    fields = [
        _field("classes/value", "sc:Integer", "Number in the labels"),
        _field("classes/name", "sc:Text", "Name of the class"),
    ]
    rows = [{"classes/value": value, "classes/name": name} for value, name in sorted(class_names(label).items())]
    yield _records("classes", "Classes of the labels", fields) | {"dataType": "sc:Enumeration", "data": rows}


def _splits() -> dict[str, Any]:
    """The splits, with the words by which Croissant knows them."""
    words = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
    fields = [
        _field("splits/name", "sc:Text", "Name of the split"),
        _field("splits/url", "sc:URL", "What the split is for"),
    ]
    rows = [{"splits/name": split, "splits/url": words[split]} for split in SPLITS]
    records = _records("splits", "Splits of the dataset", fields)
    return records | {"dataType": "cr:Split", "key": {"@id": "splits/name"}, "data": rows}


def _column(name: str) -> dict[str, Any]:
    return {"fileObject": {"@id": digests.INDEX}, "extract": {"column": name}}


def _field(name: str, kind: str, description: str, source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    field: dict[str, Any] = {"@type": "cr:Field", "@id": name, "name": name, "description": description}
    return field | {"dataType": kind} | ({"source": dict(source)} if source else {})


def _records(name: str, description: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": description, "field": fields}
