"""StructuralChangeBreakpoints against all partitions of a short series, and on series whose breaks are known."""

from __future__ import annotations

from itertools import combinations, pairwise

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.raster.structural_change import _errors, _partition, breaks
from tests.local_ee.support.evaluating import pixels, value
from tests.local_ee.support.scenes import utm

pytestmark = pytest.mark.usefixtures("session")

DAYS = np.arange(0, 365.25 * 8, 30.0) + 10_957
YEARS = DAYS / 365.25
BREAK = 55
CENTRE = utm(1, 2)


def series(noise: float = 0.01) -> np.ndarray:
    """A trend and a season until the break, another trend and season after it."""
    before = 0.3 + 0.02 * (YEARS - 30) + 0.1 * np.cos(2 * np.pi * YEARS)
    after = 0.7 - 0.01 * (YEARS - 30) + 0.05 * np.sin(2 * np.pi * YEARS)
    return np.where(np.arange(len(YEARS)) < BREAK, before, after) + np.random.default_rng(3).normal(
        0, noise, len(YEARS)
    )


def line(count: int) -> np.ndarray:
    return np.column_stack([np.ones(count), np.arange(count)])


def squares(table: np.ndarray, numbers: np.ndarray) -> float:
    return float(((numbers - table @ np.linalg.lstsq(table, numbers, rcond=None)[0]) ** 2).sum())


def test_errors_of_segments_are_those_of_least_squares():
    numbers, table = np.random.default_rng(1).normal(size=14), line(14)
    errors = _errors(table, numbers, 4)
    for first, last in combinations(range(14), 2):
        expected = squares(table[first : last + 1], numbers[first : last + 1]) if last - first >= 3 else np.inf
        assert errors[first, last] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_partition_is_the_best_of_all(number):
    numbers, table = np.random.default_rng(2).normal(size=16), line(16)
    errors = _errors(table, numbers, 4)

    def total(starts: tuple[int, ...]) -> float:
        edges = [0, *starts, 16]
        return sum(squares(table[a:b], numbers[a:b]) for a, b in pairwise(edges))

    every = [
        s for s in combinations(range(4, 13), number) if all(b - a >= 4 for a, b in zip((0, *s), (*s, 16), strict=True))
    ]
    assert total(tuple(_partition(errors, 4, number))) == pytest.approx(min(map(total, every)), rel=1e-8)


def test_the_number_of_breaks_is_that_of_the_least_bic():
    """strucchange: BIC = -2 log L + log(n) (terms + 1) (segments)."""
    numbers, table = np.repeat([0.0, 3.0, 1.0], 8) + np.random.default_rng(4).normal(0, 0.5, 24), np.ones((24, 1))
    errors, levels = _errors(table, numbers, 4), []
    for number in range(5):
        edges = [0, *_partition(errors, 4, number), 24]
        total = sum(numbers[a:b].var() * (b - a) for a, b in pairwise(edges))
        levels.append(24 * (np.log(total / 24) + 1 + np.log(2 * np.pi)) + np.log(24) * 2 * (number + 1))
    assert len(breaks(table, numbers, 4, 9)) == int(np.argmin(levels)) == 2
    assert breaks(table, numbers, 4, 9) == [8, 16]


def test_there_are_no_more_breaks_than_asked_for():
    numbers = np.repeat([0.0, 3.0, 1.0], 8)
    assert len(breaks(np.ones((24, 1)), numbers, 4, 1)) == 1


def test_an_exact_line_has_no_break():
    assert breaks(line(20), 3 + 0.5 * np.arange(20), 4, 9) == []


# Through the client


def collection() -> ee.ImageCollection:
    return ee.ImageCollection([
        ee.Image([number, 1 - number]).rename(["a", "b"]).set("system:time_start", day * 86_400_000)
        for day, number in zip(DAYS, series().tolist(), strict=True)
    ])  # fmt: skip


def image(**options) -> ee.Image:
    run = ee.Algorithms.TemporalSegmentation.StructuralChangeBreakpoints
    return run(collection(), **({"breakpointBand": "a", "seasonalModelOrder": 1} | options))


def first(image: ee.Image, band: int) -> np.ndarray:
    return pixels(image, grid=CENTRE, band=band)[0, 0]


def test_the_bands_are_the_documented_ones():
    """A: "two bands, plus two bands per band in the input"."""
    bands = [(band.name, band.type.dimensions) for band in value(image()).bands]
    assert bands == [
        ("tStart", 1), ("tEnd", 1), ("coefs_a", 2), ("coefs_b", 2), ("rmse_a", 1), ("rmse_b", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("date_format", "time"), [(1, YEARS), (2, DAYS * 86_400_000)])
def test_segments_begin_and_end_with_their_images(date_format, time):
    """A dateFormat: "365.25-day years since 1 Jan 1970", or milliseconds."""
    segmented = image(dateFormat=date_format)
    assert first(segmented, 0) == pytest.approx(time[[0, BREAK]], rel=1e-12)
    assert first(segmented, 1) == pytest.approx(time[[BREAK - 1, -1]], rel=1e-12)


@pytest.mark.parametrize(("date_format", "time"), [(1, YEARS), (2, DAYS * 86_400_000)])
def test_coefficients_are_those_of_each_segment(date_format, time):
    """A: Y = A + B t + C cos(2 pi season(t)) + D sin(2 pi season(t))."""
    coefficients = first(image(dateFormat=date_format), 2)
    season = 2 * np.pi * YEARS
    table = np.column_stack([np.ones(len(time)), time, np.cos(season), np.sin(season)])
    for row, part in zip(coefficients, (slice(0, BREAK), slice(BREAK, None)), strict=True):
        scale = np.abs(table[part]).max(axis=0)
        fit = np.linalg.lstsq(table[part] / scale, series()[part], rcond=None)[0] / scale
        assert table[part] @ row == pytest.approx(table[part] @ fit, abs=1e-7)


def test_other_bands_are_fitted_in_the_same_segments():
    a, b = first(image(), 2), first(image(), 3)
    assert b[:, 1:] == pytest.approx(-a[:, 1:], abs=1e-7) and b[:, 0] == pytest.approx(1 - a[:, 0], abs=1e-6)


def test_rmse_is_the_noise():
    assert first(image(), 4) == pytest.approx([0.01, 0.01], rel=0.3)


def test_a_pixel_with_too_few_images_is_masked():
    masked = collection().map(lambda each: each.updateMask(each.date().millis().lt(DAYS[10] * 86_400_000)))
    run = ee.Algorithms.TemporalSegmentation.StructuralChangeBreakpoints(masked, "a", 1)
    assert not value(run).read(CENTRE).masks[0].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"breakpointBand": None}, "may be left out only"),
        ({"breakpointBand": "c"}, "there is no band 'c'"),
        ({"minSpacing": 0}, "minSpacing must be positive"),
        ({"minSpacing": 4}, "minSpacing is 4 of 98 images: the model's 4 terms"),
        ({"maxBreaks": -1}, "maxBreaks must not be negative"),
        ({"dateFormat": 0}, "dateFormat must be 1 or 2"),
        ({"seasonalModelOrder": 11, "minSpacing": 40}, "seasonalModelOrder must be 0 to 10"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(EngineError, match=words):
        value(image(**options))
