"""Raster files that a user names on the command line: also other formats, masks beside them, and plain VRT mosaics.

A VRT is XML that may name any file, address, raw bytes or code (https://gdal.org/en/stable/drivers/raster/vrt.html).
GDAL is therefore never given the file: it gets a new document that holds only what was understood here.
"""

from __future__ import annotations

import glob
import re
import xml.etree.ElementTree as xml
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from isamap.gee_export.base import rasters

if TYPE_CHECKING:
    from rasterio import DatasetReader

DRIVERS = ("GTiff", "JP2OpenJPEG", "HFA")
OFFLINE = {"CPL_VSIL_CURL_ALLOWED_FILENAME": "none"}  # what lies beside the file is read, no address ever is
# element -> the attributes that are kept
BAND = "VRTRasterBand"
SOURCES = ("SimpleSource", "ComplexSource", "AveragedSource", "NoDataFromMaskSource")
ELEMENTS: dict[str, tuple[str, ...]] = {
    "VRTDataset": ("rasterXSize", "rasterYSize"),
    BAND: ("dataType", "band", "blockXSize", "blockYSize"),
    **{name: ("resampling",) for name in SOURCES},
    "SRS": ("dataAxisToSRSAxisMapping", "coordinateEpoch"),
    "MDI": ("key",),
    "Entry": ("c1", "c2", "c3", "c4"),
    "SourceProperties": ("RasterXSize", "RasterYSize", "DataType", "BlockXSize", "BlockYSize"),
    "SrcRect": ("xOff", "yOff", "xSize", "ySize"),
    "DstRect": ("xOff", "yOff", "xSize", "ySize"),
    **dict.fromkeys(
        (
            "GeoTransform", "Metadata", "MaskBand", "Description", "ColorInterp", "ColorTable", "CategoryNames",
            "Category", "NoDataValue", "HideNoDataValue", "UnitType", "Offset", "Scale", "SourceFilename",
            "SourceBand", "NODATA", "ScaleOffset", "ScaleRatio", "LUT", "UseMaskBand", "MaskValueThreshold",
        ),
        (),
    ),
}  # fmt: skip
IGNORED = ("Histograms", "OverviewList", "GCPList")  # they change no pixel
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]*:|/|\\|<")  # what GDAL would not take for a file beside the VRT
LARGEST_BYTES = 64 << 20


def open_named(path: str | Path) -> DatasetReader:
    """A GeoTIFF, JPEG 2000, Erdas Imagine file, or a VRT of GeoTIFFs that lie in its folder.

    ValueError for what else a VRT holds, for a mask or overview file beside it that is no GeoTIFF, and where
    `rasters.open_raster` says it; RasterioError where it is none of these formats.
    """
    path = Path(path)
    if _is_virtual(path):
        return _open_virtual(path)
    _check_beside(path)
    return rasters.checked(rasters.opened(path, DRIVERS, OFFLINE), path, path.stat().st_size)


def _is_virtual(path: Path) -> bool:
    """Whether a file is a VRT by its name or its first bytes."""
    head = rasters.head_of(path)
    return b"<VRTDataset" in head or (path.suffix.lower() == ".vrt" and bool(head))


def _open_virtual(path: Path) -> DatasetReader:
    """The mosaic of a VRT file; ValueError for all but plain mosaics of GeoTIFFs that lie beside it."""
    import rasterio

    tree = _parsed(path)
    document = xml.tostring(_rebuilt(tree, path), encoding="unicode")
    sources = sorted({_source(element, path) for element in tree.iter("SourceFilename")})
    if not sources:
        raise ValueError(f"VRT {path} has no source file: build it with gdalbuildvrt from GeoTIFFs beside it")
    states = [(source, source.stat()) for source in sources]
    stored_bytes = sum(_source_bytes(source, state.st_mtime_ns, state.st_size) for source, state in states)
    with rasterio.Env(**OFFLINE):
        file = rasterio.open(document, driver="VRT")
    return rasters.checked(file, path, stored_bytes)


def _parsed(path: Path) -> xml.Element:
    content = path.read_bytes()
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"VRT {path} has {len(content):,} bytes; at most {LARGEST_BYTES:,} are read: split it")
    # Entities can swell a few bytes to gigabytes ("billion laughs").
    if b"<!" in content.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise ValueError(f"VRT {path} declares XML entities, which are not read: build it with gdalbuildvrt")
    try:
        tree = xml.fromstring(content)
    except xml.ParseError as error:
        raise ValueError(f"VRT {path} is no XML ({error}): build it with gdalbuildvrt") from error
    if tree.tag != "VRTDataset":
        raise ValueError(f"VRT {path} begins with <{tree.tag}>, expected <VRTDataset>: build it with gdalbuildvrt")
    return tree


def _source(element: xml.Element, path: Path) -> Path:
    """The file of a SourceFilename; ValueError unless it is a relative path to a file in the VRT's own folder."""
    name = (element.text or "").strip()
    relative = {key.lower(): value for key, value in element.attrib.items()}.get("relativetovrt") == "1"
    if not relative or not name or ADDRESS.match(name) or ".." in PurePosixPath(name).parts:
        raise ValueError(
            f"VRT {path} names the source {name[:200]!r}: only relative paths to GeoTIFFs in its own folder are read; "
            "put the files beside it and build it there with gdalbuildvrt"
        )
    source = path.absolute().parent / name
    if not source.is_file():
        raise ValueError(f"VRT {path} names the source {name!r}, which is not there: put it beside the VRT")
    return source


@lru_cache(1 << 16)
def _source_bytes(source: Path, modified_ns: int, size: int) -> int:
    """The size of a source that is checked, once for each state of the file: mosaics are opened again and again."""
    _check_tiff(source)
    _check_beside(source)
    rasters.checked(rasters.opened(source, rasters.GEOTIFF, OFFLINE), source, size).close()
    return size


def _rebuilt(element: xml.Element, path: Path) -> xml.Element:
    """The element with the known attributes and children; ValueError for one that is not known."""
    if element.tag not in ELEMENTS or {"subClass", "subclass"} & element.attrib.keys():
        class_name = element.get("subClass") or element.get("subclass") or element.tag
        raise ValueError(
            f"VRT {path} holds {class_name}, which is not read: only plain mosaics are; build it with gdalbuildvrt, or "
            "write it out with gdal_translate"
        )
    new = xml.Element(element.tag, {key: element.attrib[key] for key in ELEMENTS[element.tag] if key in element.attrib})
    new.text = element.text
    if element.tag == "SourceFilename":
        new.text = str(_source(element, path))
        # The rebuilt document has no place of its own that a path could be relative to.
        new.set("relativeToVRT", "0")
    new.extend([_rebuilt(child, path) for child in element if not _is_ignored(child)])
    return new


def _is_ignored(element: xml.Element) -> bool:
    return element.tag in IGNORED or (element.tag == "Metadata" and bool(element.get("domain")))


def _check_beside(path: Path) -> None:
    """ValueError where a mask or overview file beside a raster is no plain GeoTIFF."""
    for beside in map(Path, glob.glob(f"{glob.escape(str(path))}.*")):
        ending = beside.name[len(path.name) :].lower()
        if ending.endswith((".msk", ".ovr")):
            _check_tiff(beside)
            rasters.open_raster(beside).close()
        elif ending.endswith((".msk.aux.xml", ".ovr.aux.xml")):
            raise ValueError(f"{beside} may name files of others and is not read: remove it")


def _check_tiff(path: Path) -> None:
    """ValueError where a file does not begin as TIFFs do."""
    if rasters.driver_of(path, rasters.GEOTIFF) is None:
        raise ValueError(f"{path} is no GeoTIFF, and beside a raster or in a VRT only GeoTIFFs are read: convert it")
