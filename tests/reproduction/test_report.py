"""The table in words and numbers."""

from __future__ import annotations

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.reproduction.line import DataUsed, ReportLine
from isamap.reproduction.report import StudyReport, cell, encode, headroom_shares, markdown
from isamap.reproduction.study import StudyMeasure

MIOU = StudyMeasure("miou", "MIoU")
CLASSES = ("pervious", "impervious")


def report(lines, *, measure=MIOU, **changes) -> StudyReport:
    values = {
        "name": "S",
        "title": "T",
        "paper": "P",
        "preset": "cpu",
        "date": "2026-11-21",
        "device": "CPU",
        "seeds": (0, 1, 2),
        "measures": (measure,),
        "order_by": measure.key,
        "paper_order": (),
        "lines": tuple(lines),
        "data": (),
    }
    return StudyReport(**values | changes)


def line(label: str, *values: float, paper: float | None = None, key: str = "miou", **rest) -> ReportLine:
    return ReportLine(label, {key: values}, paper={} if paper is None else {key: paper}, **rest)


def test_cell_of_several_seeds_is_mean_and_sample_deviation():
    """0.2, 0.4, 0.6: mean 0.4, deviation 0.2 with n - 1."""
    assert cell(line("A", 0.2, 0.4, 0.6), MIOU) == "0.4000 ± 0.2000"


def blocks(*right: int, size: int = 100) -> tuple:
    """Of one seed, counts of blocks of so many pixels a class, of which so many of each class are seen right."""
    return (tuple(((hit, size - hit), (size - hit, hit)) for hit in right),)


def measured(label: str, *right: int, **rest) -> ReportLine:
    """A row of one seed with its accuracy."""
    counts = blocks(*right)
    return line(label, sum(right) / (100 * len(right)), key="oa", blocks=counts, classes=CLASSES, **rest)


def test_cell_of_one_seed_has_its_interval():
    """Blocks of .4 and .6: a quarter of the draws take either twice."""
    assert cell(measured("A", 40, 60), StudyMeasure("oa", "OA")) == "0.5000 [0.400, 0.600]"


def test_cell_of_what_no_seed_changes_has_no_spread():
    once = measured("A", 40, 60)
    twice = line("A", 0.5, 0.5, key="oa", blocks=once.blocks * 2, classes=CLASSES)
    assert cell(twice, StudyMeasure("oa", "OA")) == "0.5000 [0.400, 0.600]"


def test_json_comes_back_as_it_went():
    import json

    lines = [line("A", 0.9, 0.8, paper=0.95, blocks=blocks(3, 4) * 2, classes=CLASSES, made=({"steps": 3},))]
    notices = report(lines, notes=("n",), differs=("d",), headroom=("A", "B"), contrasts=(("A", "B"),))
    assert StudyReport.from_json(json.loads(encode(notices))) == notices


def test_counts_that_are_no_numbers_are_refused():
    document = report([measured("A", 40, 60)], measure=StudyMeasure("oa", "OA")).to_json()
    document["lines"][0]["blocks"] = [[[["many", 1], [2, 3]]]]
    with pytest.raises(Fault, match="garbles"):
        StudyReport.from_json(document)


def test_pairs_of_a_study_of_areas_are_compared_by_area():
    """Seen right 60 to 90 of 100 in each class: as many too many as too few, so areas are alike."""
    areas = StudyMeasure("area_percent", "area too large, %", ".1f", "none")
    lines = [
        ReportLine(label, {"oa": (0.75,), "area_percent": (0.0,)}, blocks=blocks(*right), classes=CLASSES)
        for label, right in (("A", (60, 70, 80, 90, 75)), ("B", (61, 70, 79, 90, 75)))
    ]
    measures = (StudyMeasure("oa", "OA"), areas)
    told = markdown(report(lines, measure=measures[0], contrasts=(("A", "B"),), **{"measures": measures}))
    assert "A less B: area too large, % +0.0 [" in told and "A less B: OA" in told


def test_another_version_is_refused():
    with pytest.raises(Fault, match="version 2"):
        StudyReport.from_json(report([line("A", 0.5)]).to_json() | {"version": 2})


def test_markdown_rows_have_as_many_cells_as_the_head():
    text = markdown(report([line("A", 0.9, 0.8, paper=0.95), line("B", 0.2, 0.3)]))
    table = [row for row in text.splitlines() if row.startswith("|")]
    assert len(table) == 4 and len({row.count("|") for row in table}) == 1
    assert len({len(row) for row in table}) == 1


def test_a_brief_table_has_the_measure_of_the_order_and_two_more_that_the_paper_prints():
    """The first is not printed, the last is ordered by; what each run took is left out."""
    measures = tuple(StudyMeasure(key, key.upper()) for key in "uabcm")
    row = ReportLine("A", dict.fromkeys("uabcm", (0.5,)), paper=dict.fromkeys("abcm", 0.6))
    text = markdown(report([row], measures=measures, order_by="m"), brief=True)
    head = next(each for each in text.splitlines() if each.startswith("|"))
    shown = [title.strip() for title in head.strip("|").split("|")]
    assert shown == ["", "A paper", "A ours", "B paper", "B ours", "M paper", "M ours", "seeds", "converged"]


def test_gains_are_shares_of_the_way_from_the_baseline_to_the_oracle():
    lines = [line("baseline", 0.8), line("oracle", 0.9), line("ours", 0.84)]
    shares = headroom_shares(report(lines, headroom=("baseline", "oracle")))
    assert shares == pytest.approx({"baseline": 0, "oracle": 100, "ours": 40})


def test_an_oracle_below_the_baseline_leaves_no_headroom():
    text = markdown(report([line("baseline", 0.8), line("oracle", 0.7)], headroom=("baseline", "oracle")))
    assert "so no share of it is printed" in text


@pytest.mark.parametrize(("rise", "words"), [(0.004, "yes, +0.004"), (0.006, "no, +0.006")])
def test_every_row_says_whether_it_converged(rise, words):
    text = markdown(report([line("A", 0.5, made=({"late_rise": rise},))]))
    assert f" {words} |" in text


def test_a_dataset_names_patches_and_seen_pixels_split_by_split():
    used = DataUsed(
        "a", "town", "f" * 8, True, "blocks", {"train": 3, "test": 1}, {"train": 1, "test": 0.9}, 64, 10, (), "x"
    )
    assert "3 train, 1 test patches of 64 px of 10 m, 100%, 90% of pixels seen; labels x" in str(used)
