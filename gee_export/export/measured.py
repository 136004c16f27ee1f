"""What Google counted for composites, by workload tag: a TOML table that takes the place of the published benchmark."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from isamap.gee_export.export.eecu import BENCHMARK
from isamap.gee_export.requests.meter import PUBLISHED_SECONDS

if TYPE_CHECKING:
    from isamap.gee_export.sentinel.composite import Settings

NAME = "measured.toml"  # what `isamap prove` writes beside its answers
OF = ("default", "lee_sigma", "refined_lee", "terrain")
_HEAD = "# EECU seconds that Google counted, by workload tag (docs/plan.md): isamap plan --measured FILE\n"


@dataclass(frozen=True)
class TagCost:
    """A workload tag: EECU seconds, and the megapixels x months of composites that were asked under it.

    of: which settings (OF); those of any other speckle filter, without terrain, are "default".
    """

    tag: str
    eecu_s: float
    megapixel_months: float
    of: str = OF[0]

    def __post_init__(self) -> None:
        for name in ("eecu_s", "megapixel_months"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise ValueError(f"{name} = {value!r}: expected a number above 0")
        if self.of not in OF:
            raise ValueError(f"of = {self.of!r}: expected one of {', '.join(OF)}")


@dataclass(frozen=True)
class Measured:
    """The rows of a file; path: for people."""

    costs: tuple[TagCost, ...]
    path: str

    def of(self, settings: Settings | None = None) -> tuple[TagCost, ...]:
        """The rows of composites like these, or the default's where there are none."""
        tag = OF[0] if settings is None else _kind(settings)
        return tuple(cost for cost in self.costs if cost.of == tag) or self.of()

    def rate_s(self, settings: Settings | None = None) -> float:
        """EECU seconds of a megapixel and month: all that was counted by all that was asked."""
        costs = self.of(settings)
        # A ratio of sums: small requests, whose overhead is large, weigh little.
        return sum(cost.eecu_s for cost in costs) / sum(cost.megapixel_months for cost in costs)

    def words(self, settings: Settings | None = None) -> str:
        return f"measured: {self.path}, {', '.join(cost.tag for cost in self.of(settings))}"


def read(path: str | Path) -> Measured:
    """The rows of a file; ValueError names it and what is wrong."""
    try:
        rows = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("measured", [])
        costs = tuple(TagCost(**row) for row in rows)
        if not any(cost.of == OF[0] for cost in costs):
            raise ValueError('no row of = "default"')
    except (OSError, tomllib.TOMLDecodeError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"--measured {path}: {error}; give {NAME} of `isamap prove`, or a table as docs/plan.md shows it"
        ) from error
    return Measured(costs, str(path))


def rate_of(path: str | None, settings: Settings | None = None) -> float | None:
    """The rate of a file; None without one."""
    return None if path is None else read(path).rate_s(settings)


def rates(path: str | None, settings: Settings | None = None) -> tuple[tuple[float, float], str]:
    """EECU seconds of a megapixel and month, at least and at most, and whose: a file or the benchmark."""
    if path is None:
        return PUBLISHED_SECONDS, BENCHMARK
    table = read(path)
    rate_s = table.rate_s(settings)
    return (rate_s, rate_s), table.words(settings)


def encode(costs: tuple[TagCost, ...]) -> str:
    """The table's text."""
    blocks = (
        "\n".join(f"{each.name} = {getattr(cost, each.name)!r}".replace("'", '"') for each in fields(cost))
        for cost in costs
    )
    return _HEAD + "".join(f"\n[[measured]]\n{block}\n" for block in blocks)


def _kind(settings: Settings) -> str:
    if "sentinel1" not in settings.sensors:
        return OF[0]
    if settings.radar.terrain != "none":
        return "terrain"
    return settings.radar.speckle if settings.radar.speckle in OF else OF[0]
