"""What a planned sample buys, and the strata around a rare class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

import isamap
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import DrawOptions, draw_sample
from isamap.inference.assessment.frame import survey
from isamap.inference.assessment.planning import plan_sample
from isamap.inference.assessment.strata import Buffered


@pytest.fixture
def rare_HW():
    class_HW = np.zeros((200, 200), np.uint8)
    class_HW[90:110, 80:100] = 1
    return class_HW


BELIEF = {"impervious": 0.8, "pervious": 0.997}


def test_points_for_the_area_reach_its_relative_error(make_map, rare_HW):
    report = plan_sample(make_map(rare_HW), area_error=0.2, accuracy=BELIEF)
    weights, target = np.array([0.99, 0.01]), np.array([0.003, 0.8])
    believed = weights @ target
    error = 1.959964 * report.expectations["area"].area / believed
    assert report.points == report.area_points and error == pytest.approx(0.2, rel=0.06)
    spread = float(weights @ np.sqrt(target * (1 - target)))
    error_of_share, pixels = 0.2 * believed / 1.959964, 40_000  # Cochran, equation 5.25
    endless = spread**2 / (error_of_share**2 + float(weights @ (target * (1 - target))) / pixels)
    assert report.area_points == pytest.approx(endless, rel=0.01)


def test_few_points_are_said_to_buy_little(make_map, rare_HW):
    text = str(plan_sample(make_map(rare_HW), standard_error=0.01, accuracy=BELIEF))
    assert "points say little of the area of impervious" in text and "right on 99.7%" in text
    assert "too few for 75 in each rare stratum" in text


def test_a_map_of_changes_is_planned_for_its_rarest_change(make_map):
    class_HW = np.zeros((100, 100), np.uint8)
    class_HW[:5], class_HW[5:30] = 1, 2
    report = plan_sample(make_map(class_HW, classes="", changes="stable,gain,loss"))
    assert report.target == "gain" and "area of gain" in str(report)


def test_an_area_error_beyond_a_share_is_refused(make_map, rare_HW, capsys):
    assert isamap.main(["assess", "plan", str(make_map(rare_HW)), "--area-error", "20"]) == 2
    assert "--area-error 20: expected a share of the area between 0 and 1, such as 0.2" in capsys.readouterr().err


def test_a_buffer_is_the_ground_so_near_to_the_class(make_map, rare_HW):
    class_map = open_class_map(make_map(rare_HW))
    frame = survey(class_map, Buffered(class_map, "impervious", 30.0), 64)  # blocks that cut the buffer
    near = (distance_transform_edt(rare_HW == 0) <= 3) & (rare_HW == 0)
    assert dict(zip(frame.strata.names, frame.pixels_BH.sum(axis=0).tolist(), strict=True)) == {
        "pervious": int((rare_HW == 0).sum() - near.sum()), "impervious": 400, "pervious near impervious": near.sum(),
    }  # fmt: skip


def test_buffer_strata_of_several_classes_keep_their_class(make_map, rare_HW):
    rare_HW[:, 100:] = np.where(rare_HW[:, 100:] == 1, 1, 2)
    class_map = open_class_map(make_map(rare_HW, classes="", changes="grass,built,water"))
    strata = Buffered(class_map, "built", 20.0)
    for block in class_map.blocks(50):
        number_HW = strata.of(block)
        names = np.array([class_map.classes.index(strata.class_of[name]) for name in strata.names])
        assert (names[number_HW] == block.class_HW).all()


def test_a_sample_with_a_buffer_finds_points_beside_the_class(make_map, rare_HW, tmp_path):
    sample = draw_sample(make_map(rare_HW), tmp_path / "s", design=DrawOptions(points=300, buffer_m=30)).sample
    counts = {name: sum(each.stratum == name for each in sample.points) for name in [s.name for s in sample.strata]}
    assert counts == {"pervious": 150, "impervious": 75, "pervious near impervious": 75}
    assert sample.class_of_strata.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--buffer", "3"], "--buffer 3: expected metres, 9.99 (a pixel) to 999"),
        (["--buffer", "30", "--around", "roof"], "--around 'roof': the map's classes are pervious, impervious"),
        (["--around", "impervious"], "--around impervious says around what a --buffer lies"),
        (["--buffer", "30", "--design", "simple"], "--buffer divides the map's classes"),
    ],
)
def test_a_buffer_that_can_not_be_is_refused_in_one_sentence(make_map, rare_HW, tmp_path, capsys, words, sentence):
    assert isamap.main(["assess", "sample", str(make_map(rare_HW)), "--out", str(tmp_path / "s"), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
