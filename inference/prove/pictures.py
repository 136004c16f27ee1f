"""Step 1, continued: what is painted and cut, and how pixels look as files (local_ee/docs/engine.md)."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from isamap.gee_export.base.rasters import open_bytes
from isamap.gee_export.requests.transport import grid_json
from isamap.inference.prove.pattern import LEFT, TOP, column, grid_of, numbers, pattern_box, pattern_projection, shown
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe

if TYPE_CHECKING:
    import ee
    import numpy as np

TYPES = ("uint8", "int16", "float")
ANSWER_S = 60.0


def _painted(place: ProofPlace) -> Any:
    """Two boxes over pixels of which only the first is valid; the ends of both lie left of a centre."""
    import ee

    boxes = [ee.Feature(pattern_box(ee, *ends), {"k": k}) for ends, k in (((0.4, 2.4), 5), ((1.4, 3.2), 7))]
    below = ee.Image.constant(1).toInt16().updateMask(column(ee).eq(0))
    return numbers(below.paint(ee.FeatureCollection(boxes), "k"), 5, 1)[0]


def _on_box(ee: Any, image: ee.Image, step: int, box: ee.Geometry) -> ee.Image:
    """The image cut to a box, on pixels of so many metres."""
    return image.setDefaultProjection(pattern_projection(ee)).clipToBoundsAndScale(geometry=box, scale=step)


def _cut(place: ProofPlace) -> Any:
    """The grid of a box of 43 x 33 m, 4 m right of the pattern's corner, on pixels of 20 m."""
    import ee

    told: dict[str, Any] = _on_box(ee, column(ee), 20, pattern_box(ee, 0.4, 4.7, 3.3)).getInfo() or {}
    band = told["bands"][0]
    step_x, _, left, _, step_y, top = band["crs_transform"]
    skipped = band.get("origin", [0, 0])
    corner = [left + skipped[0] * step_x, top + skipped[1] * step_y]
    return {"columns and rows": band["dimensions"], "corner": corner, "step": step_x}


def _file(image: ee.Image, file_format: str, width: int, height: int = 1) -> Any:
    import ee

    grid = grid_json(grid_of(max(width, 1), max(height, 1)))
    grid["dimensions"] = {"width": width, "height": height}
    return ee.data.computePixels({"expression": image, "fileFormat": file_format, "grid": grid})


def _no_data(place: ProofPlace) -> Any:
    """By type, the no-data that a GeoTIFF tells and the number that it holds where the pixel is masked."""
    import ee

    answer = {}
    for name in TYPES:
        image = column(ee).updateMask(column(ee).gt(0)).cast({"v": name})
        with open_bytes(_file(image, "GEO_TIFF", 2), "the GeoTIFF") as file:
            told = "none" if file.nodata is None else _plain(file.nodata)
            answer[name] = [told, _plain(float(file.read(1)[0, 0]))]
    return answer


def _plain(value: float) -> float | str:
    """JSON has no infinity."""
    return value if math.isfinite(value) else str(value)


def _png(content: bytes) -> np.ndarray:
    """The bytes of red, green, blue and opacity [row, column, 4]."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGBA"))


def _no_pixels(place: ProofPlace) -> Any:
    import ee

    return list(_file(column(ee), "NUMPY_NDARRAY", 0, 0).shape)


def _filmstrip(place: ProofPlace) -> Any:
    """Rows and columns of a strip of 8 x 4 pixels of 10 m above 4 x 2 of 20 m; red and opacity of its last row."""
    import ee

    strip = ee.ImageCollection([_frame(ee, 10, column(ee)), _frame(ee, 20, column(ee).add(100))])
    with urlopen(strip.getFilmstripThumbURL({"format": "png"}), timeout=ANSWER_S) as reply:
        values_HWC = _png(reply.read())
    rows = {"red": values_HWC[-1, :, 0].tolist(), "opacity": values_HWC[-1, :, 3].tolist()}
    return {"rows and columns": list(values_HWC.shape[:2]), **rows}


def _frame(ee: Any, step: int, image: ee.Image) -> ee.Image:
    """Grey pixels of so many metres, masked in column 3."""
    return _on_box(ee, image.updateMask(column(ee).neq(3)).visualize(min=0, max=255), step, pattern_box(ee, 0, 8, 4))


PROBES: tuple[Probe, ...] = (
    Probe(
        "constants.paint",
        "pixels whose centre lies in a feature are painted and valid, later features on top",
        _painted,
        [5, 7, 7, shown(None), shown(None)],
    ),
    Probe(
        "constants.clip-to-bounds",
        "clipToBoundsAndScale: the box grows to whole pixels on multiples of the scale",
        _cut,
        {"columns and rows": [3, 2], "corner": [LEFT, TOP], "step": 20},
    ),
    Probe(
        "constants.geotiff-nodata",
        "no-data of a GeoTIFF: 0 for unsigned, the least value for signed, -inf for float types",
        _no_data,
        {"uint8": [0.0, 0.0], "int16": [-32768.0, -32768.0], "float": ["-inf", "-inf"]},
    ),
    Probe("constants.empty-grid", "a grid of 0 x 0 pixels gives an array without pixels", _no_pixels, [0, 0]),
    Probe(
        "constants.filmstrip",
        "a filmstrip without a region shows all images on the grid of the first, masked pixels black and transparent",
        _filmstrip,
        {
            "rows and columns": [8, 8],
            "red": [100, 101, 102, 0, 104, 105, 106, 107],
            "opacity": [255, 255, 255, 0, 255, 255, 255, 255],
        },
    ),
)
