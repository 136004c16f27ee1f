"""Real pixels beside the simulated world: the samples of ../shared/data that docs/reference/world.md, "Sentinel-2
reflectance", measured, as scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.world_statistics import BARE, BUILT, CROP, TREES, Scene, ndvi

_BANDS = {"B2": 1, "B3": 2, "B4": 3, "B8": 7, "B11": 10}
_ISA = ("2017", "2015", "2013")


@dataclass(frozen=True)
class Samples:
    """The folder of real samples; what it lacks is None."""

    folder: Path

    @property
    def present(self) -> bool:
        return (self.folder / "terramind").is_dir()

    @cached_property
    def chile(self) -> Scene | None:
        """TerraMind 433D, April 2020, with its own noisy land cover; 1000 subtracted. Bare is NDVI < .35."""
        return self._terramind("433D", 1000)

    @cached_property
    def denmark(self) -> Scene | None:
        """TerraMind 637U, October."""
        return self._terramind("637U", 0)

    @cached_property
    def brazil(self) -> Scene | None:
        """TerraMind 282D, July: forest and sea, for speckle."""
        return self._terramind("282D", 0)

    def _terramind(self, name: str, offset: int) -> Scene | None:
        files = {
            product: next((self.folder / "terramind" / product).glob(f"{name}*"), None)
            for product in ("S2L2A", "S1RTC")
        }
        if None in files.values():
            return None
        values = np.maximum(_read(files["S2L2A"]).astype(float) - offset, 1) / 1e4
        power = 10 ** (_read(files["S1RTC"]).astype(float) / 10)
        cover = _read(self.folder / "terramind" / "LULC" / files["S2L2A"].name)[0]
        optical = {band: values[index] for band, index in _BANDS.items()}
        scene = Scene(optical, {"VV": power[0], "VH": power[1]}, {})
        dry = np.isin(cover, (4, 6, 9)) & (ndvi(scene) < 0.35)
        scene.classes.update({BUILT: cover == 5, CROP: cover == 4, TREES: cover == 2, BARE: dry})
        return scene

    @cached_property
    def belgium(self) -> dict[int, Scene]:
        """WorldCereal by month: built is highest NDVI of the year < .5, crop its range > .55 (circular in NDVI)."""
        path = self.folder / "worldcereal" / "worldcereal_preprocessed_inputs.nc"
        if not path.is_file():
            return {}
        import netCDF4

        with netCDF4.Dataset(path) as source:
            source.set_auto_mask(False)
            names = {band: f"S2-L2A-{band[0]}{int(band[1:]):02d}" for band in _BANDS}
            raw = {band: source[name][:].astype(float) for band, name in names.items()}
            power = {
                n: 10 ** ((20 * np.log10(source[f"S1-SIGMA0-{n}"][:].astype(float)) - 83) / 10) for n in ("VV", "VH")
            }
        cube = {band: np.where(values == 65535, np.nan, values / 1e4) for band, values in raw.items()}
        green = (cube["B8"] - cube["B4"]) / (cube["B8"] + cube["B4"])
        top, range_ = np.nanmax(green, axis=0), np.nanmax(green, axis=0) - np.nanmin(green, axis=0)
        out = {}
        for at in range(12):
            crop = range_ > 0.55
            classes = {BUILT: top < 0.5, CROP: crop, BARE: crop & (green[at] < 0.35)}
            month = (at + 10) % 12 + 1  # the first composite is of November
            optical = {band: values[at] for band, values in cube.items()}
            out[month] = Scene(optical, {name: values[at] for name, values in power.items()}, classes)
        return out

    @cached_property
    def beijing(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Yearly median VV (dB) of Beijing and its four built masks [4, row, column]: 2017, 2015, 2013, urban."""
        folder = self.folder / "beijing_thu"
        if not folder.is_dir():
            return None
        masks = [_read(folder / f"isa_from-glc{year}_bj.tif")[0] == 1 for year in _ISA]
        masks.append(_read(folder / "isa_urban_beijing.tif")[0] == 1)
        return _read(folder / "THU_2020_sentinel_1_50pt.tif")[0].astype(float), np.stack(masks)


def _read(path: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as source:
        return source.read()
