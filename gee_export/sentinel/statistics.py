"""What a composite keeps of its period's observations: their mean, or statistics of a year by band and index."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isamap.gee_export.base.regions import Period
from isamap.gee_export.datasets.manifest import DECIBEL_SCALE, REFLECTANCE_SCALE, Band

MONTH = "month"
# normalised differences (first - second) / (first + second) of Sentinel-2's bands
INDICES = {
    "NDVI": ("B8", "B4"),  # Rouse et al. 1974
    "NDBI": ("B11", "B8"),  # Zha, Gao and Ni 2003, doi:10.1080/01431160304987
    "MNDWI": ("B3", "B11"),  # Xu 2006, doi:10.1080/01431160600589179
    "NDWI": ("B3", "B8"),  # McFeeters 1996, doi:10.1080/01431169608948714
}
# As reflectance's: -1 to 1 and -pi to pi fit into int16 with four digits.
INDEX_SCALE = PHASE_SCALE = 1e-4
COUNT, OBSERVATIONS = "count", "observations"  # the statistic, and what its bands are called
HARMONIC = ("amplitude", "phase")
PLAIN = {"mean": "mean", "std": "stdDev", "min": "min", "max": "max"}  # statistic -> Earth Engine's reducer
PERCENTILE = re.compile(r"p(\d|[1-9]\d|100)")  # p07 would be a second band of p7's numbers
# meteorological seasons: first and last month
SEASONS = {"DJF": (12, 2), "MAM": (3, 5), "JJA": (6, 8), "SON": (9, 11)}
PASSES = {"asc": "ASCENDING", "desc": "DESCENDING"}
Group = tuple[str | None, ...]  # a season, or a pass and a season; None for all of them
YEAR_DAYS = (360, 1100)  # lengths of period that count as a year or a few of them
OBSERVATIONS_PER_MONTH = 6.0  # of one sensor, of which requests are made small enough
SERIES_VALUES = 1 << 25  # observations x bands of a request: 256 MiB as doubles, and a minute of computing


@dataclass(frozen=True)
class StatisticsPreset:
    """What a word for a composite stands for, and who makes maps of such inputs.

    cost: processor seconds of the local engine, against those of a mean of as many months (docs/year.md).
    """

    statistics: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()
    seasons: bool = False
    least_dates: int = 0
    source: str = ""
    cost: float = 1.0


PRESETS = {
    MONTH: StatisticsPreset(),
    "season": StatisticsPreset(
        ("p50",),
        seasons=True,
        least_dates=1,
        source="median of a season's scenes: Phan et al. 2020, doi:10.3390/rs12152411",
    ),
    "year-statistics": StatisticsPreset(
        ("mean", "std", "p10", "p50", "p90"),
        ("NDVI", "NDBI", "MNDWI"),
        least_dates=3,
        source="temporal statistics of bands and indices: WSF 2019, doi:10.15489/twg5xsnquw84; percentiles: "
        "GHS-composite-S2, doi:10.1016/j.dib.2020.105737",
        cost=6.0,
    ),
    "harmonic": StatisticsPreset(
        ("mean", "amplitude", "phase"),
        ("NDVI",),
        least_dates=6,
        source="one harmonic a year by least squares: Zhu and Woodcock 2014, doi:10.1016/j.rse.2014.01.011",
    ),
}


@dataclass(frozen=True)
class Statistics:
    """What becomes of a year's observations; ValueError for what cannot be.

    composite: a word of PRESETS; month is the reducer's one value of any period, and has no statistics. statistics, of
    every band and index: mean, std (of the population), min, max, p0 to p100, amplitude and phase of one harmonic a
    year, count of the dates. indices: of INDICES, beside Sentinel-2's bands. by_pass: Sentinel-1 by ascending and
    descending passes. seasons: each of SEASONS by itself. least_dates: where a pixel has fewer, there is no value.
    Empty fields are the preset's.
    """

    composite: str = MONTH
    statistics: tuple[str, ...] = ()
    indices: tuple[str, ...] | None = None
    by_pass: bool = False
    seasons: bool | None = None
    least_dates: int = 0

    def __post_init__(self) -> None:
        if self.composite not in PRESETS:
            raise ValueError(f"--composite {self.composite}: expected one of {', '.join(PRESETS)}")
        if not self.of_year:
            self._refuse()
            return
        preset = PRESETS[self.composite]
        # Filled in here, so that manifests hold what was computed, not which preset stood for it.
        object.__setattr__(self, "statistics", self.statistics or preset.statistics)
        object.__setattr__(self, "indices", preset.indices if self.indices is None else self.indices)
        object.__setattr__(self, "seasons", preset.seasons if self.seasons is None else self.seasons)
        object.__setattr__(self, "least_dates", self.least_dates or preset.least_dates)
        self._check()

    def _refuse(self) -> None:
        names = [name for name in ("statistics", "indices", "by_pass", "seasons", "least_dates") if getattr(self, name)]
        if names:
            raise ValueError(f"{names[0]} is of a year: give --composite year-statistics, season or harmonic")

    def _check(self) -> None:
        for name in self.statistics:
            if name not in (*PLAIN, *HARMONIC, COUNT) and not PERCENTILE.fullmatch(name):
                raise ValueError(
                    f"statistics {name}: expected some of {', '.join((*PLAIN, *HARMONIC, COUNT))} and p0 to p100"
                )
        for name in self.indices or ():
            if name not in INDICES:
                raise ValueError(f"indices {name}: expected some of {', '.join(INDICES)}")
        for option in ("statistics", "indices"):
            names = getattr(self, option)
            if len(set(names)) != len(names):
                raise ValueError(f"{option} {','.join(names)}: give each once")
        if self.statistics == (COUNT,):
            raise ValueError("statistics count alone says nothing of the ground: give others with it, such as mean")
        self._check_dates()

    def _check_dates(self) -> None:
        harmonic = any(name in HARMONIC for name in self.statistics)
        if harmonic and self.seasons:
            raise ValueError("seasons with amplitude or phase: a harmonic is of the whole year, leave one of them out")
        # Three unknowns fit three dates exactly; the fourth is the first that can contradict.
        least = 4 if harmonic else 1
        if not least <= self.least_dates <= 100:
            reason = " for amplitude and phase" if harmonic else ""
            raise ValueError(f"least_dates {self.least_dates}: expected {least} to 100{reason}")

    @property
    def of_year(self) -> bool:
        """Whether there are statistics at all."""
        return self.composite != MONTH

    def to_json(self) -> dict[str, Any]:
        """The fields, written out whatever the preset; empty for a month."""
        return asdict(self) if self.of_year else {}

    def check_period(self, period: Period) -> None:
        """ValueError for a period that is no year where statistics are of one."""
        days = (period.end - period.start).days
        if self.of_year and not YEAR_DAYS[0] <= days <= YEAR_DAYS[1]:
            raise ValueError(
                f"composites of {self.composite} are of a year or up to three, not of {period} ({days} days): give "
                "--period and the year, such as --period 2020"
            )

    def inputs(self, bands: Sequence[str]) -> tuple[str, ...]:
        """Sentinel-2's bands that are read: those asked for and those of the indices."""
        pairs = itertools.chain.from_iterable(INDICES[name] for name in self.indices or ())
        return tuple(dict.fromkeys((*bands, *pairs)))

    @property
    def optical_groups(self) -> tuple[Group, ...]:
        """The seasons, or the whole period."""
        return tuple((season,) for season in (SEASONS if self.seasons else (None,)))

    @property
    def radar_groups(self) -> tuple[Group, ...]:
        """The passes with each of these."""
        passes = tuple(PASSES) if self.by_pass else (None,)
        return tuple((pass_, *group) for pass_ in passes for group in self.optical_groups)

    def optical_bands(self, bands: Sequence[str]) -> tuple[Band, ...]:
        """Sentinel-2's stored bands: reflectance and indices by 1e-4."""
        sources = [Band(name, "reflectance", REFLECTANCE_SCALE) for name in bands]
        sources += [Band(name, "index", INDEX_SCALE) for name in self.indices or ()]
        return self._of_groups(sources, self.optical_groups, "s2")

    def radar_bands(self, polarisations: Sequence[str]) -> tuple[Band, ...]:
        """Sentinel-1's stored bands: decibels by 0.01."""
        sources = [Band(name, "dB", DECIBEL_SCALE) for name in polarisations]
        return self._of_groups(sources, self.radar_groups, "s1")

    def _of_groups(self, sources: Sequence[Band], groups: Sequence[Group], sensor: str) -> tuple[Band, ...]:
        bands = []
        for group in groups:
            bands += [_band(source, group, name) for source in sources for name in self.statistics if name != COUNT]
            if COUNT in self.statistics:
                bands.append(Band(joined(sensor, *group, OBSERVATIONS), "count", 1.0))
        return tuple(bands)

    @property
    def cost(self) -> float:
        """The computing, against that of a mean of as many months."""
        return PRESETS[self.composite].cost

    def side_px(self, months: float, source_bands: int, most_px: int) -> int:
        """The side of a request, at most `most_px`, whose observations fit into a server's memory together."""
        if not self.of_year:
            return most_px
        values = max(months * OBSERVATIONS_PER_MONTH * source_bands, 1.0)
        return min(most_px, max(int((SERIES_VALUES / values) ** 0.5) // 64 * 64, 64))


MONTHLY = Statistics()


def joined(*words: str | None) -> str:
    """A band's name: source, pass, season, statistic; what there is of them."""
    return "_".join(word for word in words if word)


def _band(source: Band, group: Group, statistic: str) -> Band:
    name = joined(source.name, *group, statistic)
    if statistic == "phase":
        return Band(name, "rad", PHASE_SCALE)
    return Band(name, source.unit, source.scale)
