"""Small pictures of the ground around sampled points, with the pixel framed: of an image, or of the map itself."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window as RioWindow

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.storage import write_whole
from isamap.inference.assessment.class_map import Sheet
from isamap.inference.assessment.pixel_area import cell_area_m2
from isamap.inference.assessment.sample import DrawnSample
from isamap.inference.map_files.class_raster import read_window
from isamap.inference.map_files.legend import COLOURS

SIDE_M = 320.0
PICTURE_PX = 320
FRAME = (255, 255, 0)
VISIBLE = ("B4", "B3", "B2")


@dataclass(frozen=True)
class Thumbnails:
    """Draws a raster around points: in true colour, in grey, or in the colours of classes (None: an image).

    frame_m: side of the square that is framed, the map's pixel.
    """

    path: Path
    frame_m: float
    classes: tuple[str, ...] | None = None
    side_m: float = SIDE_M

    def write(self, sample: DrawnSample, folder: Path) -> list[str]:
        """Writes a PNG for every point and gives their names within the folder; empty where the raster ends."""
        folder_name = "map" if self.classes else "image"
        names = []
        try:
            file = open_named(self.path)
        except RasterioError as error:
            raise ValueError(f"picture {self.path} is no raster that can be read: {error}") from error
        with file:
            sheet = Sheet(self.path, GeoBox(file.shape, file.transform, crs_of_file(file, self.path)))
            limits = None if self.classes else _limits(file)
            for point in sample.points:
                name = f"{folder_name}/{point.plotid}.png"
                pixels = self._pixels(file, sheet, (point.lon, point.lat), limits)
                if pixels is None:
                    names.append("")
                    continue
                write_whole(folder / name, framed_png(pixels, self.frame_m / self.side_m))
                names.append(name)
        return names

    def _pixels(self, file, sheet: Sheet, lonlat: tuple[float, float], limits) -> np.ndarray | None:
        """RGB, uint8 (rows, columns, 3) of the square around a place, or None outside the raster."""
        x, y = sheet.from_degrees.transform(*lonlat)
        col, row = ~sheet.geobox.affine * (x, y)
        half = self.side_m / np.sqrt(cell_area_m2(sheet.geobox)) / 2
        if not (0 <= col < file.width and 0 <= row < file.height):
            return None
        side = max(1, round(2 * half))
        window = Window(round(row - half), round(col - half), side, side)
        if self.classes:
            return _coloured(read_window(file, window), self.classes)
        bands, (low, high) = _padded(file, window), limits
        scaled = np.clip((bands - low[:, None, None]) / np.maximum(high - low, 1e-9)[:, None, None], 0, 1)
        return (255 * scaled.transpose(1, 2, 0)).astype(np.uint8)


def crs_of_file(file, path: Path) -> str:
    """The system of a raster as WKT; ValueError where it has none."""
    if file.crs is None:
        raise ValueError(f"picture {path} has no coordinate system: add one (gdal_edit.py -a_srs EPSG:...)")
    text: str = file.crs.to_wkt()
    return text


def _bands(file) -> list[int]:
    """Numbers of red, green and blue: by name, or the first three, or the first one three times."""
    names = list(file.descriptions)
    if all(name in names for name in VISIBLE):
        return [names.index(name) + 1 for name in VISIBLE]
    return [1, 2, 3] if file.count >= 3 else [1, 1, 1]


def _padded(file, window: Window) -> np.ndarray:
    """Shown bands of a window, float64, 0 where the raster ends."""
    bands = np.zeros((3, window.height, window.width))
    shared = window.overlap(Window(0, 0, file.height, file.width))
    if shared is not None:
        where = RioWindow(shared.col, shared.row, shared.width, shared.height)
        bands[:, *shared.within(window)] = file.read(_bands(file), window=where)
    return bands


def _limits(file) -> tuple[np.ndarray, np.ndarray]:
    """The 2nd and 98th percentile of each shown band, from a small copy of the raster."""
    shape = (3, min(file.height, 512), min(file.width, 512))
    small = file.read(_bands(file), out_shape=shape, masked=True).astype(np.float64)
    values = [band.compressed() if np.ma.count(band) else np.array([0.0, 1.0]) for band in small]
    return np.array([np.percentile(v, 2) for v in values]), np.array([np.percentile(v, 98) for v in values])


def _coloured(class_HW: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    colours = np.full((256, 3), 255, np.uint8)
    for value, name in enumerate(classes):
        colours[value] = list(bytes.fromhex(COLOURS.get(name, "7f7f7f")))
    coloured: np.ndarray = colours[class_HW]
    return coloured


def framed_png(rgb_HWC: np.ndarray, framed: float) -> bytes:
    """The picture enlarged, a square of a share of its side framed in the middle."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(rgb_HWC).resize((PICTURE_PX, PICTURE_PX), Image.Resampling.NEAREST)
    reach, middle = max(3.0, framed * PICTURE_PX / 2), PICTURE_PX / 2
    box = (middle - reach, middle - reach, middle + reach, middle + reach)
    ImageDraw.Draw(picture).rectangle(box, outline=FRAME, width=2)
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return content.getvalue()
