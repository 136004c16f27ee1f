"""Google's unit of computing: what composites are expected to cost in it, against what a project has free."""

from __future__ import annotations

from dataclasses import dataclass

from isamap.gee_export.requests.meter import HOUR_S, PUBLISHED_SECONDS, SECONDS_PER_MPX_MONTH

# EECU-hours a month of non-commercial projects since 2026-04-27, above which Google slows the project down
# (docs/reference/earth-engine.md, "Quotas").
TIERS = {"Community": 150, "Contributor": 1_000, "Partner": 100_000}
ASSUMED = "processor seconds of the local engine, taken for EECU seconds"


@dataclass(frozen=True)
class ComputingCost:
    """The expected computing of composites. effort: megapixels x months; rate_s: EECU seconds for one of them.

    words: where that rate comes from.
    """

    effort: float
    rate_s: float = SECONDS_PER_MPX_MONTH
    words: str = ASSUMED

    @property
    def hours(self) -> float:
        """EECU-hours."""
        return self.effort * self.rate_s / HOUR_S

    @property
    def months_by_tier(self) -> dict[str, float]:
        """How many months of each tier's hours that is."""
        return {tier: self.hours / hours for tier, hours in TIERS.items()}

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: the hours, and each tier's share."""
        shares = ", ".join(f"{tier} {_share(months)}" for tier, months in self.months_by_tier.items())
        limits = ", ".join(f"{hours:,}" for hours in TIERS.values())
        lines = (
            f"EECU: {number(self.hours)} hours, if {self.rate_s:.3g} s make a megapixel of one month ({self.words})",
            f"of the {limits} free hours a month: {shares}",
        )
        if self.words != ASSUMED:
            return lines
        least, most = (number(self.effort * seconds / HOUR_S) for seconds in PUBLISHED_SECONDS)
        low_s, high_s = PUBLISHED_SECONDS
        return (
            *lines,
            f"by Google's benchmark, {low_s:g} to {high_s:g} s with all bands, it may be {least} to {most} hours "
            "(guides/computation_benchmarks); `isamap prove` measures it",
        )


def number(value: float) -> str:
    """Three significant digits, with commas: 0.0213, 21.3, 21,300."""
    if value >= 1000:
        digits = len(f"{value:.0f}") - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def _share(months: float) -> str:
    return f"{100 * months:.2g} %" if months < 1 else f"{number(months)} months"
