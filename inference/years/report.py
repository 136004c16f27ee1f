"""What `isamap years` made, as the few lines that it prints and as the JSON that it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isamap.inference.map_files.simulation import SIMULATED

BIASED = (
    "areas rest on the maps alone: errors that return every year are in them, and no interval says how large; an area "
    "that can be defended needs a sample of reference points"
)


@dataclass(frozen=True)
class ZoneAreas:
    """km2 in one zone: pixels that the filter calls impervious by year, and of each growth class; mapped_km2: ground
    that any year knows. expected_km2: impervious by year as the filter's probabilities sum up.
    """

    name: str
    impervious_km2: tuple[float, ...]
    growth_km2: tuple[float, ...]
    mapped_km2: float
    expected_km2: tuple[float, ...]


@dataclass(frozen=True)
class YearsReport:
    """What a series became; printed as a few lines.

    impervious_km2, own_km2, expected_km2: by year, of the filtered classes, of the maps as they were, and the sum of
    the filter's probabilities. unknown_share: of the ground that some year knows, by year. year_error: share of pixels
    that one year's map alone gets wrong, as the chain estimates it. back_share: of pixels that go back from impervious
    to pervious, in the maps as they were and after the filter. gain, loss: share of the ground a year. zones: the whole
    map first.
    """

    path: Path
    years: tuple[int, ...]
    shape: tuple[int, int]
    step_m: float
    impervious_km2: tuple[float, ...]
    own_km2: tuple[float, ...]
    expected_km2: tuple[float, ...]
    unknown_share: tuple[float, ...]
    year_error: tuple[float, ...]
    back_share: tuple[float, float]
    gain: float
    loss: float
    growth_classes: tuple[str, ...]
    zones: tuple[ZoneAreas, ...]
    simulated_parts: tuple[str, ...]
    notes: tuple[str, ...]
    already_there: bool = False
    seconds: float = 0.0

    @property
    def simulated(self) -> bool:
        """Whether any input or the training was simulated."""
        return bool(self.simulated_parts)

    @property
    def page(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    def __str__(self) -> str:
        height, width = self.shape
        ending = "already there" if self.already_there else f"{self.seconds:.1f} s"
        lines = [
            f"{self.path}: {len(self.years)} years, {self.years[0]} to {self.years[-1]}, {height} x {width} px of "
            f"{self.step_m:.4g} m ({ending})",
            f"impervious, expected by the filter's probabilities: {by_year(self.years, self.expected_km2)} km2",
            f"counted as classes: {by_year(self.years, self.impervious_km2)} km2 (the most probable history of a pixel "
            "changes too little)",
            f"as each map was: {by_year(self.years, self.own_km2)} km2",
            f"impervious and back: {self.back_share[0]:.2%} of the pixels as the maps were, "
            f"{self.back_share[1]:.2%} now",
            f"estimated a year: {self.gain:.2%} of pervious ground built, {self.loss:.2%} of impervious ground opened",
            f"page: {self.page}",
        ]
        if self.simulated:
            lines.append(SIMULATED[self.simulated_parts])
        return "\n".join([*lines, *(f"warning: {text}" for text in (*self.notes, BIASED))])

    def to_json(self) -> dict[str, Any]:
        """The report as JSON keeps it."""
        return asdict(self) | {"path": str(self.path), "page": str(self.page)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], path: Path) -> YearsReport:
        """The report that to_json wrote, of the folder where it lies now."""
        fields = {name: _tuples(value) for name, value in document.items() if name not in ("path", "page", "zones")}
        zones = tuple(ZoneAreas(**{name: _tuples(value) for name, value in zone.items()}) for zone in document["zones"])
        return cls(path=path, zones=zones, **fields)


def by_year(years: Sequence[int], km2: Sequence[float]) -> str:
    """2017 10.32, 2019 11.50, ..."""
    return ", ".join(f"{year} {area:.2f}" for year, area in zip(years, km2, strict=True))


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
