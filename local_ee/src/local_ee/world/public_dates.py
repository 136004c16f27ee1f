"""When the images of a public collection begin, and how their ids say it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local_ee.world.public_facts import AssetFacts

_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_DAY_S, _DAY_OR_TWO, _ONCE_DAYS = 86_400, 2, 400  # a collection without a step that is shorter than this has one image
_UNDERSCORED = ("MODIS/", "NASA/VIIRS/", "NOAA/VIIRS/001/", "NOAA/VIIRS/002/", "OREGONSTATE/", "UCSB-CHG/CHIRTS/")
_FORMS = {"minute": "%Y%m%d%H%M%S", "hour": "%Y%m%dT%H", "month": "%Y%m", "year": "%Y"}
_DIGITS = (
    (r"\d{4}_\d{2}_\d{2}", "%Y_%m_%d"),
    (r"\d{8}_\d{4}", "%Y%m%d_%H%M"),
    (r"\d{8}_\d{4}z", "%Y%m%d_%H%Mz"),
    (r"\d{10}", "%Y%m%d%H"),
    (r"\d{8}", "%Y%m%d"),
    (r"\d{4}_\d{2}", "%Y_%m"),
    (r"\d{6}", "%Y%m"),
    (r"\d{4}", "%Y"),
)


@dataclass(frozen=True)
class Steps:
    """Moments at equal steps of seconds or months; `restart` begins them again each year, as MODIS does."""

    start: datetime
    end: datetime
    seconds: int = 0
    months: int = 0
    restart: bool = False

    def number(self, moment: datetime) -> int:
        """How many steps begin before a moment, counted from the start's own origin."""
        if self.months:
            months = _months(moment) - _months(self.start) + (moment > _month(_months(moment)))
            return math.ceil(months / self.months)
        if not self.restart:
            return math.ceil((moment - self.start).total_seconds() / self.seconds)
        within = math.ceil((moment - _year(moment.year)).total_seconds() / self.seconds)
        return (moment.year - self.start.year) * self._yearly + min(within, self._in_year(moment.year))

    def moment(self, number: int) -> datetime | None:
        """The beginning of a step; None for the number of a step that its year does not have."""
        if self.months:
            return _month(_months(self.start) + number * self.months)
        if not self.restart:
            return self.start + timedelta(seconds=number * self.seconds)
        years, within = divmod(number, self._yearly)
        year = self.start.year + years
        return _year(year) + timedelta(seconds=within * self.seconds) if within < self._in_year(year) else None

    @property
    def _yearly(self) -> int:
        return math.ceil(366 * _DAY_S / self.seconds)

    def _in_year(self, year: int) -> int:
        return math.ceil((_year(year + 1) - _year(year)).total_seconds() / self.seconds)


def steps_of(asset: AssetFacts) -> Steps:
    """The steps of a collection; of one that the catalog gives none, a year, or all of a short time."""
    unit, count = asset.unit, asset.count
    if unit == "year" and asset.end - asset.start < timedelta(days=_DAY_OR_TWO):
        return Steps(asset.start, asset.end, seconds=_DAY_S)  # one image, which need not begin with a month
    if not unit:
        short = (asset.end - asset.start).days <= _ONCE_DAYS and not asset.goes_on
        unit, count = ("year", 1 if not short else 100)
    if unit in ("month", "year"):
        return Steps(asset.start, asset.end, months=count * (12 if unit == "year" else 1))
    seconds = count * _SECONDS.get(unit, _DAY_S)
    return Steps(asset.start, asset.end, seconds=seconds, restart=seconds > _DAY_S)


def begins(asset: AssetFacts, first: datetime, last: datetime) -> list[datetime]:
    """When the images of a collection begin, from first to before last.

    Assumption: steps of several days begin again each year, as those of MODIS do.
    """
    return list(Moments(asset, first, last))


class Moments:
    """The beginnings of a collection's images from first to before last: counted without being listed."""

    def __init__(self, asset: AssetFacts, first: datetime, last: datetime) -> None:
        self._steps = steps_of(asset)
        end = asset.end + timedelta(seconds=1)
        if asset.is_climate:
            end = min(end, asset.start + timedelta(days=365))
        self._first, self._last = max(first, _origin(asset, self._steps)), min(last, end)

    def __iter__(self) -> Iterator[datetime]:
        if self._first >= self._last:
            return
        for step in range(self._steps.number(self._first), self._steps.number(self._last)):
            moment = self._steps.moment(step)
            if moment is not None and self._first <= moment < self._last:
                yield moment

    def __len__(self) -> int:
        if self._first >= self._last:
            return 0
        if self._steps.restart:
            return sum(1 for _ in self)
        return max(0, self._steps.number(self._last) - self._steps.number(self._first))


def _origin(asset: AssetFacts, steps: Steps) -> datetime:
    """Where steps begin: those of years with the start's month (assumption), others with the start."""
    return _month(_months(asset.start)) if steps.months >= 12 else asset.start


def _months(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _year(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)


def index_form(asset: AssetFacts) -> str:
    """The form of system:index, for strftime: that of an index that scripts use (else an assumption)."""
    if asset.is_climate:
        return "%m"
    for index in asset.indices:
        for digits, form in _DIGITS:
            parts = re.fullmatch(rf"([A-Za-z_-]*)({digits})", index)
            if parts:
                return f"{parts[1]}{form}"
    if asset.id.startswith(_UNDERSCORED):
        return "%Y_%m_%d"
    return _FORMS.get(asset.unit or "year", "%Y%m%d")


def moment_of(asset: AssetFacts, index: str) -> datetime | None:
    """When the image of an index begins: a step whose index it is, or None."""
    form = index_form(asset)
    try:
        moment = datetime.strptime(index, form).replace(tzinfo=UTC)
    except ValueError:
        return None
    if asset.is_climate:
        moment = moment.replace(year=asset.start.year + (moment.month < asset.start.month))
    span = timedelta(days=366 if "%m" not in form else 31 if "%d" not in form else 1)
    near = Moments(asset, moment, moment + span)
    return next((each for each in near if each.strftime(form) == index), None)


def date_in(index: str) -> datetime | None:
    """The day that an index names by eight digits, or by a year; None where it names none."""
    for text in re.findall(r"(?<!\d)(?:19|20)\d{6}", index):
        try:
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
        except ValueError:
            continue
    years = re.findall(r"(?<!\d)((?:19|20)\d{2})(?!\d)", index)
    return _year(int(years[-1])) if years else None


def step_end(asset: AssetFacts, moment: datetime) -> datetime:
    """The end of an image's time."""
    steps = steps_of(asset)
    if steps.months:
        return asset.end if steps.months >= 1200 else _month(_months(moment) + steps.months)
    return moment + timedelta(seconds=steps.seconds)
