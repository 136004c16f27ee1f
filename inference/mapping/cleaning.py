"""What follows a map's classes: masks, then the sieve, as one step over the finished rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from isamap.inference.inputs.checks import step_m
from isamap.inference.map_files.cog import RowsFile
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping.request import NO_SIEVE, Computing
from isamap.inference.postprocessing.mask import Mask, masked
from isamap.inference.postprocessing.sieve import sieved, tags_of, unit_px

VERSION = 1
MASKED, SIEVED = "masked.u8", "sieved.u8"


@dataclass(frozen=True)
class Cleaning:
    """Masks in the order in which they are laid on, and the smallest component in pixels that stays (0: all)."""

    masks: tuple[Mask, ...]
    least_px: int
    geobox: GeoBox
    legend: Legend

    @classmethod
    def of(cls, computing: Computing, geobox: GeoBox, legend: Legend) -> Cleaning:
        """As the options ask for a map of this grid; ValueError where they mean nothing."""
        least_px = 0 if computing.sieve == NO_SIEVE else unit_px(computing.sieve, step_m(geobox))
        return cls(tuple(Mask.of(text, legend) for text in computing.mask), least_px, geobox, legend)

    @property
    def settings(self) -> dict[str, Any]:
        """What of it decides a map's pixels; nothing where nothing is asked."""
        settings: dict[str, Any] = {"masks": [[mask.digest, mask.meaning] for mask in self.masks]} if self.masks else {}
        settings |= {"sieve": self.least_px} if self.least_px else {}
        return settings | ({"cleaning_version": VERSION} if settings else {})

    @property
    def tags(self) -> dict[str, str]:
        """What the map says of it."""
        tags = {"masks": ", ".join(map(str, self.masks))} if self.masks else {}
        return tags | (tags_of(self.least_px) if self.least_px else {})

    def apply(self, rows: RowsFile, folder: Path) -> RowsFile:
        """The rows after all of it; what it writes lies in the folder."""
        if self.masks:
            rows = masked(rows, RowsFile(folder / MASKED, rows.width), self.masks, self.geobox, self.legend)
        if self.least_px:
            rows = sieved(rows, RowsFile(folder / SIEVED, rows.width), self.least_px)
        return rows
