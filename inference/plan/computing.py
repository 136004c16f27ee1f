"""What composing an area costs: at which rate, and of a composite that is made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from isamap.gee_export.base.regions import STEP_M, Region
from isamap.gee_export.export import measured
from isamap.gee_export.export.compose import MARGIN_M
from isamap.gee_export.export.eecu import ComputingCost
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.plan.request import PlanRequest

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint


def eecu_rates(request: PlanRequest, trained: Checkpoint | None) -> tuple[tuple[float, float], str]:
    """EECU seconds of a megapixel and month, at least and at most, and where the numbers come from."""
    settings = Settings.of_trained(trained.composite) if trained is not None and trained.composite else None
    return measured.rates(request.machines.measured, settings)


def composed_once(
    areas: Sequence[Region], months: Sequence[float], rates: tuple[tuple[float, float], str]
) -> ComputingCost:
    """The computing of composing each rectangle once, with the margin that maps read."""
    return ComputingCost(sum(_stored_px(area) for area in areas) / 1e6 * sum(months), *rates)


def stored_bytes(areas: Sequence[Region], maps: int, bands: int) -> int:
    """int16 of the bands and the counts of two sensors, before compression."""
    # Two counts beside the bands: the observations of each sensor.
    return sum(_stored_px(area) for area in areas) * maps * 2 * (bands + 2)


def _stored_px(area: Region) -> int:
    left, bottom, right, top = area.bounds_m
    return round((right - left + 2 * MARGIN_M) * (top - bottom + 2 * MARGIN_M) / STEP_M**2)
