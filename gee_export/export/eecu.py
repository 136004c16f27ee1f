"""Google's unit of computing: what composites are expected to cost in it, against what a project has free."""

from __future__ import annotations

from dataclasses import dataclass

from isamap.gee_export.requests.meter import HOUR_S, PUBLISHED_SECONDS

# EECU-hours a month of non-commercial projects since 2026-04-27, above which Google slows the project down
# (docs/reference/earth-engine.md, "Quotas").
TIERS = {"Community": 150, "Contributor": 1_000, "Partner": 100_000}
BENCHMARK = (
    "Google's benchmark of Sentinel-2 with all bands, guides/computation_benchmarks; `isamap prove` measures it, "
    "--measured takes that"
)


@dataclass(frozen=True)
class ComputingCost:
    """The expected computing of composites. effort: megapixels x months; words: where the rates come from.

    rates_s: EECU seconds of one of them, at least and at most; the same number twice where they were measured.
    """

    effort: float
    rates_s: tuple[float, float] = PUBLISHED_SECONDS
    words: str = BENCHMARK

    @property
    def hours(self) -> float:
        """EECU-hours at most, with which limits count."""
        return self.effort * self.rates_s[1] / HOUR_S

    @property
    def least_hours(self) -> float:
        """EECU-hours at least."""
        return self.effort * self.rates_s[0] / HOUR_S

    @property
    def months_by_tier(self) -> dict[str, float]:
        """How many months of each tier's hours that is at most."""
        return {tier: self.hours / hours for tier, hours in TIERS.items()}

    @property
    def span(self) -> str:
        """The hours for people, such as 0.359 to 0.908."""
        return _span(self.least_hours, self.hours)

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: the hours, and each tier's share."""
        shares = ", ".join(f"{tier} {_share(months)}" for tier, months in self.months_by_tier.items())
        limits = ", ".join(f"{hours:,}" for hours in TIERS.values())
        most = "" if self.least_hours == self.hours else ", at most"
        return (
            f"EECU: {self.span} hours, if {_span(*self.rates_s)} s make a megapixel of one month ({self.words})",
            f"of the {limits} free hours a month{most}: {shares}",
        )


def number(value: float) -> str:
    """Three significant digits, with commas: 0.0213, 21.3, 21,300."""
    if value >= 1000:
        digits = len(f"{value:.0f}") - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def _span(least: float, most: float) -> str:
    return number(most) if least == most else f"{number(least)} to {number(most)}"


def _share(months: float) -> str:
    return f"{100 * months:.2g} %" if months < 1 else f"{number(months)} months"
