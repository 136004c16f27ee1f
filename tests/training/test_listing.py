"""`isamap models`: every configuration of docs/reference/networks.md, with its exact numbers; what counting
rests on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import isamap
from isamap.training import model_table
from isamap.training.listing import kept, listed, table
from isamap.training.models import MODELS, build, parameter_count
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.configurations import CONFIGURATIONS
from isamap.training.models.cost import cost, flop, seconds
from isamap.training.recipes import RECIPES
from tests.support.one_thread import one_thread  # noqa: F401

# name -> parameters and GFLOP of a patch as docs/reference/networks.md, "CroFuseNet: sizes", "JointSeg: cost",
# "RU-Net++: sizes", "HRNet", "Filter pruning", "Other networks" and "SegFormer" print them (None where they do not)
PRINTED = {
    "crofusenet (case 5)": (36_215_970, 24.575),
    "crofusenet, 4 hidden units": (36_216_230, 24.575),
    "crofusenet case1": (23_291_622, 18.19),
    "crofusenet case2": (23_553_702, 18.59),
    "crofusenet case3": (35_953_890, 24.17),
    "crofusenet case4": (29_837_286, 21.56),
    "unet 32": (7_764_450, 6.08),
    "unet 32, S2 alone": (7_763_874, 6.06),
    "unet 32, S1 alone": (7_763_298, 6.04),
    "unet 64": (31_039_426, 24.14),
    "fcn8s fc 4096": (134_272_006, 13.90),
    "fcn8s fc 1024": (41_460_742, 10.94),
    "fcn_resnet50": (32_956_674, 17.37),
    "deeplabv3plus": (26_700_402, 4.78),
    "segformer B0": (3_719_362, 0.859),
    "segformer B2": (27_357_570, 7.123),
    "hrnet W48": (65_848_850, 11.67),
    "hrnet W18": (9_638_240, 2.31),
    "runetpp table": (83_573_107, 314.7),
    "runetpp, attention at the end": (83_967_411, 314.7),
    "runetpp text": (29_278_481, 256.1),
    "runetpp dilated": (54_206_737, 306.5),
    "runetpp baseline": (63_832_642, 269.3),
    "hrnet, 10 outputs": (16_812_946, 228.0),
    "hrnet, 7 classes": (16_811_863, 228.0),
    "hrnet, stem one": (16_774_871, None),
    "hrnet, stem hrnet": (16_812_946, 58.3),
    "hrnet pruned A8": (10_497_874, 228.0 * (1 - 0.427)),
    "hrnet pruned C8": (5_422_258, 228.0 * (1 - 0.726)),
    "hrnet pruned literal": (9_720_914, 228.0 * (1 - 0.397)),
    "fcdensenet 56": (1_376_354, 5.81),
    "fcdensenet 67": (3_461_938, 13.61),
    "fcdensenet 103": (9_321_074, 13.08),
    "jointseg lean": (6_680_084, 14.24 * 64**2 / 1e3),
    "jointseg, 8 dates": (6_680_084, 15.35 * 64**2 / 1e3),
    "jointseg wide": (14_014_908, 36.4 * 64**2 / 1e3),
    "jointseg small": (3_712_804, 5.16 * 64**2 / 1e3),
    "bilinear_unet, 7 levels": (6_992_046, 12.47 * 64**2 / 1e3),
    "progesrgan literal": (64_435_400, 730.2 * 32**2 / 1e3),
}
BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
COUNTED = {name: dict(model.small) for name, model in MODELS.items() if not issubclass(model.network, PixelClassifier)}
COUNTED["unet, bilinear"] = {**COUNTED["unet"], "up": "bilinear"}


def test_every_printed_configuration_has_its_row():
    """The rest are what has no such numbers: per-pixel classifiers and the baseline of our own widths."""
    assert set(CONFIGURATIONS) - set(PRINTED) == {"random_forest", "svm", "bilinear_unet"}
    assert set(PRINTED) <= set(CONFIGURATIONS)


@pytest.mark.long
@pytest.mark.parametrize("name", PRINTED)
def test_counts_are_those_of_the_specification(name):
    """The numbers of docs/reference/networks.md, in bold and in tables."""
    parameters, gflop = PRINTED[name]
    row = listed(name)
    assert row.parameters == parameters
    assert gflop is None or row.flop / 1e9 == pytest.approx(gflop, rel=0.0025)


@pytest.mark.long
def test_the_reference_page_prints_the_parameters():
    """docs/reference/networks.md; per-pixel classifiers have none."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "networks.md").read_text(encoding="utf-8")
    counts = [parameters for parameters, _ in PRINTED.values()] + [listed("bilinear_unet").parameters]
    assert [count for count in counts if f"{count:,}" not in page] == []


@pytest.mark.long
@pytest.mark.parametrize("name", COUNTED)
def test_operations_are_those_that_torch_counts(name):
    """An independent counter on real tensors, over every network that is trained by descent."""
    network = build(name.partition(",")[0], BANDS, COUNTED[name]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 6, 32, 32))
    assert flop(network, 32) == counter.get_total_flops()


def test_dates_and_odd_sides_are_counted():
    network = build("jointseg", BANDS, COUNTED["jointseg"]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 6, 33, 33))
    assert flop(network, 33, dates=3) == counter.get_total_flops()


def test_counting_leaves_the_network_as_it_is():
    network = build("unet", BANDS, COUNTED["unet"])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    actual = cost(network, 16)
    assert network.training and actual.parameters == parameter_count(network) and actual.side_px == 16
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert actual.weight_bytes == sum(t.numel() * t.element_size() for t in before.values())


def test_the_slower_of_two_networks_takes_longer():
    """CPU time in turns on one thread, which is put back."""
    small, large = (nn.Conv2d(8, width, 3) for width in (4, 64))
    threads = torch.get_num_threads()
    fast, slow = seconds((small, large), torch.zeros(1, 8, 200, 200), rounds=3)
    assert 2 * fast < slow and torch.get_num_threads() == threads


def test_operations_of_a_km2_are_of_its_ground_step():
    """LandCover3m's pixels are 3 m, RU-Net++'s 16 m: docs/reference/networks.md, "HRNet: training" and "Losses and
    measures".
    """
    row = listed("runetpp text")
    assert row.flop_per_km2 == pytest.approx(row.flop / 512**2 * (1000 / 16) ** 2)


def test_the_field_is_that_of_an_aligned_tile():
    """U-Net: NaN tests hold its halo (test_models.py); channel attention sees the whole window."""
    row = listed("unet 32")
    assert row.field_px == 16 + 2 * 94
    assert listed("crofusenet (case 5)").field_px is None


@pytest.mark.long
def test_the_kept_table_is_the_counted_one():
    """`python -m isamap.training.listing` writes it again after a change of networks or recipes."""
    assert model_table.FILE.read_text(encoding="utf-8") == kept()


@pytest.mark.long
def test_the_table_is_printed_without_torch():
    """Counting takes seconds, as does loading torch: the command reads what was counted."""
    program = "import isamap, sys; isamap.main(['models']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


@pytest.mark.long
def test_the_command_lists_networks_and_recipes(capsys):
    assert isamap.main(["models"]) == 0
    text = capsys.readouterr().out
    assert text.strip() == table()
    for name in (*CONFIGURATIONS, *RECIPES):
        assert any(line.startswith(f"{name} ") for line in text.splitlines()), name
    for parameters, _ in PRINTED.values():
        assert f"{parameters:,}" in text
    networks = text.split("\n\n")[0].splitlines()[: len(CONFIGURATIONS) + 1]
    named = zip(CONFIGURATIONS, networks[1:], strict=True)
    papers = [networks[0].index("paper"), *(line.index(f"  {CONFIGURATIONS[name].paper} ") + 2 for name, line in named)]
    assert len(set(papers)) == 1
    pixels = next(line for line in text.splitlines() if line.startswith("svm-tiny ")).split()
    assert pixels.count("-") == 2 and "adam" not in " ".join(pixels)  # fitted at once, without steps
