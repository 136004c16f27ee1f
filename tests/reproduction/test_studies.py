"""The studies as they are defined: complete, buildable, and true to what the papers print."""

from __future__ import annotations

import pytest
import torch

from reproduction import STUDIES
from reproduction.runs import Training
from reproduction.tuning import Tuned
from training.models import build
from training.recipes import recipe

BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
SIZES = [(name, preset) for name, study in STUDIES.items() for preset in study.presets]
CROFUSENET = [(name, preset) for name, preset in SIZES if name.startswith("crofusenet")]


def training(run) -> Training:
    """What a row trains, whether its rate is chosen or given."""
    return run.training if isinstance(run, Tuned) else run


@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_papers_numbers_belong_to_measures(name, preset):
    study = STUDIES[name]
    keys = {measure.key for measure in study.measures}
    assert all(set(row.paper) <= keys for row in study.preset(preset).rows)


@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_an_order_told_in_words_names_rows(name, preset):
    study = STUDIES[name]
    assert set(study.paper_order) <= {row.label for row in study.preset(preset).rows}


@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_rows_that_a_study_compares_exist(name, preset):
    study = STUDIES[name]
    named = {study.teacher, *study.headroom, *(label for pair in study.contrasts for label in pair)} - {""}
    assert named <= {row.label for row in study.preset(preset).rows}


def test_variants_of_crofusenet_share_the_rehearsals_of_the_complete_one():
    rehearsals = [row.run.rehearsal for row in STUDIES["crofusenet-table4"].preset("cpu").rows]
    assert all(run == rehearsals[-1] for run in rehearsals)


def test_leak_is_measured_with_two_training_sets_on_the_same_patches():
    """Of each pair the runs differ and the ground is one; sizes and settings of the two are equal."""
    rows = {row.label: row for row in STUDIES["crofusenet-leak"].preset("cpu").rows}
    for left, right in STUDIES["crofusenet-leak"].contrasts:
        assert rows[left].data == rows[right].data and rows[left].run.training.data != rows[right].run.training.data
        assert rows[left].run.training.settings == rows[right].run.training.settings
    exports = STUDIES["crofusenet-leak"].preset("cpu").data
    among, apart = (dict(exports[name].arguments) for name in ("among", "apart"))
    assert among.pop("bbox") != apart.pop("bbox") and among == apart


@pytest.mark.parametrize(("name", "preset"), CROFUSENET)
def test_every_row_of_crofusenet_builds_a_network_of_its_recipe(name, preset):
    for row in STUDIES[name].preset(preset).rows:
        run = training(row.run)
        found = recipe(run.recipe, run.settings)
        with torch.device("meta"):
            build(found.model, found.bands or BANDS, found.config)


def test_runs_are_shared_among_the_studies_of_crofusenet():
    """CroFuseNet of Table II is Case 5 of Table IV, case 3 of Figure 9, "both" of Figure 11, and what transfers."""
    rows = {
        name: {row.label: row.run for row in STUDIES[name].preset("cpu").rows}
        for name in STUDIES
        if name.startswith("crofusenet")
    }
    same = [
        rows["crofusenet-table2"]["CroFuseNet"],
        rows["crofusenet-table3"]["CroFuseNet"],
        rows["crofusenet-table4"]["Case 5: CroFuseNet"],
        rows["crofusenet-fig9"]["Case 3: weights 1 and 0.8"],
        rows["crofusenet-fig11"]["CroFuseNet on both"],
        rows["crofusenet-transfer"]["Wuhan, June 2019 (trained there)"],
    ]
    assert all(run == same[0] for run in same)
    assert rows["crofusenet-table2"]["UNet"].title == rows["crofusenet-fig11"]["UNet on Sentinel-2"].title


def test_papers_class_values_satisfy_their_formulas():
    """F1 = 2 PA UA / (PA + UA) and IoU = F1 / (2 - F1) but for the rows that docs/reference/papers.md, "crofusenet"
    names.
    """
    for name in ("crofusenet-table3", "crofusenet-table4"):
        for row in STUDIES[name].preset("cpu").rows:
            if row.label in ("SVM", "HRNet") or not row.paper:
                continue
            p = row.paper
            pa, ua, f1 = p["pa_impervious"], p["ua_impervious"], p["f1_impervious"]
            assert f1 == pytest.approx(2 * pa * ua / (pa + ua), abs=3e-4), row.label
            assert p["iou_impervious"] == pytest.approx(f1 / (2 - f1), abs=6e-4), row.label


def test_miou_of_table_2_is_the_mean_of_table_3():
    """Two tables of one experiment: MIoU = (IoU impervious + IoU pervious) / 2."""
    of_class = {row.label: row.paper for row in STUDIES["crofusenet-table3"].preset("cpu").rows}
    for row in STUDIES["crofusenet-table2"].preset("cpu").rows:
        if not row.paper:
            continue
        mean = (of_class[row.label]["iou_impervious"] + of_class[row.label]["iou_pervious"]) / 2
        assert row.paper["miou"] == pytest.approx(mean, abs=1e-4)


def test_cases_of_table_4_have_the_papers_parameters():
    """docs/reference/networks.md, "CroFuseNet: sizes" in bold: 36,215,970 in full; the tables' other cases
    beside it.
    """
    sizes = {}
    for row in STUDIES["crofusenet-table4"].preset("paper").rows:
        found = recipe(row.run.recipe, row.run.settings)
        with torch.device("meta"):
            network = build(found.model, BANDS, found.config)
        sizes[row.label.split(":")[0]] = sum(weights.numel() for weights in network.parameters())
    assert sizes == {
        "Case 1": 23_291_622,
        "Case 2": 23_553_702,
        "Case 3": 35_953_890,
        "Case 4": 29_837_286,
        "Case 5": 36_215_970,
    }


def test_the_year_after_is_judged_on_the_same_ground():
    """Patches of the other June lie and are split as those of the training: only the month differs."""
    data = STUDIES["crofusenet-transfer"].preset("cpu").data
    first, second = (dict(data[name].arguments) for name in ("wuhan", "june2020"))
    assert (first.pop("month"), second.pop("month")) == ("2019-06", "2020-06") and first == second
