"""Places with images, and one map of percents made of each by the commands: what products are tried on.

Labels are slanted stripes drawn by hand: most pixels hold some of a stripe, and Shapely says how much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from local_ee.testing import archive as archives
from odc.geo.geobox import GeoBox
from pyproj import Transformer

import isamap
from tests.support import open_town

STRIPE_M, EVERY_M, SLANT = 37, 74, 0.31
SIZE = 16
CLASSES = ("pervious", "impervious")


@contextmanager
def _recording() -> Iterator[None]:
    with archives.recorded() as server, server.standing_in():
        yield


@dataclass(frozen=True)
class Ground:
    """A place with images: a box in degrees, the zone of its grid, a period, and where the images come from."""

    wsen: tuple[float, float, float, float]
    epsg: int
    period: str
    catalog: str
    standing: Callable[[], AbstractContextManager[Any]]
    recipe: tuple[str, ...] = ()
    bands: tuple[str, ...] = ("B2", "B3", "B4", "B8")

    @property
    def words(self) -> list[str]:
        """How commands are told of it."""
        return ["--bbox", *map(str, self.wsen), "--period", self.period, "--catalog", self.catalog]

    @property
    def stripes(self) -> shapely.Geometry:
        """Slanted stripes over the place and beyond it, in metres of the zone: half of the ground."""
        to_zone = Transformer.from_crs(4326, self.epsg, always_xy=True)
        left, bottom, right, top = to_zone.transform_bounds(*self.wsen)
        left, right = left - 500, right + 500
        rise = SLANT * (right - left)
        lows = np.arange(bottom - 500 - rise, top + 500, EVERY_M)
        rings = [[(left, y), (right, y + rise), (right, y + rise + STRIPE_M), (left, y + STRIPE_M)] for y in lows]
        return shapely.MultiPolygon([shapely.Polygon(ring) for ring in rings])


GROUNDS = {
    "world": Ground((114.26, 30.54, 114.27, 30.548), 32650, "2019-06", "world", nullcontext),
    "town": Ground((114.1155, 30.5055, 114.1255, 30.5135), 32650, "2023-06", "open", open_town.standing),
    "recorded": Ground((5.0525, 51.2163, 5.0595, 51.2207), 32631, "2022-11-01..2023-02-28", "open", _recording),
}
OF_A_YEAR = {
    "recipe": ("--bands", "B4", "B8", "--composite", "year-statistics", "--set", "statistics=mean,p90,count",
               "indices=NDVI"),
    "bands": ("B4_mean", "B4_p90", "B8_mean", "B8_p90", "NDVI_mean", "NDVI_p90", "s2_observations"),
}  # fmt: skip
YEARS = {"world": "2019-01-01..2019-12-31", "recorded": "2022-11-01..2023-10-31"}
GROUNDS |= {f"{name} year": replace(GROUNDS[name], period=period, **OF_A_YEAR) for name, period in YEARS.items()}


@dataclass(frozen=True)
class Way:
    """Where the steps leave their files."""

    name: str
    folder: Path

    @property
    def ground(self) -> Ground:
        return GROUNDS[self.name]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def map(self) -> Path:
        return self.folder / "service" / "maps" / "city.tif"

    @property
    def grid(self) -> GeoBox:
        """The map's pixels."""
        with rasterio.open(self.map) as file:
            return GeoBox(file.shape, file.transform, file.crs.to_string())

    @property
    def lattice(self) -> dict[str, Any]:
        """The map's grid as Earth Engine's reducers are told of it."""
        return {"crs": f"EPSG:{self.ground.epsg}", "crsTransform": list(self.grid.affine)[:6]}

    def read(self, ending: str = "") -> np.ndarray:
        """Values of a file of the map by rasterio alone, uint8 (rows, columns)."""
        with rasterio.open(self.map.with_name(f"city{ending}.tif")) as file:
            return file.read(1)

    def make(self) -> None:
        """Exports, trains for percents and maps by the commands; the ground's images stand."""
        label = self.folder / "stripes.gpkg"
        pyogrio.raw.write(
            label, shapely.to_wkb(np.array([self.ground.stripes])), [], [],
            crs=f"EPSG:{self.ground.epsg}", geometry_type="MultiPolygon",
        )  # fmt: skip
        around = ",".join(map(str, np.add(self.ground.wsen, (-0.003, -0.003, 0.003, 0.003))))
        labels = ("--label", f"{label}#extent={around}", "--share", "--sensors", "s2", *self.ground.recipe)
        sizes = ("--size", str(SIZE), "--stride", str(SIZE), "--split", "random")
        run("export", *self.ground.words, *labels, *sizes, "--out", str(self.data))
        run("train", "--data", str(self.data), "--recipe", "unet-tiny", "--out", str(self.folder / "run"),
            "--set", "target=share", "loss=soft_cross_entropy", "epochs=1", "batch=2")  # fmt: skip
        self.map.parent.mkdir(parents=True)
        run("map", "--checkpoint", str(self.folder / "run"), *self.ground.words, "--out", str(self.map))


def run(*words: str) -> None:
    """A command that ends well."""
    assert isamap.main([*words, "--quiet"]) == 0, words
