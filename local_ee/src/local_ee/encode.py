"""Pixels as files: NumPy's format, GeoTIFF, and pictures."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from local_ee.errors import EngineError
from local_ee.raster.pixels import Pixels, is_blank, is_valid

CONTENT_TYPES = {
    "NPY": "application/octet-stream",
    "GEO_TIFF": "image/tiff",
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "AUTO_JPEG_PNG": "image/png",  # always PNG here: lossless, and right where there is transparency
}
ZIPPED = ("ZIPPED_GEO_TIFF", "ZIPPED_GEO_TIFF_PER_BAND")  # of thumbnails only (reference/rest/v1/ImageFileFormat)
NOWHERE = Affine(2, 0, 0, 0, -2, 0)  # pictures have no place, but rasterio warns where none is given
TYPE_WORDS = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}


def encode(
    file_format: str,
    geobox: GeoBox,
    names: Sequence[str],
    pixels: Pixels,
    visualization: Mapping[str, Any] | None = None,
) -> tuple[bytes | memoryview, str]:
    """The file and its content type."""
    content: bytes | memoryview
    if file_format == "NPY":
        content = npy(names, pixels)
    elif file_format == "GEO_TIFF":
        content = geotiff(geobox, names, pixels)
    else:
        content = picture("JPEG" if file_format == "JPEG" else "PNG", pixels, visualization)
    return content, CONTENT_TYPES[file_format]


def zipped(file_format: str, prefix: str, geobox: GeoBox, names: Sequence[str], pixels: Pixels) -> bytes:
    """An archive of PREFIX.tif, or of PREFIX.BAND.tif for each band (the default of ee.Image.getDownloadURL)."""
    archive = io.BytesIO()
    # Stored: the GeoTIFFs are deflated already.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        if file_format == "ZIPPED_GEO_TIFF":
            target.writestr(f"{prefix}.tif", geotiff(geobox, names, pixels))
        else:
            for index, name in enumerate(names):
                target.writestr(f"{prefix}.{name}.tif", geotiff(geobox, (name,), pixels.pick((index,))))
    return archive.getvalue()


def check_format(file_format: str, *, of_thumbnail: bool = False) -> str:
    """The format; EngineError for one that is not written."""
    formats = (*CONTENT_TYPES, *(ZIPPED if of_thumbnail else ()))
    if file_format not in formats:
        raise EngineError(f"Unsupported file format '{file_format}': expected one of {', '.join(formats)}.")
    return file_format


def npy(names: Sequence[str], pixels: Pixels) -> memoryview:
    """A structured array [row, column] with one field a band, in NumPy's file format; masked pixels are 0.

    The documentation (reference/rest/v1/ImageFileFormat) says nothing of masks in this format; 0 is an assumption.
    Whoever needs the mask asks for it as a band (image.mask()) or unmasks the image first, as google/Xee does
    (xee/ext.py, image_to_array).
    """
    _check_numbers(pixels)
    dtype = np.dtype([(name, values.dtype) for name, values in zip(names, pixels.values, strict=True)])
    height, width = pixels.values[0].shape
    head = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (height, width)}
    np.lib.format.write_array_header_1_0(head, header)
    buffer = bytearray(head.tell() + height * width * dtype.itemsize)
    buffer[: head.tell()] = head.getvalue()
    table = np.frombuffer(buffer, dtype, height * width, head.tell()).reshape(height, width)
    for name, values, mask in zip(names, pixels.values, pixels.masks, strict=True):
        if is_valid(mask):
            table[name] = values
        elif not is_blank(mask):
            np.copyto(table[name], values, where=mask != 0)  # elsewhere the buffer's zeros stay
    return memoryview(buffer)


def _check_numbers(pixels: Pixels) -> None:
    """EngineError where pixels are arrays: no file format here holds them."""
    if any(values.dtype == object for values in pixels.values):
        raise EngineError("Pixels that are arrays cannot be written: take numbers out with arrayGet or arrayFlatten.")


def geotiff(geobox: GeoBox, names: Sequence[str], pixels: Pixels) -> bytes:
    """A GeoTIFF with band names as descriptions; masked pixels hold the no-data value of the type (see no_data)."""
    dtype = common_dtype([values.dtype.name for values in pixels.values])
    nodata = no_data(dtype)
    with MemoryFile() as memory:
        with memory.open(**profile(geobox, len(names), dtype), nodata=nodata) as target:
            for index, (name, values) in enumerate(zip(names, filled(pixels, nodata, dtype), strict=True), start=1):
                target.write(values, index)
                target.set_band_description(index, name)
        return memory.read()


def filled(pixels: Pixels, value: float, dtype: str) -> list[np.ndarray]:
    """Each band in the type, with a value where it is masked."""
    _check_numbers(pixels)
    return [
        values.astype(dtype, copy=False)
        if is_valid(mask)
        else np.where(mask == 0, np.dtype(dtype).type(value), values.astype(dtype, copy=False))
        for values, mask in zip(pixels.values, pixels.masks, strict=True)
    ]


def profile(geobox: GeoBox, count: int, dtype: str) -> dict[str, Any]:
    """What rasterio needs to create a GeoTIFF on a grid."""
    return {
        "driver": "GTiff",
        "height": geobox.shape[0],
        "width": geobox.shape[1],
        "count": count,
        "dtype": dtype,
        "crs": str(geobox.crs),
        "transform": geobox.affine,
        "compress": "deflate",
        "interleave": "band",
    }


def no_data(dtype: str) -> float:
    """What a download holds where pixels are masked: 0 (unsigned), the smallest integer (signed), -inf (floats).

    As geedim found in Earth Engine's GeoTIFF downloads (geedim/image.py, _nodata_vals); not in the documentation.
    """
    pixel_dtype = np.dtype(dtype)
    if pixel_dtype.kind == "f":
        return float("-inf")
    return 0 if pixel_dtype.kind in "ub" else float(np.iinfo(pixel_dtype).min)


def common_dtype(dtypes: Sequence[str]) -> str:
    """The one type of all bands; EngineError in Earth Engine's words where they differ."""
    first, *others = dtypes
    for dtype in others:
        if dtype != first:
            raise EngineError(
                "Exported bands must have compatible data types; found inconsistent types: "
                f"{TYPE_WORDS[first]} and {TYPE_WORDS[dtype]}."
            )
    return first


def picture(driver: str, pixels: Pixels, visualization: Mapping[str, Any] | None) -> bytes:
    """A PNG (masked pixels transparent) or a JPEG (masked pixels black) of one or three bands."""
    return painted(driver, *shown(pixels, visualization))


def shown(pixels: Pixels, visualization: Mapping[str, Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The colours [3, row, column] and the opacity [row, column] of one or three bands, as bytes."""
    _check_numbers(pixels)
    pixels = pixels.pick((0, 1, 2) if len(pixels.values) >= 3 else (0,))
    rgb = visualized(pixels, visualization or {})
    opacity = np.min(np.stack([np.asarray(mask, "float32") for mask in pixels.masks]), axis=0)
    return rgb, np.rint(opacity * 255).astype("uint8")


def painted(driver: str, rgb: np.ndarray, alpha: np.ndarray) -> bytes:
    """The file of colours: a PNG with their opacity, or a JPEG that is black where there is none."""
    opaque = np.where(alpha == 0, 0, rgb).astype("uint8")
    layers = opaque if driver == "JPEG" else np.concatenate([rgb, alpha[None]])
    count, height, width = layers.shape
    with rasterio.Env(GDAL_PAM_ENABLED=False), MemoryFile() as memory:
        with memory.open(
            driver=driver, transform=NOWHERE, height=height, width=width, count=count, dtype="uint8"
        ) as target:
            target.write(layers)
            if driver == "PNG":
                target.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
        return memory.read()


def visualized(pixels: Pixels, options: Mapping[str, Any]) -> np.ndarray:
    """Bytes [3, row, column] of one or three bands: ranges, gamma and palette of VisualizationOptions.

    Source: https://developers.google.com/earth-engine/reference/rest/v1/VisualizationOptions.
    """
    palette = [_rgb(color) for color in options.get("paletteColors", [])]
    ranges = options.get("ranges") or [{"min": 0, "max": max(len(palette) - 1, 1) if palette else 255}]
    gamma = float((options.get("gamma") or {}).get("value", 1))
    shares = []
    for index, values in enumerate(pixels.values):
        limits = ranges[min(index, len(ranges) - 1)]
        low, high = float(limits.get("min", 0)), float(limits.get("max", 1))
        share = np.clip((values.astype("float64") - low) / (high - low or 1), 0, 1)
        shares.append(np.nan_to_num(share) ** (1 / gamma))
    if palette:
        colors = np.array(palette, dtype="float64")
        steps = np.linspace(0, 1, len(palette)) if len(palette) > 1 else np.array([0.0])
        layers = [np.interp(shares[0], steps, colors[:, channel]) for channel in range(3)]
    else:
        layers = [share * 255 for share in (shares if len(shares) == 3 else shares * 3)]
    return np.rint(np.stack(layers)).astype("uint8")


def _rgb(color: str) -> tuple[int, int, int]:
    text = color.lstrip("#")
    try:
        red, green, blue = (int(text[i : i + 2], 16) for i in (0, 2, 4))
    except ValueError as error:
        raise EngineError(f"Invalid color '{color}': expected six hexadecimal digits.") from error
    return red, green, blue
