"""C2c on series whose changes are known, and its segmentation against one that computes every error anew each time."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.raster import c2c
from local_ee.raster.c2c import METRICS, Rules
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

YEARS = np.arange(1985, 2021.0)
BURNT = np.interp(YEARS, [1985, 2000, 2001, 2020], [0.7, 0.68, 0.1, 0.65])
CORNERS = [1985, 2000, 2001, 2020]
MIDSUMMER = [np.datetime64(f"{year:.0f}-07-01") for year in YEARS]
DATES = 1970 + (np.array(MIDSUMMER) - np.datetime64("1970-01-01")).astype(int) / 365.25


def table(series: np.ndarray, times: np.ndarray = YEARS, **rules) -> dict[str, np.ndarray]:
    """Metrics by name; without infill, which changes the last value."""
    result = c2c.changes(times, series, Rules(**({"infill": False} | rules)))
    assert result is not None
    return dict(zip(METRICS, result, strict=True))


def noisy(seed: int, size: float = 0.02) -> np.ndarray:
    return BURNT + np.random.default_rng(seed).normal(0, size, len(YEARS))


def vertices_one_by_one(series: np.ndarray, error: float, most: int) -> list[int]:
    """Bottom-up merging (Keogh et al. 2001) that computes all errors again after every merge."""
    vertices = list(range(len(series)))
    while len(vertices) > 2:
        costs = []
        for before, after in zip(vertices, vertices[2:], strict=False):
            span = np.arange(before, after + 1)
            away = series[span] - np.interp(YEARS[span], YEARS[[before, after]], series[[before, after]])
            costs.append(np.sqrt(np.sum(away**2) / (after - before)))
        least = int(np.argmin(costs))
        if costs[least] >= error and len(vertices) - 1 <= most:
            break
        del vertices[least + 1]
    return vertices


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("error", "most"), [(0.075, 6), (0.02, 6), (0.02, 30), (0.0, 3)])
def test_the_segments_are_those_of_merging_one_by_one(seed, error, most):
    series = noisy(seed)
    own = c2c._vertices(YEARS, series, error, most)
    assert own.tolist() == vertices_one_by_one(series, error, most)


def test_the_vertices_of_straight_segments_are_found():
    changes = table(BURNT)
    assert changes["changeDate"].tolist() == CORNERS and changes["value"] == pytest.approx([0.7, 0.68, 0.1, 0.65])


@pytest.mark.parametrize("seed", range(6))
def test_noise_moves_no_vertex_of_a_fire(seed):
    assert {2000, 2001} <= set(table(noisy(seed))["changeDate"])


def test_there_are_no_more_segments_than_asked_for():
    assert [len(table(noisy(1, 0.2), error=0.0, segments=most)["value"]) for most in (1, 3, 8)] == [2, 4, 9]


def test_a_series_that_does_not_change_is_one_segment_without_magnitude():
    changes = table(np.full(len(YEARS), 0.5))
    assert changes["changeDate"].tolist() == [1985, 2020] and changes["magnitude"][1] == 0


def test_a_change_has_what_lies_before_it():
    """A: magnitude, duration and rate of the segment before; "The first magnitude is always NaN"."""
    changes = table(BURNT)
    assert changes["magnitude"] == pytest.approx([np.nan, -0.02, -0.58, 0.55], nan_ok=True)
    assert changes["duration"] == pytest.approx([np.nan, 15, 1, 19], nan_ok=True)
    assert changes["rate"] == pytest.approx([np.nan, -0.02 / 15, -0.58, 0.55 / 19], nan_ok=True)


def test_a_change_has_what_lies_after_it():
    """A: "The last postMagnitude is always NaN"."""
    changes = table(BURNT)
    for after, before in (("postMagnitude", "magnitude"), ("postDuration", "duration"), ("postRate", "rate")):
        assert changes[after] == pytest.approx([*changes[before][1:], np.nan], nan_ok=True)


def test_regrowth_is_that_of_five_values_later():
    """A: "between the value at the change date and the value five data points after", and its ratio to magnitude."""
    changes = table(BURNT)
    step = 0.55 / 19
    assert changes["indexRegrowth"][2] == pytest.approx(5 * step)
    assert changes["recoveryIndicator"][2] == pytest.approx(5 * step / -0.58)
    assert np.isnan(changes["indexRegrowth"][[0, 3]]).all()


@pytest.mark.parametrize(("metric", "share"), [("regrowth60", 0.6), ("regrowth80", 0.8), ("regrowth100", 1.0)])
def test_regrowth_counts_the_years_to_a_share_of_the_value_before(metric, share):
    high = np.interp(YEARS, [1985, 2000, 2001, 2020], [0.5, 0.5, 0.1, 0.575])  # 0.025 a year
    assert table(high)[metric][2] == np.ceil(round((share * 0.5 - 0.1) / 0.025, 9))


def test_a_share_that_is_never_reached_is_nan():
    changes = table(BURNT)
    assert np.isnan(changes["regrowth100"]).all() and changes["regrowth80"][2] > changes["regrowth60"][2] > 0


def test_relative_regrowth_is_a_share_of_the_loss():
    """A: useRelativeRegrowth. From 0.1 back by 60 % of a loss of 0.4 is 0.34; in absolute terms 0.3 is enough."""
    high = np.interp(YEARS, [1985, 2000, 2001, 2020], [0.5, 0.5, 0.1, 0.575])
    assert table(high, is_relative=True)["regrowth60"][2] == 10 and table(high)["regrowth60"][2] == 8


def test_regrowth_is_that_of_the_segments_or_of_the_values():
    """A: interpolateRegrowth."""
    dipped = BURNT.copy()
    dipped[YEARS == 2006] += 0.05
    step = 0.55 / 19
    assert table(dipped)["indexRegrowth"][2] == pytest.approx(5 * step)
    assert table(dipped, is_interpolated=False)["indexRegrowth"][2] == pytest.approx(5 * step + 0.05)


def test_only_losses_can_be_asked_for():
    """A: negativeMagnitudeOnly."""
    assert table(BURNT, losses_only=True)["changeDate"].tolist() == [2000, 2001]
    assert table(np.linspace(0.1, 0.8, 36), losses_only=True)["changeDate"].tolist() == []


def test_a_spike_between_values_that_are_alike_is_taken_out():
    """A: spikesTolerance, "A value of 1 indicates no spike removal"."""
    spiked = BURNT.copy()
    spiked[YEARS == 1993] -= 0.3
    assert table(spiked)["changeDate"].tolist() == CORNERS
    assert 1993 in table(spiked, spikes=1.0)["changeDate"]


@pytest.mark.parametrize(("size", "stays"), [(0.28, False), (0.32, True)])
def test_a_spike_below_the_size_stays(size, stays):
    """A: spikeRemovalMagnitude, the "absolute difference from the average of neighbors"."""
    spiked = BURNT.copy()
    spiked[YEARS == 1993] -= 0.3
    assert (1993 in table(spiked, spike_size=size)["changeDate"]) == stays


@pytest.mark.parametrize(("after", "stays"), [(0.1, False), (0.2, True)])
def test_neighbours_that_differ_by_more_than_a_share_of_the_spike_keep_it(after, stays):
    """A tolerance of 0.85: by less than 15 % of it."""
    values = np.array([0, 1, after])
    c2c._despike(values, 0.85, 0.1)
    assert (values[1] == 1) == stays


@pytest.mark.parametrize(
    ("series", "filled"),
    [
        ([1, 1.1, 0, 3, 9, 9.5], 1.1),  # the left side changes less
        ([1, 5, 0, 3, 3.1, 9], 3),  # the right side
        ([0, 2, 3, 4, 5, 6], 2),  # nothing on the left
        ([2, 0, 3, 4, 5, 6], 3),  # one value on the left only
        ([1, 2, 3, 0, 5, 5], 5),
        ([1, 2, 3, 4, 0, 9], 9),  # one value on the right only
        ([1, 2, 3, 4, 0, 0], 4),
    ],
)
def test_a_gap_takes_the_value_beside_it_on_the_side_that_changes_less(series, filled):
    values = np.array(series, float)
    gap = int(np.flatnonzero(values == 0)[0])
    c2c._fill(values)
    assert values[gap] == filled


def test_a_last_value_that_changes_more_than_the_one_before_is_none():
    values = np.array([1, 2, 2.5, 4])
    c2c._fill(values)
    assert values.tolist() == [1, 2, 2.5, 2.5]


def test_a_series_of_two_values_has_no_changes():
    assert c2c.changes(YEARS[:4], np.array([0.5, 0, 0, 0.4]), Rules()) is None


def test_scaling_values_and_limits_scales_the_changes():
    small, large = table(noisy(3)), table(1000 * noisy(3), error=75, spike_size=100)
    assert large["changeDate"].tolist() == small["changeDate"].tolist()
    assert large["magnitude"][1:] == pytest.approx(1000 * small["magnitude"][1:])


# Through the client


def collection(**changed: float | None) -> ee.ImageCollection:
    """Yearly images of the bands nbr and low (a tenth); changed: other values, by year (y1990=0)."""

    def image(year: float, number: float) -> ee.Image:
        value = changed.get(f"y{year:.0f}", number)
        bands = ee.Image([value or 0, (value or 0) / 10]).rename(["nbr", "low"])
        shown = bands if value is not None else bands.updateMask(0)
        return shown.set("system:time_start", ee.Date.fromYMD(year, 7, 1).millis())

    return ee.ImageCollection([image(year, number) for year, number in zip(YEARS, BURNT.tolist(), strict=True)])


def run(images: ee.ImageCollection | None = None, **options) -> ee.Image:
    return ee.Algorithms.TemporalSegmentation.C2c(images or collection(), **options)


def first(image: ee.Image, band: str) -> np.ndarray:
    return pixels(image.select(band), grid=utm(1, 2))[0, 0]


def test_the_bands_are_those_of_each_band():
    names = value(run()).band_names
    assert names[:8] == tuple(f"nbr_{metric}" for metric in (*c2c.CHANGES, *c2c.AFTER))
    assert names[8:] == tuple(f"low_{metric}" for metric in (*c2c.CHANGES, *c2c.AFTER))


def test_further_metrics_come_where_asked_for():
    """A: includePostMetrics, includeRegrowth."""
    names = value(run(collection().select(["nbr"]), includePostMetrics=False, includeRegrowth=True)).band_names
    assert names == tuple(f"nbr_{metric}" for metric in (*c2c.CHANGES, *c2c.REGROWTH))


@pytest.mark.parametrize(("date_format", "unit"), [(0, 365.25), (1, 1.0), (2, 365.25 * 86_400_000)])
def test_dates_are_in_the_unit_asked_for(date_format, unit):
    duration = first(run(dateFormat=date_format), "nbr_duration")
    assert duration[1:] / unit == pytest.approx([15, 1, 19], abs=0.01)


def test_fractional_years_are_those_of_the_calendar():
    assert first(run(dateFormat=1), "nbr_changeDate") == pytest.approx(np.array(CORNERS) + 0.5, abs=0.01)


def test_an_image_has_the_changes_of_its_series():
    own = table(BURNT, DATES, infill=True)
    image = run(dateFormat=1, includeRegrowth=True)
    for metric in ("changeDate", "value", "magnitude", "postMagnitude", "indexRegrowth"):
        assert first(image, f"nbr_{metric}") == pytest.approx(own[metric], nan_ok=True)


def test_each_band_has_its_own_error():
    """A: maxErrorList."""
    image = run(maxErrorList=[10, 0.0001], infill=False)
    assert len(first(image, "nbr_value")) == 2 and len(first(image, "low_value")) == 4


def test_a_masked_year_is_filled_as_a_zero_is():
    """A: infill, "missing values (i.e., values equal to 0)"."""
    hole, zero = first(run(collection(y1993=None)), "nbr_value"), first(run(collection(y1993=0)), "nbr_value")
    assert hole == pytest.approx([0.7, 0.68, 0.1, 0.65], abs=0.03) and hole.tolist() == zero.tolist()


def test_without_infill_a_masked_year_is_left_out_and_a_zero_is_a_value():
    out = first(run(collection(y2001=None), infill=False, dateFormat=1), "nbr_changeDate")
    assert not (np.abs(out - 2001.5) < 0.2).any()
    zero = first(run(collection(y1993=0), infill=False, spikesTolerance=1), "nbr_value")
    assert 0 in zero


def test_a_pixel_without_three_values_is_masked_in_that_band():
    few = collection().map(lambda image: image.addBands(image.select("low").updateMask(0), None, True))
    read = value(run(few)).read(utm(1, 2))
    assert read.masks[0].all() and not read.masks[8].any()


def test_no_loss_is_an_empty_array():
    rising = collection().map(lambda image: image.multiply(-1).add(2).copyProperties(image, ["system:time_start"]))
    assert first(run(rising.limit(16), negativeMagnitudeOnly=True), "nbr_value").shape == (0,)


def test_arrays_with_nan_come_back_through_the_client():
    region = run().select("nbr_magnitude").reduceRegion(ee.Reducer.first(), ee.Geometry.Point([0, 0]), 1)
    magnitude = info(region)["nbr_magnitude"]
    assert len(magnitude) == 4 and magnitude[2] == pytest.approx(-0.58)


def test_a_pixel_does_not_depend_on_the_window():
    catalog = Scenes((Scene("C/a", utm(12, 12), {"x": ("uint16", 10)}, seed=3),))
    noise = ee.Image("C/a").mod(17).divide(100)
    series = (
        collection()
        .select("nbr")
        .map(lambda each: each.add(noise.multiply(each)).copyProperties(each, ["system:time_start"]))
    )
    image = run(series).select("nbr_value")
    whole, part = pixels(image, catalog, utm(6, 8)), pixels(image, catalog, utm(2, 3, top=3_399_980, left=300_030))
    assert all(part[r, c].tolist() == whole[r + 2, c + 3].tolist() for r in range(2) for c in range(3))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: run(dateFormat=3), "dateFormat must be 0, 1 or 2"),
        (lambda: run(maxSegments=0), "maxSegments must be 1 to"),
        (lambda: run(maxError=-1), "maxError must not be negative"),
        (lambda: run(maxErrorList=[1]), "maxErrorList has 1 numbers for 2 bands"),
        (lambda: run(spikesToleranceList=[1, 1, 1]), "spikesToleranceList has 3 numbers for 2 bands"),
        (lambda: run(spikesTolerance=1.5), "Tolerances of spikes must be 0 to 1"),
        (lambda: run(collection().merge(collection().limit(1))), "Two images are of one time"),
        (lambda: run(collection().limit(0)), "collection is empty"),
    ],
)
def test_what_is_no_series_is_refused(image, words):
    with pytest.raises(EngineError, match=words):
        info(image())
