"""The stated halo is the truth: nothing beyond it arrives, something one pixel nearer does, tiles equal the whole."""

from __future__ import annotations

import pytest
import torch

from isamap.training.models.bilinear import BilinearUNet, BilinearUNetConfig
from isamap.training.models.crofusenet import CroFuseConfig, CroFuseNet
from isamap.training.models.deeplabv3plus import DeepLabV3Plus
from isamap.training.models.densenet import FCDenseNet, FCDenseNetConfig
from isamap.training.models.esrgan import ProgESRGAN, ProgESRGANConfig
from isamap.training.models.fcn8s import FCN8s, FCN8sConfig
from isamap.training.models.fcn_resnet50 import FCNResNet50, FCNResNet50Config
from isamap.training.models.hrnet import HRNet, HRNetConfig
from isamap.training.models.jointseg import JointSeg, JointSegConfig
from isamap.training.models.runetpp import PLAIN, RUNetPP, RUNetPPConfig
from isamap.training.models.unet import UNet, UNetConfig
from tests.support.one_thread import one_thread  # noqa: F401

BANDS = ("B4", "B3", "B2", "VV")
THIN = {"base": 4}
JOINT = {"widths": (4, 6, 8), "blocks": 1, "middle": 4, "middle_blocks": 1, "fine": 4, "fine_blocks": 1}

FINITE = {
    "unet": lambda: UNet(BANDS, UNetConfig(widths=(4,) * 3)),
    "unet bilinear": lambda: UNet(BANDS, UNetConfig(widths=(4,) * 5, up="bilinear")),
    "unet 1x1": lambda: UNet(BANDS, UNetConfig(widths=(4,) * 5, head="1x1")),
    "crofusenet none": lambda: CroFuseNet(BANDS, CroFuseConfig(widths=(4,) * 3, cfm="none")),
    "crofusenet concat": lambda: CroFuseNet(BANDS, CroFuseConfig(widths=(4,) * 5, cfm="concat")),
    "crofusenet bilinear": lambda: CroFuseNet(
        BANDS, CroFuseConfig(widths=(4,) * 3, cfm="concat", up="bilinear", mfa=False)
    ),
    "runetpp baseline": lambda: RUNetPP(BANDS, RUNetPPConfig(**PLAIN, **THIN)),
    "runetpp spatial": lambda: RUNetPP(
        BANDS,
        RUNetPPConfig(**THIN, channel_att=False, aspp=False, gates=("spatial", "spatial", "none", "bem")),
    ),
    "runetpp text": lambda: RUNetPP(
        BANDS, RUNetPPConfig(**(PLAIN | {"gates": ("spatial",) * 4}), **THIN, variant="text")
    ),
    "runetpp dilated": lambda: RUNetPP(BANDS, RUNetPPConfig(**PLAIN, **THIN, variant="dilated")),
    "hrnet paper": lambda: HRNet(BANDS, HRNetConfig(width=2, norm="batch")),
    "hrnet one": lambda: HRNet(BANDS, HRNetConfig(width=2, norm="batch", stem="one")),
    "hrnet original": lambda: HRNet(BANDS, HRNetConfig(width=2, norm="batch", stem="hrnet")),
    "fcn8s": lambda: FCN8s(BANDS, FCN8sConfig(fc=4, base=4)),
    "fcn_resnet50": lambda: FCNResNet50(BANDS, FCNResNet50Config(width=4, **THIN)),
    "fcdensenet56": lambda: FCDenseNet(BANDS, FCDenseNetConfig(size="56")),
    "jointseg": lambda: JointSeg(BANDS, JointSegConfig(**JOINT)),
    "jointseg blocks": lambda: JointSeg(BANDS, JointSegConfig(**(JOINT | {"blocks": 2, "middle_blocks": 2}))),
    "jointseg flat": lambda: JointSeg(BANDS, JointSegConfig(**(JOINT | {"widths": (4,)}))),
    "jointseg one step": lambda: JointSeg(BANDS, JointSegConfig(**JOINT, steps=1)),
    "bilinear_unet": lambda: BilinearUNet(BANDS, BilinearUNetConfig(widths=(2, 2, 2))),
    "bilinear_unet deep": lambda: BilinearUNet(BANDS, BilinearUNetConfig(widths=(2,) * 5)),
    "nearest_unet x4": lambda: BilinearUNet(BANDS, BilinearUNetConfig(widths=(2, 2, 2), times=4, method="nearest")),
    "progesrgan": lambda: ProgESRGAN(BANDS, ProgESRGANConfig(features=4, growth=2, blocks=1, widths=(2, 2, 2))),
}
WHOLE_WINDOW = {
    "runetpp": lambda: RUNetPP(BANDS, RUNetPPConfig(**THIN)),
    "runetpp channel attention": lambda: RUNetPP(BANDS, RUNetPPConfig(**(PLAIN | {"channel_att": True}), **THIN)),
    "runetpp pyramid": lambda: RUNetPP(BANDS, RUNetPPConfig(**(PLAIN | {"aspp": True}), **THIN)),
    "runetpp channel gate": lambda: RUNetPP(
        BANDS, RUNetPPConfig(**(PLAIN | {"gates": ("none", "none", "channel", "none")}), **THIN)
    ),
    "hrnet": lambda: HRNet(BANDS),
    "deeplabv3plus": lambda: DeepLabV3Plus(BANDS),
}


LARGE = ("fcdensenet56", "hrnet one", "runetpp dilated")


def across(upright: bool, *, always: bool = True) -> list:
    """Every network with this direction of its strip; the large ones, or all if not `always`, in the long tests."""
    long = {name for name in FINITE if name in LARGE or not always}
    return [pytest.param(name, upright, marks=[pytest.mark.long] if name in long else []) for name in FINITE]


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return FINITE[name]().double().eval()


def strip(made, columns: int, *, upright: bool) -> torch.Tensor:
    """One tile high (or wide) and long the other way, which keeps large receptive fields cheap."""
    x = torch.randn(1, len(BANDS), made.multiple, columns, dtype=torch.float64)
    return x.transpose(2, 3).contiguous() if upright else x


@torch.no_grad()
def logits(made, x: torch.Tensor, *, upright: bool) -> torch.Tensor:
    values = made(x).logits_BKHW
    return values.transpose(2, 3) if upright else values


@pytest.mark.long
@pytest.mark.parametrize(("name", "upright"), [*across(False), *across(True, always=False)])
def test_a_tile_with_its_halo_equals_the_whole_image(name, upright):
    """docs/reference/performance.md, "P3", in float64."""
    made = network(name)
    step = made.multiple
    halo = -(-made.halo // step) * step
    x = strip(made, 2 * halo + 5 * step, upright=upright)
    start, stop = halo + 2 * step, halo + 3 * step
    columns = slice(start - halo, stop + halo)
    output = logits(made, x[:, :, columns] if upright else x[..., columns], upright=upright)
    full = logits(made, x, upright=upright)
    inside, tile = (slice(made.scale * a, made.scale * b) for a, b in ((halo, halo + step), (start, stop)))
    assert (output[..., inside] - full[..., tile]).abs().max() < 1e-12
    assert full.std() > 1e-6


@pytest.mark.long
@pytest.mark.parametrize(("name", "upright"), [*across(True), *across(False, always=False)])
def test_the_stated_halo_is_exact(name, upright):
    """NaN spreads as far as the network looks: none arrives from beyond `halo`, some from one pixel nearer."""
    made = network(name)
    pad = -(-(made.halo + 1) // made.multiple) * made.multiple
    assert not leaks(made, made.halo, pad, upright=upright)
    assert leaks(made, made.halo - 1, pad, upright=upright)


def leaks(made, reach: int, pad: int, *, upright: bool) -> bool:
    """Whether NaN beyond `reach` pixels of a tile of one period arrives in its logits."""
    step = made.multiple
    x = strip(made, 2 * pad + step, upright=False)
    x[..., : pad - reach] = float("nan")
    x[..., pad + step + reach :] = float("nan")
    x = x.transpose(2, 3).contiguous() if upright else x
    values = logits(made, x, upright=upright)
    return bool(values[..., made.scale * pad : made.scale * (pad + step)].isnan().any())


@pytest.mark.parametrize("name", WHOLE_WINDOW)
def test_networks_that_see_the_whole_window_say_so(name):
    with torch.device("meta"):
        assert WHOLE_WINDOW[name]().halo is None


def test_the_papers_receptive_field_is_of_this_size():
    """LandCover3m section 5.2 prints 1439 px without saying how it was counted; docs/reference/networks.md, "HRNet"
    finds 1391 to 1419.
    """
    with torch.device("meta"):
        reach = HRNet(BANDS, HRNetConfig(norm="batch")).reach()
    spans = [reach.last(i) - reach.first(i) + 1 for i in range(160, 192)]
    assert 1391 <= min(spans) <= max(spans) <= 1439
