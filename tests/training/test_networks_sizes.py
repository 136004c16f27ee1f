"""Exact numbers of parameters and of floating-point operations of docs/reference/networks.md, on torch's
meta device.
"""

from __future__ import annotations

import pytest
import torch

from tests.support.one_thread import one_thread  # noqa: F401
from training.models import parameter_count
from training.models.cost import operations
from training.models.deeplabv3plus import DeepLabV3Plus, DeepLabV3PlusConfig
from training.models.densenet import FCDenseNet, FCDenseNetConfig
from training.models.esrgan import Discriminator, ProgESRGAN
from training.models.fcn8s import FCN8s, FCN8sConfig
from training.models.fcn_resnet50 import FCNResNet50, FCNResNet50Config
from training.models.hrnet import HRNet, HRNetConfig
from training.models.jointseg import SMALL, WIDE, JointSeg, JointSegConfig
from training.models.resnet import ResNet50
from training.models.runetpp import PLAIN, RUNetPP, RUNetPPConfig
from training.models.segformer import SegFormer, SegFormerConfig
from training.models.unet import UNet, UNetConfig

RGB = ("B4", "B3", "B2")
PLANET = ("B2", "B3", "B4", "B8")
SIX = (*PLANET, "VV", "VH")
S2 = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
TWELVE = (*S2, "VV", "VH")
WIDE_UNET = UNetConfig(widths=(64, 128, 256, 512, 1024), head="1x1")


def made(network, *arguments):
    """A network without memory: shapes only."""
    with torch.device("meta"):
        return network(*arguments).eval()


def gflop(network, *shape: int) -> float:
    """Convolutions and matrix products, 2 per multiply-add (test_listing.py holds the counter against torch's)."""
    return operations(network, shape) / 1e9


RUNETPP = {
    "table": ({}, 83_967_411, 314.7),
    "text": ({"variant": "text"}, 29_278_481, 256.1),
    "dilated": ({"variant": "dilated"}, 54_601_041, 306.5),
    "gates of Table 2": ({"gates": ("spatial", "dual", "channel", "bem")}, 83_843_617, 314.7),
    "baseline": (PLAIN, 63_832_642, 269.3),
    "Exp-A": (PLAIN | {"spatial_att": True}, 63_832_740, 269.3),
    "Exp-B": (PLAIN | {"channel_att": True}, 64_359_106, 269.3),
    "Exp-C": (PLAIN | {"aspp": True}, 81_664_834, 278.2),
    "Exp-D": (PLAIN | {"skip_att": True}, 65_295_050, 286.5),
}


@pytest.mark.parametrize("case", RUNETPP)
def test_runetpp(case):
    """docs/reference/networks.md, "RU-Net++: sizes": 3 bands at 512 x 512."""
    config, parameters, cost = RUNETPP[case]
    network = made(RUNetPP, RGB, RUNetPPConfig(**config))
    assert parameter_count(network) == parameters
    assert gflop(network, 1, 3, 512, 512) == pytest.approx(cost, rel=0.001)


def test_the_encoder_is_resnet50_without_its_classifier():
    """docs/reference/networks.md, "RU-Net++: sizes"; torchvision's resnet50 has 25,557,032 of which fc 2,049,000."""
    assert parameter_count(made(ResNet50, 3)) == 23_508_032 == 25_557_032 - 2_049_000


HRNETS = {
    "paper, 10 outputs": (PLANET, {"classes": 10}, 16_812_946, 513, 228.0),
    "paper, 7 classes": (PLANET, {}, 16_811_863, None, None),
    "one strided convolution": (PLANET, {"stem": "one"}, 16_774_871, None, None),
    "batch norm": (PLANET, {"classes": 10, "norm": "batch"}, 16_812_946, None, None),
    "original stem": (PLANET, {"classes": 10, "stem": "hrnet"}, 16_812_946, 513, 58.3),
    "W48 baseline": (SIX, {"classes": 2, "width": 48, "stem": "hrnet"}, 65_848_850, 128, 11.67),
    "W18 baseline": (SIX, {"classes": 2, "width": 18, "stem": "hrnet"}, 9_638_240, 128, 2.31),
}


@pytest.mark.parametrize("case", HRNETS)
def test_hrnet(case):
    """docs/reference/networks.md, "HRNet" and "Other networks" (landcover3m Table 5: 16,812,946)."""
    bands, config, parameters, side, cost = HRNETS[case]
    network = made(HRNet, bands, HRNetConfig(**config))
    assert parameter_count(network) == parameters
    if side:
        assert gflop(network, 1, len(bands), side, side) == pytest.approx(cost, rel=0.002)


def test_hrnet_stage_by_stage():
    """docs/reference/networks.md, "HRNet", stage parameters."""
    network = made(HRNet, PLANET, HRNetConfig(classes=10))
    assert parameter_count(network.stem) == 39_424
    assert parameter_count(network.layer1) == 286_208
    assert parameter_count(network.first) + parameter_count(network.transitions[0]) == 166_032
    assert sum(parameter_count(part) for part in network.transitions[1:]) == 207_936
    assert [parameter_count(stage) for stage in network.stages] == [220_176, 3_840_576, 11_918_304]
    assert parameter_count(network.head) == 134_290
    assert parameter_count(made(HRNet, PLANET, HRNetConfig()).head) == 133_207


JOINTSEGS = {
    "default": ({}, 6_680_084, 14.24),
    "wide": (WIDE, 14_014_908, 36.4),
    "small": (SMALL, 3_712_804, 5.16),
}


@pytest.mark.parametrize("case", JOINTSEGS)
def test_jointseg(case):
    """docs/reference/networks.md, "JointSeg" and "JointSeg: cost": MFLOP per 10-m pixel, 10 optical and 2 SAR bands."""
    config, parameters, cost = JOINTSEGS[case]
    network = made(JointSeg, TWELVE, JointSegConfig(**config))
    assert parameter_count(network) == parameters
    assert gflop(network, 1, 12, 64, 64) * 1e3 / 64**2 == pytest.approx(cost, rel=0.001)


def test_eight_dates_cost_seven_more_stems():
    """docs/reference/networks.md, "JointSeg: cost": 15.35 MFLOP per pixel."""
    assert gflop(made(JointSeg, TWELVE), 1, 8, 12, 64, 64) * 1e3 / 64**2 == pytest.approx(15.35, rel=0.001)


def test_the_literal_cascade():
    """docs/reference/networks.md, "Prog-ESRGAN" and "JointSeg: cost": two RRDB stages and a U-Net at 1 m, MFLOP per
    10-m pixel.
    """
    network = made(ProgESRGAN, S2)
    parts = (network.first, network.second, network.unet)
    assert [parameter_count(part) for part in parts] == [16_697_987, 16_699_715, 31_037_698]
    assert parameter_count(network) == 64_435_400
    assert gflop(network.first, 1, 3, 32, 32) * 1e3 / 32**2 == pytest.approx(35.85, rel=0.001)
    assert gflop(network.second, 1, 6, 128, 128) * 1e3 / 32**2 == pytest.approx(547.3, rel=0.001)
    assert gflop(network.unet, 1, 3, 320, 320) * 1e3 / 32**2 == pytest.approx(147.0, rel=0.001)
    assert gflop(network, 1, 10, 32, 32) * 1e3 / 32**2 == pytest.approx(730.2, rel=0.001)


def test_the_discriminator():
    """docs/reference/networks.md, "Prog-ESRGAN": Real-ESRGAN's U-Net with spectral normalisation, 64 wide."""
    assert parameter_count(made(Discriminator)) == 4_376_897


BASELINES = {
    "U-Net 64": (UNet, WIDE_UNET, 31_039_426, 24.14),
    "U-Net 32": (UNet, UNetConfig(), 7_764_450, 6.08),
    "FCN-8s 4096": (FCN8s, FCN8sConfig(fc=4096), 134_272_006, 13.90),
    "FCN-8s 1024": (FCN8s, FCN8sConfig(), 41_460_742, 10.94),
    "FCN-ResNet50": (FCNResNet50, FCNResNet50Config(), 32_956_674, 17.37),
    "DeepLabV3+": (DeepLabV3Plus, DeepLabV3PlusConfig(), 26_700_402, 4.78),
    "FC-DenseNet56": (FCDenseNet, FCDenseNetConfig(size="56"), 1_376_354, 5.81),
    "FC-DenseNet67": (FCDenseNet, FCDenseNetConfig(), 3_461_938, 13.61),
    "FC-DenseNet103": (FCDenseNet, FCDenseNetConfig(size="103"), 9_321_074, 13.08),
}


@pytest.mark.parametrize("case", BASELINES)
def test_baselines(case):
    """docs/reference/networks.md, "Other networks": 6 bands and 2 classes at 128 x 128."""
    network, config, parameters, cost = BASELINES[case]
    network = made(network, SIX, config)
    assert parameter_count(network) == parameters
    assert gflop(network, 1, 6, 128, 128) == pytest.approx(cost, rel=0.002)


SEGFORMERS = {"b0": 3.8, "b1": 13.7, "b2": 27.5, "b3": 47.3, "b4": 64.1, "b5": 84.7}


@pytest.mark.parametrize("size", SEGFORMERS)
def test_segformer_has_the_size_that_its_paper_prints(size):
    """arXiv 2105.15203, Table 2: millions of parameters for three bands and ADE20K's 150 classes."""
    network = made(SegFormer, RGB, SegFormerConfig(classes=150, size=size))
    assert round(parameter_count(network) / 1e6, 1) == SEGFORMERS[size]


def test_segformer_b0_to_the_last_parameter():
    """docs/reference/networks.md, "SegFormer": encoder and decoder added up by hand from the paper's tables."""
    network = made(SegFormer, RGB, SegFormerConfig(classes=150))
    narrow, fuse, head = 512 * 256 + 4 * 256, 1024 * 256 + 2 * 256, 256 * 150 + 150
    assert parameter_count(network) - parameter_count(network.encoder) == narrow + fuse + head == 433_302
    assert parameter_count(network) == 3_752_694
