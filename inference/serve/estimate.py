"""What a job would take, said before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from isamap.inference.plan.plan import Plan, plan_map
from isamap.inference.serve.place import Place
from isamap.inference.serve.settings import ServiceSettings


@dataclass(frozen=True)
class JobEstimate:
    """minutes: of fetching and of the network, one after the other. bytes: of results, before compression.

    eecu_hours: at most. epoch_minutes: of one epoch of the default recipe over the patches that an export would cut.
    """

    tiles: int = 0
    area_km2: float = 0.0
    requests: int = 0
    minutes: float = 0.0
    eecu_hours: float = 0.0
    bytes: int = 0
    patches: int = 0
    epoch_minutes: float = 0.0
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"notes": list(self.notes)}


def planned(place: Place, period: str, settings: ServiceSettings, further: Mapping[str, Any]) -> JobEstimate:
    """What `isamap plan` says of a place and period; further: its options of checkpoint or sensors."""
    with TemporaryDirectory() as folder:
        options = place.options(Path(folder)) | {"period": (period,), "catalog": settings.server.catalog}
        plan = plan_map(**options, **further)
    is_local = settings.server.project is None
    fetch_h = sum(hours for name, hours in plan.fetch_hours.items() if (not name.startswith("Google")) == is_local)
    return JobEstimate(
        tiles=plan.tiles,
        area_km2=round(plan.area_km2, 3),
        requests=plan.requests,
        minutes=round(60 * (fetch_h + _network_hours(plan)), 2),
        eecu_hours=0.0 if is_local else round(plan.computing.hours, 4),
        bytes=round(plan.storage_bytes),
        notes=tuple(_notes(plan, is_local)),
    )


def _network_hours(plan: Plan) -> float:
    """By the slowest measured machine that fits, in whose numbers nobody is disappointed; 0 where none was measured."""
    return max(plan.by_rate.values(), default=0.0)


def _notes(plan: Plan, is_local: bool) -> Sequence[str]:
    notes = [f"network: {60 * hours:.3g} minutes by {rate}" for rate, hours in plan.by_rate.items()]
    if not plan.by_rate:
        notes.append("network: no measured rate fits this checkpoint, its minutes are not counted")
    if is_local:
        notes.append("the local engine computes: no EECU are used")
        notes += [name for name in plan.fetch_hours if "public archives" in name]
    else:
        notes += plan.computing.lines
    if plan.approximated:
        notes.append(f"the area is approximated: {plan.approximated}")
    return notes
