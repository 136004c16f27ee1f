"""The studies as they are defined: complete, buildable, and true to what the papers print."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

from isamap.reproduction import STUDIES, detail, jointseg, pairs
from isamap.reproduction.bitemporal import SIDE
from isamap.reproduction.prunings import Pruning
from isamap.reproduction.runs import Training
from isamap.reproduction.study import Export, Run
from isamap.reproduction.tuning import Tuned
from isamap.training.losses import build_loss
from isamap.training.models import build, parameter_count
from isamap.training.models.cost import flop
from isamap.training.recipes import Recipe, recipe

SIZES = [(name, preset) for name, study in STUDIES.items() for preset in study.presets]
BANDS = {
    "crofusenet": ("B2", "B3", "B4", "B8", "VV", "VH"),
    "jointseg": ("B2", "B3", "B4", "B8", "VV", "VH"),
    "runetpp": ("B2", "B3", "B4", "B8"),
    "landcover3m": ("R", "G", "B", "N"),
    "context": ("B2", "B3", "B4", "B8", "VV", "VH"),
    "detail": ("B2", "B3", "B4", "B8", "VV", "VH"),
}


def trainings(name: str, preset: str) -> list[Training]:
    """What the rows train; of pruned ones what is pruned."""
    return [training(row.run) for row in STUDIES[name].preset(preset).rows if row.run]


def training(run: Run) -> Training:
    """A run's training, whether its rate is chosen or its network is pruned."""
    if isinstance(run, Pruning):
        return training(run.of)
    return run.training if isinstance(run, Tuned) else run


def network(found: Recipe, bands: tuple[str, ...]) -> torch.nn.Module:
    """Its shapes without its weights; each kind is built once."""
    config = tuple(sorted(found.config.items()))
    return _built(found.model, bands, config)


@cache
def _built(model: str, bands: tuple[str, ...], config: tuple) -> torch.nn.Module:
    with torch.device("meta"):
        return build(model, bands, dict(config))


@pytest.mark.long
@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_every_run_builds_its_network_and_its_loss(name, preset):
    family = name.partition("-")[0]
    request = next(iter(STUDIES[name].preset(preset).data.values()))
    size = request.arguments.get("size", 128) if isinstance(request, Export) else SIDE
    for run in trainings(name, preset):
        made = recipe(run.recipe, run.settings)
        bands = ("impervious", "height") if run.data == "shares" else BANDS[family]
        built = network(made, made.bands or bands)
        assert size % built.multiple == 0 and made.crop <= size
        build_loss(made.loss, made.loss_values)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in STUDIES if "paper" in STUDIES[name].presets])
def test_the_larger_size_has_every_row_of_the_smaller(name):
    study = STUDIES[name]
    small, large = ({row.label for row in study.preset(preset).rows} for preset in ("cpu", "paper"))
    assert small <= large


@pytest.mark.long
def test_ablation_of_runetpp_has_the_papers_sizes():
    """docs/reference/networks.md, "RU-Net++: sizes", in bold for the full network, of three bands."""
    sizes = {}
    for row in (row for row in STUDIES["runetpp-table3"].preset("paper").rows if row.run):
        made = recipe(row.run.recipe, row.run.settings)
        sizes[row.label.partition(":")[0]] = parameter_count(network(made, ("B2", "B3", "B4")))
    assert sizes == {
        "Baseline": 63_832_642,
        "Exp-A": 63_832_740,
        "Exp-B": 63_964_802,
        "Exp-C": 81_664_834,
        "Exp-D": 65_295_050,
        "RU-Net++": 83_573_107,
    }


@pytest.mark.long
def test_rows_of_table5_share_one_training():
    runs = trainings("landcover3m-table5", "cpu")
    assert all(run == runs[0] for run in runs)
    assert trainings("landcover3m-clahe", "cpu")[0] == runs[0] == trainings("landcover3m-norm", "cpu")[0]


def test_bilinear_baseline_and_jointseg_are_of_equal_size_and_steps():
    """The issue's condition: equal size and equal budget; the baseline's operations are not fewer."""
    runs = {row.label: training(row.run) for row in STUDIES["jointseg-bilinear"].preset("cpu").rows if row.run}
    bilinear, joint = (recipe(*_of(runs[label])) for label in ("Bilinear, then U-Net", "JointSeg"))
    assert (bilinear.epochs, bilinear.batch, bilinear.crop) == (joint.epochs, joint.batch, joint.crop)
    left, right = network(bilinear, BANDS["jointseg"]), network(joint, BANDS["jointseg"])
    assert parameter_count(left) == pytest.approx(parameter_count(right), rel=0.06)
    assert flop(left, 32) >= flop(right, 32)


def test_super_resolution_loss_and_dates_are_crossed():
    """With and without the loss, with 1 and 8 dates: four rows of JointSeg."""
    runs = [
        row.run for row in STUDIES["jointseg-dates"].preset("paper").rows if row.run and row.run.title == "jointseg"
    ]
    actual = {(recipe(*_of(run)).sharpens, recipe(*_of(run)).frames) for run in runs}
    assert actual == {(False, 0), (True, 0), (False, pairs.DATES), (True, pairs.DATES)}


def test_networks_with_and_without_dates_see_the_same_patches():
    data = STUDIES["jointseg-dates"].preset("cpu").data
    single, several = data["pairs"].arguments, data["dated"].arguments
    assert {key: value for key, value in several.items() if key not in ("frames", "max_frames")} == single


@pytest.mark.long
def test_dates_are_all_that_differs_from_the_runs_of_bilinear():
    runs = {row.label: training(row.run) for row in STUDIES["jointseg-dates"].preset("cpu").rows if row.run}
    shared = {row.label: training(row.run) for row in STUDIES["jointseg-bilinear"].preset("cpu").rows if row.run}
    for name in (jointseg.BILINEAR, jointseg.JOINT):
        assert runs[name] == shared[name]
        dated = runs[f"{name}, {pairs.DATES} dates"]
        assert dict(dated.settings) == {**shared[name].settings, "frames": pairs.DATES}


@pytest.mark.long
def test_strata_are_judged_with_the_runs_of_bilinear():
    shared = {row.label: row.run for row in STUDIES["jointseg-bilinear"].preset("cpu").rows}
    for row in STUDIES["jointseg-strata"].preset("cpu").rows:
        stratum, _, label = row.label.partition(": ")
        mountains = stratum.lower() == jointseg.MOUNTAINS
        assert row.evaluator.regions == tuple(pairs.VILLAGES if mountains else pairs.STRATA[stratum.lower()])
        assert row.data == (jointseg.VILLAGES if mountains else "")
        assert row.run is None or row.run == shared[label]


def test_every_stratum_is_in_the_training_set():
    """One dataset over all places, divided by blocks: each has patches of all splits."""
    names = {region.name for region in pairs.pairs().arguments["region"]}
    assert names == {name for places in pairs.STRATA.values() for name in places}


def test_products_of_villages_are_exported_on_all_patches_of_their_ground():
    pair, product = pairs.villages().arguments, pairs.village_product("esri").arguments
    for key in ("region", "size", "stride", "period", "ratios"):
        assert pair[key] == product[key]
    assert not {"sample", "max_patches"} & set(product)


def test_no_village_is_training_ground():
    for village in pairs.villages().arguments["region"]:
        left, bottom, right, top = village.bounds_wsen
        for region in pairs.pairs().arguments["region"]:
            west, south, east, north = region.bounds_wsen
            assert right < west or east < left or top < south or north < bottom


def test_ru_net_plus_plus_is_judged_against_truth():
    for preset in ("cpu", "paper"):
        size = STUDIES["runetpp-table3"].preset(preset)
        assert {row.data for row in size.rows} == {"truth"}
        assert size.data["truth"].arguments["label"].startswith("projects/local/assets/world/truth10")


def test_table4_and_table5_of_landcover3m_print_one_accuracy():
    """Both hold the unpruned HRNet: OA 86.34 %."""
    actual = {
        name: {row.label: row.paper for row in STUDIES[name].preset("cpu").rows}
        for name in STUDIES
        if "landcover3m" in name
    }
    assert actual["landcover3m-table4"]["HRNet"]["oa"] == actual["landcover3m-table5"]["HRNet"]["oa"] == 0.8634


@pytest.mark.parametrize("other", [pairs.product("esri"), pairs.shares()])
def test_products_and_shares_are_exported_on_the_patches_of_the_pairs(other):
    both = pairs.pairs().arguments, other.arguments
    for key in ("region", "sample", "max_patches", "size", "stride", "period", "ratios"):
        assert both[0][key] == both[1][key]


def _of(run: Training) -> tuple[str, dict]:
    return run.recipe, dict(run.settings)


@pytest.mark.long
@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_papers_numbers_belong_to_measures(name, preset):
    study = STUDIES[name]
    keys = {measure.key for measure in study.measures}
    assert all(set(row.paper) <= keys for row in study.preset(preset).rows)


@pytest.mark.long
@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_an_order_told_in_words_names_rows(name, preset):
    study = STUDIES[name]
    assert set(study.paper_order) <= {row.label for row in study.preset(preset).rows}


@pytest.mark.long
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
        made = recipe(row.run.recipe, row.run.settings)
        sizes[row.label.split(":")[0]] = parameter_count(network(made, BANDS["crofusenet"]))
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


def test_rows_of_a_study_of_context_have_equal_steps():
    """10,000 of the world, whatever the network; forests and indices have none."""
    runs = [run for run in trainings("context-world", "cpu") if "epochs" in run.settings]
    assert {(run.settings["epochs"], run.settings["batch"]) for run in runs} == {("158", "4")}
    assert len(runs) == 3


def test_pyramid_pooling_is_all_that_differs_and_its_taps_see_ground():
    pooled, plain = (recipe(*_of(run)) for run in trainings("context-pooling", "cpu"))
    assert replace(pooled, config={}) == replace(plain, config={})
    assert {**pooled.config, "aspp": False} == dict(plain.config)
    cells = STUDIES["context-pooling"].preset("cpu").data["month"].arguments["size"] // 16
    assert pooled.crop == 0 and cells > 12  # of taps 6, 12 and 18 cells apart


def test_a_year_and_a_month_are_of_the_same_patches():
    month, year = (STUDIES["context-world"].preset("cpu").data[when].arguments for when in ("month", "year"))
    assert {key: month.get(key) for key in month if key != "month"} == {
        key: year.get(key) for key in month if key != "month"
    }


def test_jointseg_with_and_without_image_losses_differ_in_nothing_else():
    runs = {row.label: training(row.run) for row in STUDIES["detail-world"].preset("cpu").rows if row.run}
    joint, blind = (recipe(*_of(runs[label])) for label in (detail.JOINT, detail.BLIND))
    assert joint.sharpens and not blind.sharpens
    assert replace(joint, loss_values={}) == replace(blind, loss_values={})
