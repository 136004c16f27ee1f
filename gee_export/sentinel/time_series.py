"""Statistics of the observations of a year, pixel by pixel, as a graph.

An observation counts where every band and index of it has a value, so that all statistics are of the same dates. The
harmonic is mean + a cos(w t) + b sin(w t), w one turn in 365.25 days and t from 1 January of the period's first year,
by least squares: sums over the dates, solved pixel by pixel, because a regression of arrays takes a server's memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING

from isamap.gee_export.base.regions import Period
from isamap.gee_export.datasets.manifest import NODATA
from isamap.gee_export.sentinel.scenes import Scene
from isamap.gee_export.sentinel.statistics import (
    COUNT,
    HARMONIC,
    INDICES,
    OBSERVATIONS,
    PASSES,
    PERCENTILE,
    PHASE_SCALE,
    PLAIN,
    SEASONS,
    Group,
    Statistics,
    joined,
)

if TYPE_CHECKING:
    import ee

YEAR_DAYS = 365.25
# Least determinant of the centred normal equations over the square of the dates' number: .25 for dates spread over the
# year, .02 for dates of five months in a row. Under it amplitude and phase have no value: they would be noise.
SPREAD = 0.02
_TERMS = ("cos", "sin", "coscos", "cossin", "sinsin")


def with_indices(image: ee.Image, bands: Sequence[str], statistics: Statistics) -> ee.Image:
    """A scene's bands and indices in stored numbers, where all of them have a value."""
    indices = [
        image.normalizedDifference(list(INDICES[name])).multiply(1e4).rename(name) for name in statistics.indices or ()
    ]
    series = image.select(list(bands))
    series = series.addBands(indices) if indices else series
    return whole(series)


def whole(image: ee.Image) -> ee.Image:
    """The image where all its bands have a value."""
    import ee

    # The least mask, not the product: partly covered pixels keep their share.
    return image.updateMask(image.mask().reduce(ee.Reducer.min()))


def in_season(images: ee.ImageCollection, season: str | None) -> ee.ImageCollection:
    """The images that begin in the months of a season, of whatever year."""
    import ee

    if season is None:
        return images
    # `calendarRange` goes over the new year where its first month is the later one, as DJF's is.
    return images.filter(ee.Filter.calendarRange(*SEASONS[season], "month"))


def belongs(scene: Scene, group: Group) -> bool:
    """Whether a scene is of the group's pass and season."""
    *passes, season = group
    if any(pass_ and scene.get("orbitProperties_pass") != PASSES[pass_] for pass_ in passes):
        return False
    # In UTC, as the server counts months: a scene of the last night must fall into the same season on both sides.
    month = datetime.fromtimestamp(scene.get("system:time_start") / 1000, UTC).month
    return season is None or month % 12 // 3 == SEASONS[season][0] % 12 // 3


def by_group(
    statistics: Statistics, sensor: str, groups: Sequence[Group], make: Callable[[Group], tuple[ee.Image, ee.Image]]
) -> tuple[ee.Image, ee.Image]:
    """The statistics of each season, pass or both, as `make` gives them with their numbers of dates; where asked for,
    these too, as `SENSOR_observations`; and the number of dates in all.
    """
    images, counts = [], []
    for group in groups:
        image, count = make(group)
        counts.append(count)
        images.append(image)
        if COUNT in statistics.statistics:
            images.append(count.rename(joined(sensor, *group, OBSERVATIONS)))
    return reduce(lambda all_, one: all_.addBands(one), images), reduce(lambda all_, one: all_.add(one), counts)


def summarised(
    images: ee.ImageCollection, sources: Sequence[str], group: Group, period: Period, statistics: Statistics
) -> tuple[ee.Image, ee.Image]:
    """The statistics of bands that are masked alike, `SOURCE_GROUP_statistic`, in their own numbers (phase: 1e-4 rad);
    and the number of dates.

    Without a value where there are fewer dates than statistics.least_dates, and where a number is too large to be
    stored: cut to the limit it would be another one.
    """
    names = [name for name in statistics.statistics if name != COUNT]
    plain = [name for name in names if name not in HARMONIC]
    series = images.select(list(sources))
    image = series.reduce(_reducer(plain))
    # Observations are whole (`whole`), so that the first source's count is everyone's.
    count = image.select(f"{sources[0]}_count").unmask(0, False)
    if len(plain) < len(names):
        image = image.addBands(_harmonic(series, sources, period, count))
    pairs = [(source, name) for source in sources for name in names]
    made = [joined(source, PLAIN.get(name, name)) for source, name in pairs]
    image = image.select(made, [joined(source, *group, name) for source, name in pairs]).toFloat()
    # int16 holds -32,767 to 32,767 beside the no-data value.
    storable = image.abs().lte(-NODATA - 1)
    # Masked and not clamped: a number cut to the limit would be another one.
    return image.updateMask(storable).updateMask(enough(count, statistics)), count


def enough(count: ee.Image, statistics: Statistics) -> ee.Image:
    """Where there are as many dates as a value needs."""
    return count.gte(statistics.least_dates)


def _reducer(names: Sequence[str]) -> ee.Reducer:
    """The plain statistics and the count, of one reading of the observations."""
    import ee

    reducers = [getattr(ee.Reducer, PLAIN[name])() for name in names if name in PLAIN]
    percents = [int(match[1]) for name in names if (match := PERCENTILE.fullmatch(name))]
    if percents:
        # Named outputs: the server's own names differ for one percentile and several.
        reducers.append(ee.Reducer.percentile(percents, [f"p{percent}" for percent in percents]))
    # One reading of the year for all statistics: reading it again would double the memory.
    return reduce(lambda all_, one: all_.combine(one, sharedInputs=True), [*reducers, ee.Reducer.count()])


def _harmonic(images: ee.ImageCollection, sources: Sequence[str], period: Period, count: ee.Image) -> ee.Image:
    """SOURCE_amplitude and SOURCE_phase of every source.

    The fitted curve is highest at phase / (2 pi) of a year after 1 January; phase is above -pi and up to pi.
    """
    import ee

    # Eight sums a source stay, however many dates there are: no array of the series is held.
    sums = images.map(lambda image: _products(image, sources, period)).sum()
    cos, sin, coscos, cossin, sinsin = (sums.select(name) for name in _TERMS)
    value, value_cos, value_sin = (sums.select([joined(source, of) for source in sources]) for of in ("y", "yc", "ys"))
    cc, cs, ss = _centred(coscos, cos, cos, count), _centred(cossin, cos, sin, count), _centred(sinsin, sin, sin, count)
    yc, ys = _centred(value_cos, value, cos, count), _centred(value_sin, value, sin, count)
    # Cramer's rule on the centred sums: two unknowns need no matrix.
    determinant = cc.multiply(ss).subtract(cs.pow(2))
    solvable = determinant.gte(count.pow(2).multiply(SPREAD))
    a = yc.multiply(ss).subtract(ys.multiply(cs)).divide(determinant)
    b = ys.multiply(cc).subtract(yc.multiply(cs)).divide(determinant)
    amplitude = a.hypot(b).rename([joined(source, "amplitude") for source in sources])
    # a.atan2(b) is the angle of the vector (a, b): x comes first (apidocs ee-image-atan2)
    phase = a.atan2(b).divide(PHASE_SCALE).rename([joined(source, "phase") for source in sources])
    return ee.Image(amplitude.addBands(phase).updateMask(solvable))


def _products(image: ee.Image, sources: Sequence[str], period: Period) -> ee.Image:
    """The terms of the normal equations, double: the sums are of hundreds of numbers of which small ones remain."""
    import ee

    january = ee.Date(f"{period.start.year}-01-01")
    angle = image.date().difference(january, "day").multiply(2 * math.pi / YEAR_DAYS)
    cos, sin = angle.cos(), angle.sin()
    waves = [cos, sin, cos.multiply(cos), cos.multiply(sin), sin.multiply(sin)]
    # The band's own mask: a date without a value must not count in the sums of cosines either.
    terms = ee.Image.constant(waves).toDouble().rename(list(_TERMS)).updateMask(image.select([0]).mask())
    values = image.toDouble()
    named = {"y": values, "yc": values.multiply(ee.Image.constant(cos)), "ys": values.multiply(ee.Image.constant(sin))}
    return terms.addBands([of.rename([joined(source, name) for source in sources]) for name, of in named.items()])


def _centred(products: ee.Image, left: ee.Image, right: ee.Image, count: ee.Image) -> ee.Image:
    return products.subtract(left.multiply(right).divide(count))
