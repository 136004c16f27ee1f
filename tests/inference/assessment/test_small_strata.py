"""Strata of fewer pixels than points: taken whole, the rest goes to the others, and plan, sample and report say so."""

from __future__ import annotations

import math

import geopandas
import numpy as np
import pytest

from isamap.inference.assessment import allocation
from isamap.inference.assessment import frame as frames
from isamap.inference.assessment.allocation import ALLOCATIONS, Conjecture
from isamap.inference.assessment.answers import Consensus
from isamap.inference.assessment.assessment import assess
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import draw_sample, sample_of
from isamap.inference.assessment.estimate import AnswerSource, estimate_accuracy
from isamap.inference.assessment.planning import plan_sample
from isamap.inference.assessment.request import DrawOptions
from isamap.inference.assessment.strata import MapClasses


def rare_map(pixels: int, side: int = 60) -> np.ndarray:
    class_HW = np.zeros((side, side), np.uint8)
    class_HW[0, :pixels] = 1
    return class_HW


def counts_of(sample) -> dict[str, int]:
    return {each.name: sum(point.stratum == each.name for point in sample.points) for each in sample.strata}


@pytest.fixture
def tiny(make_map):
    """A map of 3,600 pixels, three of them impervious."""
    return open_class_map(make_map(rare_map(3)))


def test_the_points_that_a_small_class_cannot_give_go_to_the_others(tiny):
    sample = sample_of(tiny, DrawOptions(points=300), 0)
    assert counts_of(sample) == {"pervious": 297, "impervious": 3}


def test_a_sample_says_in_one_line_that_a_class_is_taken_whole(tiny):
    text = str(sample_of(tiny, DrawOptions(points=300), 0))
    sentence = "stratum 'impervious' has 3 pixels: all are taken, and the other 72 of its 75 points go to the other"
    assert text.count(sentence) == 1


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_the_plan_says_the_numbers_that_the_sample_has(tiny, name):
    planned = plan_sample([str(tiny.sheets[0].path)], points=300).expectations[name].counts
    sample = sample_of(tiny, DrawOptions(points=300, allocation=name), 0)
    assert planned == tuple(counts_of(sample).values()) and sum(planned) == 300


def test_the_plan_says_that_a_class_is_taken_whole_and_does_not_ask_for_more_points(tiny):
    text = str(plan_sample([str(tiny.sheets[0].path)], points=300))
    assert "stratum 'impervious' has 3 pixels: all are taken" in text and "too few for 75" not in text


def test_a_plan_of_more_points_than_pixels_is_refused_as_the_sample_is(tiny):
    with pytest.raises(ValueError, match="--points 3601: the map knows the class of 3600 pixels: ask for fewer"):
        plan_sample([str(tiny.sheets[0].path)], points=3601)


@pytest.mark.parametrize("name", ALLOCATIONS)
@pytest.mark.parametrize("seed", range(20))
def test_every_division_is_whole_and_within_the_pixels(name, seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 9))
    pixels = rng.integers(1, 400, size)
    belief = Conjecture(tuple("abcdefghi"[:size]), pixels / pixels.sum(), *rng.uniform(0, 1, (2, size)), pixels)
    points = int(rng.integers(2 * size, max(2 * size + 1, pixels.sum() + 1)))
    if points <= pixels.sum():
        counts = allocation.divided(ALLOCATIONS[name], belief, points)
        assert counts.sum() == points and (counts <= pixels).all() and (counts >= np.minimum(2, pixels)).all()


def test_where_all_strata_are_rare_no_point_is_left_over():
    """Twelve strata of a twelfth each: 75 are 900, and the plan was 1,200."""
    belief = Conjecture(tuple("abcdefghijkl"), np.full(12, 1 / 12), np.full(12, 0.9), np.full(12, 0.1))
    assert allocation.rare(belief, 1_200).tolist() == [100] * 12


@pytest.mark.parametrize("seed", range(5))
def test_a_stratum_of_many_pixels_is_taken_whole_by_any_seed(make_map, seed):
    """By chance alone the last of 200 pixels would not come in 50 passes."""
    classes = open_class_map(make_map(rare_map(200, 200)))
    frame = frames.survey(classes, MapClasses(classes.classes))
    pixels = frames.draw(frame, np.array([50, 200]), np.random.default_rng(seed))
    own = pixels.subset(np.flatnonzero(pixels.stratum_N == 1))
    assert not own.row_N.any() and sorted(own.col_N.tolist()) == list(range(200))


def test_all_pixels_but_one_can_be_drawn(make_map):
    classes = open_class_map(make_map(rare_map(60)))
    frame = frames.survey(classes, MapClasses(classes.classes))
    pixels = frames.draw(frame, np.array([3_539, 60]), np.random.default_rng(1))
    assert len(np.unique(60 * pixels.row_N + pixels.col_N)) == 3_599


def test_a_pixel_of_a_class_that_is_taken_whole_is_certain_to_be_drawn(tiny):
    sample = sample_of(tiny, DrawOptions(points=300), 0)
    assert {point.inclusion for point in sample.points if point.stratum == "impervious"} == {1.0}
    others = [point.inclusion for point in sample.points if point.stratum == "pervious"]
    assert np.allclose(others, 297 / 3_597, rtol=1e-3)


def assessed(class_map, points: int, wrong: int):
    """The assessment of a sample whose first points of each class are wrong, so many of each."""
    sample, answers, seen = sample_of(class_map, DrawOptions(points=points), 0), {}, {"pervious": 0, "impervious": 0}
    for point in sample.points:
        seen[point.map_class] += 1
        other = "impervious" if point.map_class == "pervious" else "pervious"
        answers[point.plotid] = other if seen[point.map_class] <= wrong else point.map_class
    return assess(sample, Consensus(answers, ("one",), None))


def test_a_class_that_is_taken_whole_adds_nothing_to_the_standard_error(make_map):
    """Cochran 1977, equation 5.7, by hand: of 40 pixels all are seen, so that the other stratum's variance is all."""
    class_map = open_class_map(make_map(rare_map(40)))
    found = assessed(class_map, 300, wrong=10)
    weight, share = 3_560 / 3_600, 10 / 260
    error = weight * math.sqrt(share * (1 - share) / 259)
    assert found.accuracy.overall.error == pytest.approx(error, rel=1e-3)
    assert found.accuracy.overall.value == pytest.approx(weight * (1 - share) + 40 / 3_600 * 30 / 40, rel=1e-3)


def test_the_accuracy_of_a_class_that_is_taken_whole_has_no_interval(make_map):
    found = assessed(open_class_map(make_map(rare_map(40))), 300, wrong=10)
    users = next(each.users for each in found.accuracy.classes if each.name == "impervious")
    assert (users.value, users.error) == pytest.approx((0.75, 0.0)) and found.interval(users) == (0.75, 0.75)


def test_a_class_of_one_pixel_is_assessed(make_map):
    """One point gives no variance, and a class of which nothing is left needs none."""
    found = assessed(open_class_map(make_map(rare_map(1))), 100, wrong=0)
    assert found.accuracy.overall.value == 1.0 and found.points == 100


def test_a_class_whose_last_point_is_uncertain_is_no_census(make_map):
    class_map = open_class_map(make_map(rare_map(40)))
    sample = sample_of(class_map, DrawOptions(points=300), 0)
    first = next(point.plotid for point in sample.points if point.stratum == "impervious")
    answers = {point.plotid: point.map_class for point in sample.points}
    half = {point.plotid for point in sample.points[::2]}
    answers |= {plotid: "pervious" for plotid in half} | {first: "uncertain"}
    users = next(each.users for each in assess(sample, Consensus(answers, ("one",), None)).accuracy.classes
                 if each.name == "impervious")  # fmt: skip
    assert users.error > 0.05


def test_blocks_with_fewer_pixels_than_points_are_told(make_map):
    class_HW = np.full((60, 60), 255, np.uint8)
    class_HW[:20, :20], class_HW[25, :4] = 0, 1  # a block of 400 known pixels, one of 4
    class_map = open_class_map(make_map(class_HW))
    text = str(sample_of(class_map, DrawOptions("cluster", points=20, side_m=200.0), 0))
    assert "14 points, fewer than the 20 asked: 2 clusters of 10 were drawn; 1 of them with fewer known pixels" in text


def test_a_lattice_that_meets_fewer_pixels_says_so(tiny):
    sample = next(
        each for seed in range(20) if len((each := sample_of(tiny, DrawOptions("systematic", 50), seed)).points) < 50
    )
    assert any(f"{len(sample.points)} points, fewer than the 50 asked: a lattice" in note for note in sample.notes)


def test_a_papers_sample_says_which_points_the_map_cannot_give(make_map):
    sample = sample_of(open_class_map(make_map(rare_map(3))), DrawOptions(preset="landcover3m"), 0)
    assert counts_of(sample) == {"pervious": 1_749, "impervious": 3}
    assert any(note.startswith("1752 points, fewer than the 1940 asked") for note in sample.notes)


def test_answers_in_geoparquet_are_read_as_those_of_the_sheet(make_map, tmp_path):
    path, folder = make_map(rare_map(20)), tmp_path / "sample"
    sample = draw_sample(path, folder, design=DrawOptions(points=60)).sample
    table = geopandas.read_file(folder / "sheet" / "points.gpkg")
    by_plot = {point.plotid: point.map_class for point in sample.points}
    table.columns = [name.lower() for name in table.columns]
    table["class"] = [by_plot[plot] for plot in table["plotid"]]
    table.to_parquet(tmp_path / "answers.parquet")
    table.to_file(tmp_path / "answers.gpkg")
    one, other = (
        estimate_accuracy(folder, AnswerSource((str(tmp_path / name),))).to_json()
        for name in ("answers.gpkg", "answers.parquet")
    )
    assert one | {"interpreters": 0} == other | {"interpreters": 0}
