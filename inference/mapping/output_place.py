"""Where a map is written: which of its files are there, and which files of others have their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rasterio.errors import RasterioError

from isamap.gee_export.base.rasters import open_raster
from isamap.inference.map_files.layer_file import LayerFile
from isamap.inference.map_files.map_file import SETTINGS_TAG, probability_of
from isamap.inference.mapping.request import MapRequest, check_keepable

COMPARED = ("model", "checkpoint", "region", "period", "input", "runtime", "precision", "tta", "post")


@dataclass(frozen=True)
class OutputPlace:
    """The files of a request's map: classes, probabilities, layers, and the request itself.

    tags: what the map says of itself. They may be only those that are known so far: what differs in them is refused
    before anything takes time.
    """

    request: MapRequest
    tags: Mapping[str, str]
    layers: tuple[LayerFile, ...] = ()

    def check(self) -> None:
        """ValueError where something else than this map lies at one of its names."""
        self.check_map()
        for layer in self.layers:
            layer.check_free()
        check_keepable(self.request, replaces=self.request.overwrite or self.request.file.exists())

    def check_map(self) -> None:
        """ValueError where the classes or probabilities are there and not of a map that has these tags."""
        for path in () if self.request.overwrite else self._present:
            former = _tags(path)
            if SETTINGS_TAG not in former:
                raise ValueError(
                    f"{path} exists and is no map of isamap: choose another --out, or replace it with --overwrite"
                )
            differs = [
                f"{name} {former.get(name, 'none')} there, {self.tags[name]} asked"
                for name in COMPARED
                if name in self.tags and former.get(name) != self.tags[name]
            ]
            if differs or self.tags.get(SETTINGS_TAG, former[SETTINGS_TAG]) != former[SETTINGS_TAG]:
                raise ValueError(
                    f"{path} holds a map of other settings "
                    f"({'; '.join(differs) or 'other pixels or grid, or an older isamap'}): "
                    "choose another --out, or replace it with --overwrite"
                )

    def is_whole(self) -> bool:
        """Whether all of the map is there, which it never is with `overwrite`; ValueError as `check_map`."""
        self.check_map()
        layers = all(layer.path.exists() for layer in self.layers)
        return layers and len(self._present) == 2 and not self.request.overwrite

    @property
    def _present(self) -> list[Path]:
        out = self.request.file
        return [path for path in (out, probability_of(out)) if path.exists()]


def _tags(path: Path) -> dict[str, str]:
    try:
        with open_raster(path) as raster:
            return raster.tags()
    except (RasterioError, ValueError):
        return {}
