"""The computing that a run's tiles cost their server, in EECU seconds, and the limit at which no other tile begins."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.requests.meter import HOUR_S, PUBLISHED_SECONDS, SECONDS_PER_MPX_MONTH
from isamap.gee_export.requests.quota import EECU
from isamap.inference.tiles.receipt import Failure, Receipt
from isamap.inference.tiles.tile import Tile


@dataclass
class Spending:
    """What tiles have cost so far, and whether another one may begin.

    limit_hours: EECU-hours of a run and of those that it continues; None for no limit. present: names of tiles that
    are made already and cost nothing. A tile is expected to cost as much as the dearest one so far, before there is
    one as much as its pixels are estimated to; measured_s: at so many seconds for a megapixel of one month.
    """

    limit_hours: float | None = None
    present: Collection[str] = ()
    spent_s: float = 0.0
    dearest_s: float = 0.0
    measured_s: float | None = None
    refused_s: float | None = None  # what the first tile was expected to need that might have exceeded the limit

    @classmethod
    def continued(
        cls, limit_hours: float | None, receipts: Iterable[Receipt], measured_s: float | None = None
    ) -> Spending:
        """With what the receipts of earlier runs name."""
        spending = cls(limit_hours, measured_s=measured_s)
        names = set()
        for receipt in receipts:
            names.add(receipt.name)
            spending._add(float(receipt.measured.get(EECU, 0.0)))
        spending.present = names
        return spending

    def allows(self, tile: Tile, under_way: int) -> bool:
        """Whether a tile may begin while so many others are under way; one that may not is noted."""
        if self.limit_hours is None or tile.name in self.present:
            return True
        # The dearest and not the mean, with which every dearer tile would exceed the limit.
        expected_s = self.dearest_s or estimated_s(tile, self.measured_s)
        if self.spent_s + (under_way + 1) * expected_s <= self.limit_hours * HOUR_S:
            return True
        self.refused_s = expected_s
        return False

    def count(self, outcome: Receipt | Failure) -> None:
        """Adds what an attempt at a tile cost; a tile that was there cost nothing now."""
        if isinstance(outcome, Failure):
            self._add(outcome.eecu_s)
        elif outcome.made:
            self._add(float(outcome.measured.get(EECU, 0.0)))

    def check(self) -> None:
        """Fault where a tile was refused."""
        if self.refused_s is not None:
            raise Fault(
                f"--eecu-hours {self.limit_hours:g} would be exceeded: {self.spent_s / HOUR_S:.3g} EECU-hours are "
                f"counted, and another tile is expected to need {self.refused_s / HOUR_S:.2g}; what was made is "
                "kept, run the same command with a larger --eecu-hours to continue"
            )

    def _add(self, seconds: float) -> None:
        self.spent_s += seconds
        self.dearest_s = max(self.dearest_s, seconds)


def estimated_s(tile: Tile, measured_s: float | None = None) -> float:
    """EECU seconds of a tile's composites: as measured, else on Google's servers as its benchmark has at most.

    None for pixels of a composite that was made before.
    """
    if tile.pixels.composite_asset is not None:
        return 0.0
    assumed_s = PUBLISHED_SECONDS[1] if tile.pixels.project else SECONDS_PER_MPX_MONTH
    rate_s = assumed_s if measured_s is None else measured_s
    return tile.window.step_px**2 / 1e6 * tile.period.mean_months * rate_s
