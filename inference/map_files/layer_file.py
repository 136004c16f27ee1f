"""A further file of a map, beside its classes and probabilities: of sets, or of shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from isamap.gee_export.base.rasters import open_raster
from isamap.inference.map_files.map_file import SETTINGS_TAG, sidecar_of


@dataclass(frozen=True)
class LayerFile:
    """Where a layer lies. holds: its pixels in a word; shows: whether a map's file is of that layer."""

    path: Path
    holds: str
    shows: Callable[[DatasetReader], bool]

    @property
    def is_ours(self) -> bool:
        """Whether a map's layer lies there."""
        try:
            with open_raster(self.path) as raster:
                return self.shows(raster) and SETTINGS_TAG in raster.tags()
        except (OSError, RasterioError, ValueError):
            return False

    def check_free(self) -> None:
        """ValueError where another file has the name."""
        if self.path.exists() and not self.is_ours:
            raise ValueError(
                f"{self.path} exists and is no file of this map's {self.holds}: choose another --out, or move it"
            )

    def remove(self) -> None:
        """Removes the layer of a map that is replaced, which would be read as the new one's; other files stay."""
        if self.is_ours:
            self.path.unlink()
            sidecar_of(self.path).unlink(missing_ok=True)
