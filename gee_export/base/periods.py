"""When: the months or periods of a composite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

SENTINEL2_L2A_START = date(2017, 3, 28)  # COPERNICUS/S2_SR_HARMONIZED, catalog page
SENTINEL2_L2A_GLOBAL = date(2019, 1, 1)  # same page: not global in 2017 and 2018
SENTINEL2_L1C_START = date(2015, 6, 27)  # COPERNICUS/S2_HARMONIZED, catalog page
SENTINEL1_START = date(2014, 10, 3)  # COPERNICUS/S1_GRD, catalog page
MEAN_MONTH_DAYS = 365.25 / 12
# first month of each season (meteorological, three months; the letters are those of the months)
SEASONS = {"winter": 12, "DJF": 12, "spring": 3, "MAM": 3, "summer": 6, "JJA": 6, "autumn": 9, "fall": 9, "SON": 9}


@dataclass(frozen=True)
class Period:
    """Days [start, end) whose scenes go into one composite; printed as 2019-06 or 2019-05-01..2019-08-30."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"period {self.start} to {self.end} is empty: the end must be after the start")
        if self.end < SENTINEL1_START:
            raise ValueError(
                f"period {self.start} to {self.end} lies before the missions: Sentinel-1 begins {SENTINEL1_START}, "
                f"Sentinel-2 L2A {SENTINEL2_L2A_START}; choose a later month"
            )

    @classmethod
    def between(cls, first: str, last: str) -> Period:
        """The period between two ISO dates, the last day included (`--period 2019-05-01 2019-08-30`)."""
        start, end = _iso(first), _iso(last)
        if end < start:
            raise ValueError(f"period {first}..{last} is empty: the last day must not lie before the first")
        return cls(start, date.fromordinal(end.toordinal() + 1))

    @classmethod
    def parse(cls, text: str) -> Period:
        """The period of a month, year, season or 2 days: 2019-06, 2019, 2019-summer, 2019-JJA, 2019-05-01..2019-08-30.

        Seasons are the northern meteorological ones. A winter has the year of its January: 2019-DJF is December 2018
        to February 2019, as climate services count (CPC, seasonal names of the Oceanic Nino Index). ValueError for
        anything else.
        """
        first, pair, last = text.partition("..")
        if pair:
            return cls.between(first, last)
        year, _, suffix = text.partition("-")
        season = next((month for name, month in SEASONS.items() if name.lower() == suffix.lower()), None)
        if not year.isdecimal() or len(year) != 4 or (season is None and suffix and not suffix.isdecimal()):
            raise ValueError(
                f"period {text!r}: expected a month (2019-06), a year (2019), a season (2019-summer or 2019-JJA) "
                "or two days (2019-05-01..2019-08-30)"
            )
        if not suffix:
            return cls(_first_day(int(year), 1), _first_day(int(year), 13))
        if season is None:
            return Month.parse(text).period
        start = season - 12 if season == 12 else season
        return cls(_first_day(int(year), start), _first_day(int(year), start + 3))

    @property
    def months(self) -> int:
        """Calendar months touched."""
        last = date.fromordinal(self.end.toordinal() - 1)
        return (last.year - self.start.year) * 12 + last.month - self.start.month + 1

    @property
    def mean_months(self) -> float:
        """The length in months of 30.44 days, which the number of scenes grows with."""
        return (self.end.toordinal() - self.start.toordinal()) / MEAN_MONTH_DAYS

    @property
    def label(self) -> str:
        """YYYYMM, or YYYYMMpNN where more than one month is touched (docs/reference/formats.md, "Patch dataset")."""
        head = f"{self.start:%Y%m}"
        return head if self.months == 1 else f"{head}p{self.months:02d}"

    @property
    def start_ms(self) -> int:
        """Milliseconds since 1970, the unit of system:time_start."""
        return _milliseconds(self.start)

    @property
    def end_ms(self) -> int:
        """Milliseconds since 1970, exclusive."""
        return _milliseconds(self.end)

    def __str__(self) -> str:
        whole_month = self.months == 1 and self.start.day == 1 and self.end.day == 1
        last = date.fromordinal(self.end.toordinal() - 1)
        return f"{self.start:%Y-%m}" if whole_month else f"{self.start}..{last}"


def begun(period: Period) -> Period:
    """The period itself; ValueError where its first day is still to come."""
    today = datetime.now(UTC).date()
    if period.start > today:
        raise ValueError(f"period {period} lies in the future (today is {today}): choose {today:%Y-%m} or earlier")
    return period


@dataclass(frozen=True)
class Month:
    """A calendar month, the usual period of a composite; printed as 2019-06."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not 1 <= self.month <= 12:
            raise ValueError(f"month {self.month} of {self.year}: expected 1 to 12")

    @classmethod
    def parse(cls, text: str) -> Month:
        """The month of a text such as `2019-06`; ValueError quotes any other text."""
        try:
            year, month = text.split("-")
            named = cls(int(year), int(month))
        except ValueError as error:
            raise ValueError(
                f"month {text!r}: expected YYYY-MM with a month of 1 to 12, for example 2019-06"
            ) from error
        if named.year < 100:
            raise ValueError(f"month {text!r} has a year of two digits: did you mean {2000 + named.year}-{month}?")
        return named

    @property
    def period(self) -> Period:
        """The month's days."""
        return Period(_first_day(self.year, self.month), _first_day(self.year, self.month + 1))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


def _first_day(year: int, month: int) -> date:
    """First day of the month counted from that year's January (0: the December before, 13: the January after)."""
    if not 1 < year < 9999:
        raise ValueError(f"year {year}: Sentinel-1 begins {SENTINEL1_START}")
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def _iso(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"date {text!r}: expected YYYY-MM-DD") from error


def _milliseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
