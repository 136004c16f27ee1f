"""Raster files that try to reach what lies outside them, or that hold far more than their bytes say."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

import numpy as np
import rasterio
from affine import Affine

SECRET = b"root:x:0:0:root:/root:/bin/bash:" * 64
PLACE = {"crs": "EPSG:32650", "transform": Affine(10, 0, 212750, 0, -10, 3416360)}
SRS = "<SRS>EPSG:32650</SRS><GeoTransform>212750, 10, 0, 3416360, 0, -10</GeoTransform>"


def secret(folder: Path) -> Path:
    """A file that no raster may show."""
    path = folder / "passwd"
    path.write_bytes(SECRET)
    return path


def geotiff(path: Path, values_HW: np.ndarray | None = None, **profile) -> Path:
    """A GeoTIFF of one band, named isa."""
    values_HW = np.ones((32, 32), np.uint8) if values_HW is None else values_HW
    shape = {"height": values_HW.shape[0], "width": values_HW.shape[1], "count": 1, "dtype": values_HW.dtype.name}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", **{**PLACE, **shape, **profile}) as target:
        target.write(values_HW, 1)
        target.set_band_description(1, "isa")
    return path


def vrt(inner: str, side: int = 32) -> str:
    return f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}">{SRS}{inner}</VRTDataset>'


def raw_vrt(target: Path | str, *, relative: int = 0) -> str:
    """A VRT whose pixels are the bytes of a file."""
    return vrt(
        '<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand"><Description>isa</Description>'
        f'<SourceFilename relativetoVRT="{relative}">{target}</SourceFilename><ImageOffset>0</ImageOffset>'
        "<PixelOffset>1</PixelOffset><LineOffset>32</LineOffset></VRTRasterBand>"
    )


def simple_vrt(target: Path | str, *, relative: int = 0) -> str:
    """A VRT whose pixels are those of another raster."""
    return vrt(
        '<VRTRasterBand dataType="Byte" band="1"><Description>isa</Description><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{target}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
    )


def derived_vrt(target: Path | str) -> str:
    """A VRT whose pixels a function makes."""
    return vrt(
        '<VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionType>real'
        f'</PixelFunctionType><SimpleSource><SourceFilename relativeToVRT="1">{target}</SourceFilename>'
        "</SimpleSource></VRTRasterBand>"
    )


def wms(url: str) -> str:
    """A description of a map server, which GDAL would ask for pixels."""
    return (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service><DataWindow>'
        "<UpperLeftX>212750</UpperLeftX><UpperLeftY>3416360</UpperLeftY><LowerRightX>213070</LowerRightX>"
        "<LowerRightY>3416040</LowerRightY><TileLevel>0</TileLevel><SizeX>32</SizeX><SizeY>32</SizeY></DataWindow>"
        "<Projection>EPSG:32650</Projection><BlockSizeX>32</BlockSizeX><BlockSizeY>32</BlockSizeY>"
        "<BandsCount>1</BandsCount></GDAL_WMS>"
    )


def pointing(path: Path, target: Path | str) -> Path:
    """A real GeoTIFF that names another file as its overview."""
    geotiff(path, np.ones((512, 512), np.uint8))
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(target))
    return path


def vast(path: Path) -> Path:
    """A GeoTIFF of a few kB that declares 200,000 x 200,000 pixels."""
    return _sparse(path, 200_000, tiled=True, blockxsize=8192, blockysize=8192)


def one_block(path: Path) -> Path:
    """A GeoTIFF of a few kB whose pixels are one tile of 400 MB (GDAL itself reads giant strips row by row)."""
    return _sparse(path, 20_000, tiled=True, blockxsize=20_000, blockysize=20_000)


def _sparse(path: Path, side: int, **profile) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"height": side, "width": side, "count": 1, "dtype": "uint8"}
    options = {"sparse_ok": True, "compress": "deflate", "bigtiff": "yes"}
    with rasterio.open(path, "w", driver="GTiff", **PLACE, **shape, **options, **profile) as target:
        target.set_band_description(1, "isa")
    return path


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """Address of a server of this machine, and the paths that it was asked for."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *args) -> None:
            pass

    direct = patch.dict(os.environ, NO_PROXY="*", no_proxy="*")
    with direct, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()
