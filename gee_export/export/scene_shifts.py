"""How far single passes of Sentinel-1 lie from Sentinel-2: archives have scenes that jumped by some 20 m."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from isamap.gee_export.coregistration.coregister import Coregistration
from isamap.gee_export.coregistration.displacement import ORBIT
from isamap.gee_export.sentinel.scenes import Scene

FAR_M = 10.0  # a pixel: farther scenes blur a composite (Planetary Computer issues 404 and 492: some 20 m)
_PLACES = 9  # a side at which a polynomial's mean is taken


@dataclass(frozen=True)
class PassShift:
    """One pass: the scenes of an orbit on a day, and its mean shift; east_m and north_m None where nothing was sure."""

    day: str
    orbit: int
    scenes: tuple[str, ...]
    east_m: float | None
    north_m: float | None
    reason: str

    @classmethod
    def of(cls, scenes: Sequence[Scene], found: Coregistration | None) -> PassShift:
        """The shift of a pass; found: None where the pass shows no pixel beside Sentinel-2."""
        day, orbit = pass_of(scenes[0])
        names = tuple(scene.index for scene in scenes)
        if found is None or not found.applied:
            reason = "no pixel is seen by both sensors" if found is None else found.reason
            return cls(day, orbit, names, None, None, reason)
        east_m, north_m = _mean_m(found)
        return cls(day, orbit, names, round(east_m, 2), round(north_m, 2), found.verdict)

    @property
    def metres(self) -> float | None:
        """The length of the shift."""
        return None if self.east_m is None or self.north_m is None else math.hypot(self.east_m, self.north_m)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"scenes": list(self.scenes)}

    def __str__(self) -> str:
        head = f"{self.day} orbit {self.orbit} ({' '.join(self.scenes)}):"
        if self.metres is None:
            return f"{head} no shift was made out: {self.reason}"
        far = "; MORE THAN A PIXEL" if self.metres > FAR_M else ""
        return f"{head} {self.metres:.1f} m off ({self.east_m:+.1f} m east, {self.north_m:+.1f} m north){far}"


def pass_of(scene: Scene) -> tuple[str, int]:
    """The day (UTC) and relative orbit of a scene."""
    moment = datetime.fromtimestamp(scene.get("system:time_start") / 1000, UTC)
    return f"{moment:%Y-%m-%d}", int(scene.get(ORBIT))


def passes(scenes: Iterable[Scene]) -> Mapping[tuple[str, int], tuple[Scene, ...]]:
    """Scenes by day and orbit, in order."""
    by_pass: dict[tuple[str, int], tuple[Scene, ...]] = {}
    for scene in sorted(scenes, key=lambda each: (pass_of(each), each.index)):
        by_pass[pass_of(scene)] = (*by_pass.get(pass_of(scene), ()), scene)
    return by_pass


def _mean_m(found: Coregistration) -> tuple[float, float]:
    """How far the radar image lies east and north of the optical one, the mean over the area."""
    left, bottom, right, top = found.polynomial.bounds
    x, y = np.meshgrid(np.linspace(left, right, _PLACES), np.linspace(bottom, top, _PLACES))
    dx, dy = found.polynomial.at(x.ravel(), y.ravel())
    return float(np.mean(dx)), float(np.mean(dy))
