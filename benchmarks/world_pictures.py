"""Pictures of twelve places of the simulated world in two seasons, to be looked at."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from local_ee.world.backscatter import Backscatter
from local_ee.world.fractions import CellCache
from local_ee.world.ground import GroundReflectance
from local_ee.world.lattice import TILE, Cut
from local_ee.world.optical import Camera, Overpass
from local_ee.world.plane import utm_of

YEAR, MONTHS, SIDE = 2020, (7, 1), 2 * TILE
PLACES = {
    "Wuhan, centre": (114.30, 30.58), "Wuhan, edge": (114.05, 30.47), "Hubei, plain": (113.30, 30.55),
    "Shanghai": (121.47, 31.22), "Chongqing, hills": (106.75, 29.45), "Ganzi, mountains": (101.5, 30.0),
    "Gurbantunggut, desert": (87.3, 44.6), "Xishuangbanna, tropics": (101.2, 21.9), "Harbin": (126.64, 45.76),
    "Graz": (15.44, 47.07), "Alps": (12.4, 47.1), "Manaus": (-60.02, -3.08),
}  # fmt: skip


def pictures(folder: Path) -> None:
    """Writes one PNG a season: for each place true colour (cloudless) and VV, four places a row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    cells = CellCache(300)
    camera, radar = Camera(cells, GroundReflectance(cells, 400)), Backscatter(cells, 200)
    for month in MONTHS:
        figure, axes = plt.subplots(4, 6, figsize=(21, 15), squeeze=True)
        for at, (name, place) in enumerate(PLACES.items()):
            optical, power = view(camera, radar, place, month)
            row, col = divmod(at, 3)
            for axis, image, title in ((axes[row, 2 * col], optical, name), (axes[row, 2 * col + 1], power, "VV")):
                axis.imshow(image, cmap="gray", vmin=0, vmax=1)
                axis.set_title(title)
                axis.axis("off")
        figure.tight_layout()
        figure.savefig(folder / f"month-{month:02d}.png", dpi=60)
        plt.close(figure)


def view(camera: Camera, radar: Backscatter, place: tuple[float, float], month: int) -> tuple[np.ndarray, np.ndarray]:
    """True colour and VV without speckle, 0 to 1, of 2.56 km around a place."""
    lon, lat = place
    zone = int((lon + 180) // 6) + 1
    epsg = (32600 if lat >= 0 else 32700) + zone
    x, y = utm_of(lon, lat, epsg)
    cut = Cut(epsg, int(-y // 10) - SIDE // 2, int(x // 10) - SIDE // 2, SIDE, SIDE)
    sky = np.zeros((SIDE, SIDE), np.float32)
    day = Overpass(date(YEAR, month, 15), 32)
    colour = np.stack([camera.reflectance(name, cut, day, (sky, sky, sky)) for name in ("B4", "B3", "B2")], -1) / 1e4
    layers = radar.land(cut, YEAR, month, 78, lambda col, row: 39.0)
    power = 10 * np.log10(layers[0] + 0.016 * layers[2] + 1e-3)
    return np.clip(colour / 0.24, 0, 1) ** 0.8, np.clip((power + 22) / 24, 0, 1)
