"""Exact numbers of parameters and of floating-point operations of docs/reference/networks.md, on torch's
meta device.
"""

from __future__ import annotations

import pytest
import torch

from isamap.training.models import parameter_count
from isamap.training.models.cost import operations
from isamap.training.models.esrgan import Discriminator, ProgESRGAN
from isamap.training.models.hrnet import HRNet, HRNetConfig
from isamap.training.models.resnet import ResNet50
from isamap.training.models.runetpp import PLAIN, RUNetPP, RUNetPPConfig
from isamap.training.models.segformer import SegFormer, SegFormerConfig
from tests.support.one_thread import one_thread  # noqa: F401

RGB = ("B4", "B3", "B2")
PLANET = ("B2", "B3", "B4", "B8")
S2 = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")


def made(network, *arguments):
    """A network without memory: shapes only."""
    with torch.device("meta"):
        return network(*arguments).eval()


def gflop(network, *shape: int) -> float:
    """Convolutions and matrix products, 2 per multiply-add (test_listing.py holds the counter against torch's)."""
    return operations(network, shape) / 1e9


STAGE3 = {"channel_att_at": "stage3"}
RUNETPP = {
    "dilated, as checkpoints of 0.1": ({"variant": "dilated"}, 54_601_041, 306.5),
    "gates of Table 2": ({"gates": ("spatial", "dual", "channel", "bem"), **STAGE3}, 83_449_313, 314.7),
    "Exp-A": (PLAIN | {"spatial_att": True}, 63_832_740, 269.3),
    "Exp-B": (PLAIN | {"channel_att": True, **STAGE3}, 63_964_802, 269.3),
    "Exp-C": (PLAIN | {"aspp": True}, 81_664_834, 278.2),
    "Exp-D": (PLAIN | {"skip_att": True}, 65_295_050, 286.5),
}


@pytest.mark.long
@pytest.mark.parametrize("case", RUNETPP)
def test_runetpp(case):
    """docs/reference/networks.md, "RU-Net++: sizes": 3 bands at 512 x 512; the others stand in test_listing.py."""
    config, parameters, cost = RUNETPP[case]
    network = made(RUNetPP, RGB, RUNetPPConfig(**config))
    assert parameter_count(network) == parameters
    assert gflop(network, 1, 3, 512, 512) == pytest.approx(cost, rel=0.001)


def test_the_encoder_is_resnet50_without_its_classifier():
    """docs/reference/networks.md, "RU-Net++: sizes"; torchvision's resnet50 has 25,557,032 of which fc 2,049,000."""
    assert parameter_count(made(ResNet50, 3)) == 23_508_032 == 25_557_032 - 2_049_000


def test_hrnet_stage_by_stage():
    """docs/reference/networks.md, "HRNet", stage parameters."""
    network = made(HRNet, PLANET, HRNetConfig(classes=10))
    assert parameter_count(network.stem) == 39_424
    assert parameter_count(network.layer1) == 286_208
    assert parameter_count(network.first) + parameter_count(network.transitions[0]) == 166_032
    assert sum(parameter_count(piece) for piece in network.transitions[1:]) == 207_936
    assert [parameter_count(stage) for stage in network.stages] == [220_176, 3_840_576, 11_918_304]
    assert parameter_count(network.head) == 134_290
    assert parameter_count(made(HRNet, PLANET, HRNetConfig()).head) == 133_207


@pytest.mark.long
def test_the_literal_cascade():
    """docs/reference/networks.md, "Prog-ESRGAN" and "JointSeg: cost": two RRDB stages and a U-Net at 1 m, MFLOP per
    10-m pixel.
    """
    network = made(ProgESRGAN, S2)
    parts = (network.first, network.second, network.unet)
    assert [parameter_count(piece) for piece in parts] == [16_697_987, 16_699_715, 31_037_698]
    assert parameter_count(network) == 64_435_400
    assert gflop(network.first, 1, 3, 32, 32) * 1e3 / 32**2 == pytest.approx(35.85, rel=0.001)
    assert gflop(network.second, 1, 6, 128, 128) * 1e3 / 32**2 == pytest.approx(547.3, rel=0.001)
    assert gflop(network.unet, 1, 3, 320, 320) * 1e3 / 32**2 == pytest.approx(147.0, rel=0.001)
    assert gflop(network, 1, 10, 32, 32) * 1e3 / 32**2 == pytest.approx(730.2, rel=0.001)


@pytest.mark.long
def test_the_discriminator():
    """docs/reference/networks.md, "Prog-ESRGAN": Real-ESRGAN's U-Net with spectral normalisation, 64 wide."""
    assert parameter_count(made(Discriminator)) == 4_376_897


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
