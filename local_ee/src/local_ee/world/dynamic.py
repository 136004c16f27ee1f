"""Dynamic World over the world's Sentinel-2 scenes: nine probabilities and a label per scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import clouds, labels
from local_ee.world.labels import DYNAMIC_WORLD, Products
from local_ee.world.lattice import Cut
from local_ee.world.noise import seed_of
from local_ee.world.sentinel2 import Scene, scene_of, scenes

DYNAMIC = "GOOGLE/DYNAMICWORLD/V1"
CLASSES = (
    "water", "trees", "grass", "flooded_vegetation", "crops", "shrub_and_scrub", "built", "bare", "snow_and_ice"
)  # fmt: skip
_WATER, _SNOW = CLASSES.index("water"), CLASSES.index("snow_and_ice")
_CLOUDY_LIMIT = 35.0  # percent; cloudier scenes have no Dynamic World (catalog page)
_LABEL_OF = np.zeros(labels.GROUPS, np.uint8)
for _group, _name in (
    (labels.BUILT, "built"), (labels.WATER, "water"), (labels.TREES, "trees"), (labels.GRASS, "grass"),
    (labels.CROPS, "crops"), (labels.BARE, "bare"), (labels.WET, "flooded_vegetation"),
):  # fmt: skip
    _LABEL_OF[_group] = CLASSES.index(_name)


@dataclass(frozen=True)
class DynamicWorld:
    """One image per Sentinel-2 scene of at most 35 % cloud; clouds are masked, their edges read as snow or water."""

    products: Products

    ids = (DYNAMIC,)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """The images over a box on the given days."""
        return [self._image(scene) for scene in scenes(first, last, bounds_wsen) if _clear(scene)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One image, or None."""
        scene = scene_of(index)
        return self._image(scene) if scene is not None and _clear(scene) else None

    def _image(self, scene: Scene) -> SourceImage:
        grid = scene.tile.grid(10)
        bands = (*(SourceBand(name, "float32", grid) for name in CLASSES), SourceBand("label", "uint8", grid, "MODE"))
        kept = ("system:index", "system:time_start", "system:time_end", "simulated")
        properties = {key: value for key, value in scene.properties("L1C").items() if key in kept}

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            cut = Cut.of(window)
            label, opacity = self._label(scene, cut)
            values = np.stack([label if name == "label" else _probability(label, name, cut, scene) for name in names])
            valid = Cut.of(grid).covers(cut) & (opacity < 0.5)
            return values, np.broadcast_to(valid, values.shape).copy()

        return SourceImage(f"{DYNAMIC}/{scene.index}", bands, properties, scene.tile.footprint, read)

    def _label(self, scene: Scene, cut: Cut) -> tuple[np.ndarray, np.ndarray]:
        label = _LABEL_OF[self.products.groups(cut, scene.moment.year, DYNAMIC_WORLD)]
        opacity, shadow = clouds.over(cut, scene.overpass.sky)
        # Dark ground reads as water and bright clouds as snow: the errors that Dynamic World has at clouds' edges.
        label = np.where(shadow > 0.7, np.uint8(_WATER), label)
        return np.where(opacity > 0.3, np.uint8(_SNOW), label), opacity


def _clear(scene: Scene) -> bool:
    return scene.properties("L1C")["CLOUDY_PIXEL_PERCENTAGE"] <= _CLOUDY_LIMIT


def _probability(label: np.ndarray, name: str, cut: Cut, scene: Scene) -> np.ndarray:
    """The label's class holds .45 to .75, the others share the rest evenly, so that they add to one."""
    top = 0.6 + 0.15 * labels.waves(cut, seed_of("dynamic", scene.moment.date().isoformat(), scene.orbit))
    return np.where(label == CLASSES.index(name), top, (1 - top) / (len(CLASSES) - 1)).astype(np.float32)
