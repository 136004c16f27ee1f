"""Verdet against the exact solution of its smoothing, and on series whose segments are known."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import optimize

from local_ee.errors import EngineError
from local_ee.raster import verdet
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

YEARS = np.arange(1985, 2015)
CLEARED = np.interp(YEARS, [1985, 2000, 2001, 2014], [0.8, 0.8, 0.3, 0.69])  # cleared in 2001, and growing


def slopes(series: np.ndarray, **options) -> np.ndarray:
    return verdet.slopes(series, **({"alpha": 1 / 30, "tolerance": 1e-4, "rounds": 100} | options))


def changes_of_slope(count: int) -> np.ndarray:
    """[change, value]: of the differences of values of which the first is that of the first value to 0."""
    return np.diff(np.diff(np.eye(count), axis=0, prepend=0), axis=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.003, 1 / 30, 0.3])
def test_the_smoothed_series_has_the_least_total_variation_of_its_slope(seed, alpha):
    """The dual of 1/2 |v - f|^2 + alpha |S v|: a least squares with bounds, whose solution is exact."""
    series = CLEARED + np.random.default_rng(seed).normal(0, 0.05, len(YEARS))
    own, turns = series - series[0], changes_of_slope(len(series))
    dual = optimize.lsq_linear(turns.T, own, bounds=(-alpha, alpha), tol=1e-12)
    exact = series[0] + own - turns.T @ dual.x
    assert verdet._smoothed(series, alpha, 0.0, 3000) == pytest.approx(exact, abs=5e-4)


def test_slopes_of_straight_segments_are_exact():
    assert slopes(CLEARED) == pytest.approx(np.diff(CLEARED, prepend=0.8), abs=1e-9)


def test_a_clearing_is_negative_in_its_year_and_growth_positive_after_it():
    """A: "Negative values indicate disturbance and positive values regeneration"."""
    noisy = slopes(CLEARED + np.random.default_rng(3).normal(0, 0.02, len(YEARS)))
    assert YEARS[noisy.argmin()] == 2001 and noisy.min() < -0.4
    assert (noisy[YEARS > 2002] > 0).all() and np.abs(noisy[(YEARS > 1986) & (YEARS < 2000)]).max() < 0.01


def test_a_series_that_does_not_change_has_slope_zero():
    assert slopes(np.full(30, 0.7)) == pytest.approx(np.zeros(30), abs=1e-12)


def test_a_line_is_one_segment():
    line = np.linspace(0.2, 0.8, 30) + np.random.default_rng(2).normal(0, 0.01, 30)
    fit = np.polyfit(np.arange(30), line, 1)[0]
    assert slopes(line)[1:] == pytest.approx(np.full(29, fit))


def test_segments_are_the_least_squares_between_their_vertices():
    series = CLEARED + np.random.default_rng(5).normal(0, 0.02, len(YEARS))
    own = slopes(series)
    corners = [0, *np.flatnonzero(np.abs(np.diff(own[1:])) > 1e-9) + 1, len(YEARS) - 1]
    hats = np.stack([np.interp(np.arange(30), corners, np.eye(len(corners))[k]) for k in range(len(corners))], axis=1)
    fit = hats @ np.linalg.lstsq(hats, series, rcond=None)[0]
    assert 2 < len(corners) < 10 and own[1:] == pytest.approx(np.diff(fit), abs=1e-9)


def test_an_offset_changes_no_slope():
    series = CLEARED + np.random.default_rng(5).normal(0, 0.02, len(YEARS))
    assert slopes(series + 0.15) == pytest.approx(slopes(series), abs=1e-9)


def test_more_regularisation_makes_fewer_segments():
    noisy = CLEARED + np.random.default_rng(6).normal(0, 0.08, len(YEARS))
    counts = [np.count_nonzero(np.abs(np.diff(slopes(noisy, alpha=alpha)[1:])) > 1e-9) for alpha in (0.001, 0.1, 10)]
    assert counts[0] > counts[1] > counts[2]


def test_negative_values_count_as_nearly_zero():
    below = np.where(YEARS < 2000, 0.6, -0.9)
    assert slopes(below) == pytest.approx(slopes(np.where(YEARS < 2000, 0.6, 1e-5)))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_short_series_has_a_slope_for_each_image(count):
    assert slopes(np.linspace(0.5, 0.4, count)) == pytest.approx([0] + [-0.1 / (count - 1)] * (count - 1))


# Through the client


def collection(numbers: np.ndarray = CLEARED) -> ee.ImageCollection:
    return ee.ImageCollection([
        ee.Image(number).rename("nbr").set("system:time_start", ee.Date.fromYMD(year, 7, 1).millis())
        for year, number in zip(YEARS.tolist(), numbers.tolist(), strict=True)
    ])  # fmt: skip


def run(images: ee.ImageCollection | None = None, **options) -> ee.Image:
    return ee.Algorithms.TemporalSegmentation.Verdet(images or collection(), **options)


def test_the_band_is_an_array_with_one_axis():
    assert [(band.name, band.type.dimensions) for band in value(run()).bands] == [("score", 1)]


def test_an_array_has_a_score_for_each_image():
    """geeViz cuts the first element off, and has the years from the second on."""
    score = pixels(run())[0, 0]
    assert score == pytest.approx(np.diff(CLEARED, prepend=0.8), abs=1e-9) and score[0] == 0


def test_images_may_come_in_any_order():
    assert pixels(run(collection().sort("system:time_start", False)))[0, 0] == pytest.approx(pixels(run())[0, 0])


def test_the_defaults_are_googles():
    noisy = CLEARED + np.random.default_rng(3).normal(0, 0.05, len(YEARS))
    assert pixels(run(collection(noisy)))[0, 0] == pytest.approx(slopes(noisy), abs=1e-12)


def test_a_pixel_that_an_image_masks_is_masked():
    masked = collection().map(lambda image: image.updateMask(image.date().get("year").neq(1990)))
    assert not value(run(masked)).read(utm(1, 2)).masks[0].any()


def test_a_pixel_does_not_depend_on_the_window():
    catalog = Scenes((Scene("C/a", utm(12, 12), {"x": ("uint16", 10)}, seed=3),))
    noise = ee.Image("C/a").mod(17).divide(100)
    image = run(collection().map(lambda each: each.add(noise).copyProperties(each, ["system:time_start"])))
    whole, part = pixels(image, catalog, utm(6, 8)), pixels(image, catalog, utm(2, 3, top=3_399_980, left=300_030))
    assert all(part[r, c].tolist() == whole[r + 2, c + 3].tolist() for r in range(2) for c in range(3))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: run(collection().limit(0)), "collection is empty"),
        (lambda: run(collection().limit(1)), "has 1 images: VeRDET takes 2 to"),
        (lambda: run(collection().merge(collection().limit(1))), "Two images are of 1985"),
        (lambda: run(collection().map(lambda image: image.addBands(1))), "of one band"),
        (lambda: run(alpha=-1), "alpha and tolerance must not be negative"),
        (lambda: run(tolerance=-1), "alpha and tolerance must not be negative"),
        (lambda: run(nRuns=0), "nRuns must be 1 to"),
    ],
)
def test_what_is_no_yearly_series_is_refused(image, words):
    with pytest.raises(EngineError, match=words):
        info(image())
