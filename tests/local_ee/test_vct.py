"""VCT on series whose forest history is known, and its steps against the paper's rules in another form."""

from __future__ import annotations

import re
from itertools import groupby

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.raster import vct
from local_ee.raster.vct import DNBR, NDVI, THERMAL, Rules
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import utm

pytestmark = pytest.mark.usefixtures("session")

YEARS = np.arange(1990, 2010)
CLEAR, CLOUD, WATER = 7, 1, 6
FOREST_SCORE = 1.0


def scores(composite: np.ndarray, *, ndvi: float = 0.8) -> np.ndarray:
    """Scores whose bands follow the composite, with NDVI and dNBR that fall where it rises."""
    table = np.tile(np.asarray(composite, float), (8, 1))
    table[NDVI] = ndvi - 0.05 * (composite - FOREST_SCORE)
    table[DNBR] = 0.6 - 0.04 * (composite - FOREST_SCORE)
    table[THERMAL] = 2.0
    return table


def history(composite: np.ndarray, cover: np.ndarray | None = None, **options) -> np.ndarray:
    ndvi = {"ndvi": options.pop("ndvi")} if "ndvi" in options else {}
    covers = np.full(len(composite), CLEAR) if cover is None else cover
    return vct.tracked(scores(composite, **ndvi), covers, Rules(**options))


def with_years(**changed: float) -> np.ndarray:
    """The composite of a forest, between 1 and 1.1, with other values in some years (y1995=8)."""
    return np.array([changed.get(f"y{year}", FOREST_SCORE + year % 2 / 10) for year in YEARS])


CLEARED = with_years(y1998=10, y1999=11, y2000=9, y2001=7, y2002=6, y2003=5)


def test_a_forest_that_stays_is_class_2_without_sizes():
    result = history(with_years())
    assert (result[0] == vct.FOREST).all() and (result[1:] == -1).all()


def test_scores_far_above_forest_are_no_forest():
    """A: maxUd, "Maximum Z-score composite value for detecting forest"."""
    assert (history(with_years() + 3.5)[0] == vct.NON_FOREST).all()
    assert (history(with_years() + 3.5, most_score=5.0)[0] == vct.FOREST).all()


def test_little_green_is_no_forest():
    """A: minNdvi."""
    assert (history(with_years(), ndvi=0.4)[0] == vct.NON_FOREST).all()
    assert (history(with_years(), ndvi=0.4, least_ndvi=0.3)[0] == vct.FOREST).all()


def test_water_through_the_years_is_class_4():
    assert (history(with_years(), np.full(20, WATER))[0] == vct.PERMANENT_WATER).all()


def test_shadows_are_no_water():
    assert (history(with_years(), np.full(20, vct.SHADOW))[0] != vct.PERMANENT_WATER).all()


def test_a_clearing_is_found_in_its_year_with_the_years_after_it():
    classes = history(CLEARED)[0]
    expected = [5 if year < 1998 or year > 2003 else 6 if year == 1998 else 7 for year in YEARS]
    assert classes.tolist() == expected


def test_a_clearing_has_the_size_of_its_peak_above_the_forest_in_its_first_year():
    sizes = history(CLEARED)[1:]
    rise = 11 - with_years()[YEARS < 1998].mean()
    assert sizes[:, YEARS == 1998].ravel() == pytest.approx([rise, rise, -0.05 * rise, -0.04 * rise])
    assert not sizes[:, YEARS != 1998].any()


def test_a_size_has_bounds():
    sizes = history(with_years(y1998=60, y1999=60, y2000=60))[1:, YEARS == 1998].ravel()
    assert sizes[0] == 25 and sizes[1] == pytest.approx(59, abs=0.1) and sizes[2] == sizes[3] == -1


def test_a_clearing_that_lasts_to_the_end_stays_in_transition():
    classes = history(np.where(YEARS < 2000, with_years(), 9.0))[0]
    assert classes.tolist() == [5] * 10 + [6] + [7] * 9


def test_two_clearings_are_two():
    twice = with_years(y1994=9, y1995=9, y1996=9, y2004=9, y2005=9, y2006=9)
    assert YEARS[history(twice)[0] == vct.DISTURBED].tolist() == [1994, 2004]


def test_one_high_year_is_noise():
    assert (history(with_years(y1998=9))[0] == vct.FOREST).all()


def test_a_high_last_year_is_a_clearing():
    assert history(with_years(y2009=9))[0, -1] == vct.DISTURBED


def test_sharp_turns_are_no_forest():
    field = np.where(np.arange(20) // 2 % 2, 9.0, with_years())
    assert (history(field)[0] == vct.NON_FOREST).all()


def test_forest_range_says_how_much_a_forest_may_differ():
    """A: forThrMax, "Maximum threshold for forest"."""
    small = with_years(y1998=2.9, y1999=2.9, y2000=2.9)
    assert (history(small, forest_range=3.0)[0] == vct.FOREST).all()
    assert history(small, forest_range=1.0)[0, YEARS == 1998] == vct.DISTURBED


def test_a_loss_of_green_below_the_threshold_is_a_minor_disturbance():
    table = scores(with_years())
    table[NDVI, (YEARS >= 1998) & (YEARS <= 2000)] -= 0.4
    table[DNBR, (YEARS >= 1998) & (YEARS <= 2000)] -= 0.4
    classes = vct.tracked(table, np.full(20, CLEAR), Rules())[0]
    assert YEARS[classes == vct.DISTURBED].tolist() == [1998]


def test_clouds_of_the_land_cover_are_filled():
    """Huang et al. 2010, 3.3.1."""
    cover = np.where(YEARS == 1998, CLOUD, CLEAR)
    cover[YEARS == 1999] = CLOUD
    assert (history(with_years(y1998=12, y1999=12), cover)[0] == vct.FOREST).all()


def test_a_cold_bright_year_is_a_cloud():
    """A last year that is high is a clearing, unless it is also colder than the year before it."""
    table = scores(with_years(y2009=9))
    table[THERMAL, -1] = -1
    assert (vct.tracked(table, np.full(20, CLEAR), Rules())[0] == vct.FOREST).all()


@pytest.mark.parametrize("seed", range(20))
def test_bad_years_are_filled_in_a_line(seed):
    chance = np.random.default_rng(seed)
    table, bad = chance.normal(size=(8, 15)), chance.random(15) < 0.4
    good, years = ~bad, np.arange(15.0)
    filled = np.array([np.interp(years, years[good], row[good]) for row in table])
    assert vct._filled(table, bad) == pytest.approx(filled if 2 * bad.sum() <= 15 else table)


def test_a_series_with_mostly_bad_years_is_not_filled():
    table, bad = np.arange(64.0).reshape(8, 8) ** 2, np.array([1, 1, 1, 1, 1, 0, 0, 0], bool)
    assert vct._filled(table, bad) is table or vct._filled(table, bad).tolist() == table.tolist()


@pytest.mark.parametrize("seed", range(30))
def test_the_longest_forest_is_the_first_of_the_longest_runs(seed):
    composite = np.random.default_rng(seed).uniform(0, 2, 20)
    inside = [(k, [i for i, _ in run]) for k, run in groupby(enumerate(composite), key=lambda each: each[1] < 1.3)]
    runs = [years for is_low, years in inside if is_low]
    best = max(runs, key=len)
    assert vct._longest(composite, 0.0, 1.3) == (best[0], best[-1] + 1)


def test_the_low_end_is_the_second_least_where_the_least_stands_alone():
    assert vct._low_end(np.array([5.0, 1.0, 4.5, 6.0]), 3.0) == 4.5
    assert vct._low_end(np.array([5.0, 1.0, 3.5, 6.0]), 3.0) == 1.0


def test_a_series_that_only_falls_is_no_forest():
    """As the published program has it: no score is above one before it."""
    assert (history(np.linspace(3, 1, 20))[0] == vct.NON_FOREST).all()


def smoothed(labels: str) -> str:
    """The paper's rules as replacements: L and H last, l and h stand alone."""
    for forward, backward, lasting in (("Hl[Hh]", "hlH", "H"), ("Lh[Ll]", "lhL", "L")):
        for pattern in (forward, backward):
            while labels != (after := re.sub(pattern, lasting * 3, labels, count=1)):
                labels = after
    return labels


@pytest.mark.parametrize("seed", range(200))
def test_years_alone_join_what_lasts_beside_them(seed):
    chance = np.random.default_rng(seed)
    high = np.repeat(chance.random(12) < 0.5, chance.choice([1, 1, 1, 2, 3], 12))[:20]
    labels, runs = vct._labels(np.where(high, 9.0, 1.0), 4.0)
    letters = "lLhH"
    expected = smoothed("".join(letters[label] for label in labels))
    vct._smoothed(labels, vct._SINGLE_LOW, vct._SINGLE_HIGH, vct._HIGH)
    vct._smoothed(labels, vct._SINGLE_HIGH, vct._SINGLE_LOW, vct._LOW)
    assert "".join(letters[label] for label in labels) == expected
    assert runs == len(list(groupby(high)))


# Through the client


def collection(composite: np.ndarray = CLEARED) -> ee.ImageCollection:
    table = scores(composite)
    return ee.ImageCollection([
        ee.Image([7, *table[:, i].tolist()]).rename(["extra", *vct.BANDS])
        .set("system:time_start", ee.Date.fromYMD(year, 7, 1).millis())
        for i, year in enumerate(YEARS.tolist())
    ])  # fmt: skip


def covers(**changed: int) -> ee.ImageCollection:
    return ee.ImageCollection([ee.Image(changed.get(f"y{year}", CLEAR)) for year in YEARS])


def run(images: ee.ImageCollection | None = None, cover: ee.ImageCollection | None = None, **options) -> ee.Image:
    return ee.Algorithms.TemporalSegmentation.VCT(images or collection(), cover or covers(), **options)


def test_an_image_is_six_rows_of_years():
    """A: "a 2D array per pixel containing 6 rows x N years"."""
    assert [band.type.dimensions for band in value(run()).bands] == [2]
    table = pixels(run())[0, 0]
    assert table.shape == (6, 20) and table[0].tolist() == YEARS.tolist()
    assert table[1:] == pytest.approx(history(CLEARED))


def test_the_land_cover_belongs_to_the_images_in_their_order():
    hidden = pixels(run(cover=covers(**{f"y{year}": CLOUD for year in range(1998, 2004)})))[0, 0]
    assert (hidden[1] == vct.FOREST).all()
    backwards = run(collection().sort("system:time_start", False), covers(y1990=CLOUD))
    assert pixels(backwards)[0, 0][0].tolist() == YEARS.tolist()


def test_the_options_are_those_of_the_rules():
    small = collection(with_years(y1998=2.9, y1999=2.9))
    assert pixels(run(small, forThrMax=1))[0, 0][1, YEARS == 1998] == vct.DISTURBED
    assert (pixels(run(collection(with_years() + 3.5), maxUd=5))[0, 0][1] == vct.FOREST).all()
    assert (pixels(run(minNdvi=0.9))[0, 0][1] == vct.NON_FOREST).all()


def test_masked_years_are_left_out():
    masked = collection().map(lambda image: image.updateMask(image.date().get("year").neq(1995)))
    table = pixels(run(masked))[0, 0]
    assert table.shape == (6, 19) and 1995 not in table[0]


def test_a_pixel_of_one_year_is_masked():
    masked = collection().map(lambda image: image.updateMask(image.date().get("year").eq(1995)))
    assert not value(run(masked)).read(utm(1, 2)).masks[0].any()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: run(cover=covers().limit(3)), "timeSeries has 20 images and landCover 3"),
        (lambda: run(collection().select(["B3"])), "Band pattern 'B4' did not match any bands"),
        (lambda: run(nYears=10), "has 20 years, and nYears is 10"),
        (lambda: run(forThrMax=-1), "forThrMax must not be negative"),
        (lambda: run(collection().limit(0), covers().limit(0)), "collection is empty"),
        (lambda: run(cover=covers().map(lambda image: image.select([]))), "landCover has no band"),
    ],
)
def test_what_is_no_pair_of_series_is_refused(image, words):
    with pytest.raises(EngineError, match=words):
        info(image())
