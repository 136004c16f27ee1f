"""What a sample says against its own estimates: false designs, repeated places, another map, errors hardly seen."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from isamap.inference.assessment.areas import area
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import DrawOptions, draw_sample
from isamap.inference.assessment.estimate import AnswerSource, estimate_accuracy
from isamap.inference.assessment.sample import KEY, read_key


@pytest.fixture
def classes_HW():
    class_HW = np.zeros((120, 150), np.uint8)
    class_HW[:, :30] = 1
    return class_HW


def answered(folder, changes=None):
    """The sheet filled in with the map's own classes; `changes` by plotid."""
    sheet, key = folder / "sheet" / "answers.csv", read_key(folder)
    rows, classes = list(csv.DictReader(sheet.open())), {each.plotid: each.map_class for each in key.points}
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for row in rows:
            plotid = int(row["PLOTID"])
            writer.writerow(row | {"class": (changes or {}).get(plotid, classes[plotid])})
    return folder


def points_file(path, class_map, lon_lat_class, inclusion=None):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["PLOTID", "LON", "LAT", "class", *(["inclusion"] if inclusion else [])])
        for at, (lon, lat, name) in enumerate(lon_lat_class, 1):
            writer.writerow([at, lon, lat, name, *([inclusion] if inclusion else [])])
    return path


def own_points(class_map, counts, seed=0):
    """So many random points of each class of a map with their classes as answers."""
    rng, sheet = np.random.default_rng(seed), class_map.sheets[0]
    values = sheet.read(type(next(class_map.blocks()).window)(0, 0, *sheet.geobox.shape))
    points = []
    for value, count in enumerate(counts):
        rows, cols = np.nonzero(values == value)
        which = rng.choice(len(rows), count, replace=False)
        lon, lat = sheet.lonlat(rows[which], cols[which])
        points += [(x, y, class_map.classes[value]) for x, y in zip(lon, lat, strict=True)]
    return points


def test_equal_numbers_claimed_to_be_simple_are_told(make_map, classes_HW, tmp_path):
    """A fifth of the map, half of the points: z above 9."""
    path = make_map(classes_HW)
    points = points_file(tmp_path / "p.csv", None, own_points(open_class_map(path), (150, 150)))
    lines = estimate_accuracy(path, AnswerSource((str(points),), design="simple")).lines
    assert any("50.0% of the ground would be mapped as pervious, the map has 80.0%" in line for line in lines)


def test_a_fair_simple_sample_is_not_doubted(make_map, classes_HW, tmp_path):
    path = make_map(classes_HW)
    points = points_file(tmp_path / "p.csv", None, own_points(open_class_map(path), (233, 67)))
    lines = estimate_accuracy(path, AnswerSource((str(points),), design="simple")).lines
    assert not any("chance does not explain" in line for line in lines)


def test_one_place_under_several_ids_is_refused(make_map, classes_HW, tmp_path):
    path = make_map(classes_HW)
    points = points_file(tmp_path / "p.csv", None, own_points(open_class_map(path), (6, 4)) * 10)
    with pytest.raises(ValueError, match=r"10 places of .* come more than once \(plotids 1, 11, 21, 31, 41 are one\)"):
        estimate_accuracy(path, AnswerSource((str(points),), design="simple"))


def test_a_changed_map_of_the_same_name_is_refused(make_map, classes_HW, tmp_path):
    path = make_map(classes_HW)
    draw_sample(path, tmp_path / "s", design=DrawOptions(points=60))
    answered(tmp_path / "s")
    changed_HW = classes_HW.copy()
    changed_HW[0, 0] = 0
    with pytest.raises(ValueError, match=r"is not the map that this sample was drawn from .*: its pixels or classes"):
        area(make_map(changed_HW), sample=tmp_path / "s")


def test_a_copy_of_the_map_under_another_name_is_the_map(make_map, classes_HW, tmp_path):
    draw_sample(make_map(classes_HW), tmp_path / "s", design=DrawOptions(points=60))
    report = area(make_map(classes_HW, "copy.tif"), sample=answered(tmp_path / "s"))
    assert [row["points"] for row in report.rows] == [60, 60]


def test_a_sample_without_a_fingerprint_is_used_and_said_to_be_untied(make_map, classes_HW, tmp_path):
    path = make_map(classes_HW)
    draw_sample(path, tmp_path / "s", design=DrawOptions(points=60))
    key = tmp_path / "s" / KEY
    document = json.loads(key.read_text())
    del document["fingerprint"]
    key.write_text(json.dumps(document))
    assert any("holds no fingerprint" in text for text in area(path, sample=answered(tmp_path / "s")).warnings)


def test_a_large_stratum_without_errors_is_warned_of(make_map, classes_HW, tmp_path):
    path = make_map(classes_HW)
    draw_sample(path, tmp_path / "s", design=DrawOptions(points=60, allocation="equal"))
    key = read_key(tmp_path / "s")
    wrong = next(each.plotid for each in key.points if each.map_class == "impervious")
    lines = estimate_accuracy(answered(tmp_path / "s", {wrong: "pervious"})).lines
    doubted = [line for line in lines if "shows an error" in line]
    assert len(doubted) == 1 and "none of the 30 points of 'pervious', 80% of the ground" in doubted[0]


def test_bounds_weigh_uncertain_points_by_their_ground(make_map, classes_HW, tmp_path):
    """Half of the points of a fifth of the ground are uncertain, all others right: 0.9 to 1."""
    path = make_map(classes_HW)
    draw_sample(path, tmp_path / "s", design=DrawOptions(points=80, allocation="equal"))
    built = [each.plotid for each in read_key(tmp_path / "s").points if each.map_class == "impervious"]
    report = estimate_accuracy(answered(tmp_path / "s", dict.fromkeys(built[:20], "uncertain")))
    assert report.assessment.bounds == pytest.approx((0.9, 1.0), abs=2e-4)
