"""The studies of JointSeg, RU-Net++ and LandCover3m as they are defined: rows that can be built, sizes and numbers of
the papers.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch

from reproduction import STUDIES, jointseg, pairs
from reproduction.prunings import Pruning
from reproduction.runs import Training
from reproduction.study import Run
from reproduction.tuning import Tuned
from training.losses import build_loss
from training.models import build, parameter_count
from training.models.cost import flop
from training.recipes import Recipe, recipe

MINE = [name for name in STUDIES if not name.startswith("crofusenet")]
SIZES = [(name, preset) for name in MINE for preset in STUDIES[name].presets]
BANDS = {
    "jointseg": ("B2", "B3", "B4", "B8", "VV", "VH"),
    "runetpp": ("B2", "B3", "B4", "B8"),
    "landcover3m": ("R", "G", "B", "N"),
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


@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_every_run_builds_its_network_and_its_loss(name, preset):
    family = name.partition("-")[0]
    size = next(iter(STUDIES[name].preset(preset).data.values())).arguments["size"]
    for run in trainings(name, preset):
        found = recipe(run.recipe, run.settings)
        bands = ("impervious", "height") if run.data == "shares" else BANDS[family]
        built = network(found, found.bands or bands)
        assert size % built.multiple == 0 and found.crop <= size
        build_loss(found.loss, found.loss_values)


@pytest.mark.parametrize("name", MINE)
def test_the_larger_size_has_every_row_of_the_smaller(name):
    study = STUDIES[name]
    small, large = ({row.label for row in study.preset(preset).rows} for preset in ("cpu", "paper"))
    assert small <= large


def test_ablation_of_runetpp_has_the_papers_sizes():
    """docs/reference/networks.md, "RU-Net++: sizes", in bold for the full network, of three bands."""
    sizes = {}
    for row in (row for row in STUDIES["runetpp-table3"].preset("paper").rows if row.run):
        found = recipe(row.run.recipe, row.run.settings)
        sizes[row.label.partition(":")[0]] = parameter_count(network(found, ("B2", "B3", "B4")))
    assert sizes == {
        "Baseline": 63_832_642,
        "Exp-A": 63_832_740,
        "Exp-B": 64_359_106,
        "Exp-C": 81_664_834,
        "Exp-D": 65_295_050,
        "RU-Net++": 83_967_411,
    }


def test_hrnet_of_landcover3m_has_seven_classes():
    """docs/reference/networks.md, "HRNet": 16,811,863 parameters with the paper's stem and seven classes; Table 5
    prints the size of ten.
    """
    found = recipe(*_of(trainings("landcover3m-table5", "paper")[0]))
    assert parameter_count(network(found, BANDS["landcover3m"])) == 16_811_863


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


def test_claim_of_jointseg_is_nine_and_a_half_points():
    paper = {
        row.label: row.paper["f1_impervious"] for row in STUDIES["jointseg-bilinear"].preset("cpu").rows if row.paper
    }
    assert paper["JointSeg"] - paper["Bilinear, then U-Net"] == pytest.approx(0.095)


def test_super_resolution_loss_and_dates_are_crossed():
    """With and without the loss, with 1 and 8 dates: four rows of JointSeg."""
    runs = [
        row.run for row in STUDIES["jointseg-dates"].preset("paper").rows if row.run and row.run.title == "jointseg"
    ]
    found = {(recipe(*_of(run)).sharpens, recipe(*_of(run)).frames) for run in runs}
    assert found == {(False, 0), (True, 0), (False, pairs.DATES), (True, pairs.DATES)}


def test_networks_with_and_without_dates_see_the_same_patches():
    data = STUDIES["jointseg-dates"].preset("cpu").data
    one, several = data["pairs"].arguments, data["dated"].arguments
    assert {key: value for key, value in several.items() if key not in ("frames", "max_frames")} == one


def test_dates_are_all_that_differs_from_the_runs_of_bilinear():
    runs = {row.label: training(row.run) for row in STUDIES["jointseg-dates"].preset("cpu").rows if row.run}
    shared = {row.label: training(row.run) for row in STUDIES["jointseg-bilinear"].preset("cpu").rows if row.run}
    for name in (jointseg.BILINEAR, jointseg.JOINT):
        assert runs[name] == shared[name]
        dated = runs[f"{name}, {pairs.DATES} dates"]
        assert dict(dated.settings) == {**shared[name].settings, "frames": pairs.DATES}


def test_strata_are_judged_with_the_runs_of_bilinear():
    shared = {row.label: row.run for row in STUDIES["jointseg-bilinear"].preset("cpu").rows}
    for row in STUDIES["jointseg-strata"].preset("cpu").rows:
        stratum, _, label = row.label.partition(": ")
        assert row.evaluator.regions == tuple(pairs.STRATA[stratum.lower()])
        assert row.run is None or row.run == shared[label]


def test_every_stratum_is_in_the_training_set():
    """One dataset over all places, divided by blocks: each has patches of all splits."""
    names = {region.name for region in pairs.pairs().arguments["region"]}
    assert names == {name for places in pairs.STRATA.values() for name in places}


def test_the_oracle_is_the_baseline_on_other_bands():
    rows = {row.label: training(row.run) for row in STUDIES["jointseg-bilinear"].preset("cpu").rows if row.run}
    oracle, baseline = rows[jointseg.ORACLE], rows[jointseg.BILINEAR]
    assert _of(oracle) == _of(baseline) and (oracle.data, baseline.data) == ("shares", "")


def test_ru_net_plus_plus_is_judged_against_truth():
    for preset in ("cpu", "paper"):
        size = STUDIES["runetpp-table3"].preset(preset)
        assert {row.data for row in size.rows} == {"truth"}
        assert size.data["truth"].arguments["label"].startswith("projects/local/assets/world/truth10")


def test_table4_and_table5_of_landcover3m_print_one_accuracy():
    """Both hold the unpruned HRNet: OA 86.34 %."""
    found = {
        name: {row.label: row.paper for row in STUDIES[name].preset("cpu").rows}
        for name in MINE
        if "landcover3m" in name
    }
    assert found["landcover3m-table4"]["HRNet"]["oa"] == found["landcover3m-table5"]["HRNet"]["oa"] == 0.8634


@pytest.mark.parametrize("other", [pairs.product("esri"), pairs.shares()])
def test_products_and_shares_are_exported_on_the_patches_of_the_pairs(other):
    both = pairs.pairs().arguments, other.arguments
    for key in ("region", "sample", "max_patches", "size", "stride", "period", "ratios"):
        assert both[0][key] == both[1][key]


def _of(run: Training) -> tuple[str, dict]:
    return run.recipe, dict(run.settings)
