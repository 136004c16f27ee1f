"""Small maps of classes and polygons that the tests of assessments share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

UTM = Affine(10, 0, 212750, 0, -10, 3416360)


@pytest.fixture
def make_map(tmp_path: Path) -> Callable[..., Path]:
    """Writes uint8 classes as a GeoTIFF that names its classes."""

    def make(class_HW: np.ndarray, name: str = "map.tif", **changes) -> Path:
        options = {"transform": UTM, "crs": "EPSG:32650", "classes": "pervious,impervious"} | changes
        tags = {
            name: options.pop(name) for name in ("classes", "changes", "period_start") if options.get(name, "") != ""
        }
        options.pop("classes", None)
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "compress": "deflate", **options}
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path, "w", height=class_HW.shape[0], width=class_HW.shape[1], **profile) as file:
            file.write(class_HW.astype(np.uint8), 1)
            file.update_tags(**tags)
        return path

    return make


@pytest.fixture
def make_zones(tmp_path: Path) -> Callable[..., Path]:
    """Writes rings, by name, as GeoJSON of a coordinate system."""

    def make(rings: dict[str, list], epsg: int = 32650, name: str = "zones.geojson", column: str = "name") -> Path:
        features = [
            {
                "type": "Feature",
                "properties": {column: zone},
                "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
            }
            for zone, ring in rings.items()
        ]
        document = {"type": "FeatureCollection", "features": features}
        document["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}
        path = tmp_path / name
        path.write_text(json.dumps(document))
        return path

    return make
