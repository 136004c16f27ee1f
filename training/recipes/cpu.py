"""CPU-sized variants: networks whose step on a 128-px patch takes about 60 ms on one thread, for a few hundred patches.

They take whatever bands the dataset holds. Larger steps than the papers', as there are few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from training.recipes import ours, papers
from training.recipes.recipe import Recipe

WIDTHS = (8, 16, 32, 64, 128)


def _shrunk(base: Recipe, *, config: dict[str, Any], **changes: Any) -> Recipe:
    """The recipe with a smaller network and the budget that all CPU-sized variants share."""
    budget: dict[str, Any] = {
        "bands": (), "epochs": 20, "batch": 8, "accumulate": 1, "lr": 2e-3, "patience": 10, "crop": 0
    }  # fmt: skip
    return replace(base, name=f"{base.name}-tiny", config=dict(base.config) | config, **(budget | changes))


def crofusenet_tiny() -> Recipe:
    """CroFuseNet of a quarter of the widths (2.3 M parameters) with steps large enough for a CPU's few epochs.

    Takes whatever bands the dataset holds, at least one optical and one SAR.
    """
    return _shrunk(papers.crofusenet(), config={"widths": WIDTHS})


def unet_tiny() -> Recipe:
    """U-Net of a quarter of the widths for CPUs, on whatever bands the dataset holds."""
    return _shrunk(papers.unet(), config={"widths": WIDTHS})


def unet64_tiny() -> Recipe:
    """U-Net of a quarter of the original's widths."""
    return _shrunk(papers.unet64(), config={"widths": tuple(2 * width for width in WIDTHS)})


def fcn8s_tiny() -> Recipe:
    """FCN-8s of a quarter of VGG's widths."""
    return _shrunk(papers.fcn8s(), config={"fc": 128, "base": 16})


def fcn_resnet50_tiny() -> Recipe:
    """FCN-ResNet50 of a quarter of the widths."""
    return _shrunk(papers.fcn_resnet50(), config={"width": 64, "base": 8})


def deeplabv3plus_tiny() -> Recipe:
    """DeepLabV3+ of a quarter of the widths."""
    return _shrunk(papers.deeplabv3plus(), config={"width": 64, "early": 12, "base": 16})


def hrnet_crofusenet_tiny() -> Recipe:
    """CroFuseNet's HRNet baseline of a quarter of the width."""
    return _shrunk(papers.hrnet_crofusenet(), config={"width": 12})


def random_forest_tiny() -> Recipe:
    """Twenty trees on 20,000 pixels, drawn as in the paper-sized recipe."""
    return _shrunk(papers.random_forest(), config={"trees": 20, "pixels": 20_000})


def svm_tiny() -> Recipe:
    """A support vector machine on 4,000 pixels."""
    return _shrunk(papers.svm(), config={"pixels": 4_000})


def runetpp_tiny() -> Recipe:
    """RU-Net++ of a quarter of ResNet's width, on windows of 128 pixels."""
    return _shrunk(papers.runetpp(), config={"base": 8, "aspp_mid": 32, "window": 128})


def hrnet_tiny() -> Recipe:
    """LandCover3m's HRNet of a third of the width, on windows of 128 pixels."""
    config = {"width": 8, "window": 128}
    return _shrunk(papers.hrnet(), config=config, lr=0.02, augment=papers.MOVES)


def unet_landcover3m_tiny() -> Recipe:
    """LandCover3m's U-Net baseline of an eighth of the widths, with hrnet-tiny's settings."""
    return _shrunk(papers.unet_landcover3m(), config={"widths": WIDTHS}, lr=0.02, augment=papers.MOVES)


def fcdensenet_tiny() -> Recipe:
    """LandCover3m's FC-DenseNet baseline in its smallest published size, with hrnet-tiny's settings."""
    return _shrunk(papers.fcdensenet(), config={"size": "56"}, lr=0.02, augment=papers.MOVES)


def jointseg_tiny() -> Recipe:
    """JointSeg of a quarter of the widths."""
    config = {"widths": (16, 32, 48), "blocks": 1, "middle": 12, "middle_blocks": 1, "fine": 8, "fine_blocks": 1}
    return _shrunk(papers.jointseg(), config=config, ema=0.98)


def bilinear_unet_tiny() -> Recipe:
    """The bilinear baseline with as many parameters as jointseg-tiny."""
    return _shrunk(papers.bilinear_unet(), config={"widths": (8, 16, 32, 64)}, ema=0.98)


def progesrgan_tiny() -> Recipe:
    """The cascade with two small dense blocks a stage, a small U-Net and a small discriminator."""
    config = {"features": 8, "growth": 4, "blocks": 1, "widths": (4, 8, 16)}
    values = {"sharp": 1.0, "adversarial": 0.1, "discriminator": 8}
    return _shrunk(papers.progesrgan(), config=config, loss_values=values, ema=0.98)


def segformer_tiny() -> Recipe:
    """SegFormer of half of B0's widths, all layers with one rate."""
    return _shrunk(ours.segformer(), config={"base": 16, "decoder": 64}, warmup=1.0, rates=())


# name -> what makes the recipe
RECIPES: dict[str, Callable[[], Recipe]] = {
    "crofusenet-tiny": crofusenet_tiny,
    "unet-tiny": unet_tiny,
    "unet64-tiny": unet64_tiny,
    "fcn8s-tiny": fcn8s_tiny,
    "fcn_resnet50-tiny": fcn_resnet50_tiny,
    "deeplabv3plus-tiny": deeplabv3plus_tiny,
    "hrnet-crofusenet-tiny": hrnet_crofusenet_tiny,
    "random_forest-tiny": random_forest_tiny,
    "svm-tiny": svm_tiny,
    "runetpp-tiny": runetpp_tiny,
    "hrnet-tiny": hrnet_tiny,
    "unet-landcover3m-tiny": unet_landcover3m_tiny,
    "fcdensenet-tiny": fcdensenet_tiny,
    "jointseg-tiny": jointseg_tiny,
    "bilinear-unet-tiny": bilinear_unet_tiny,
    "progesrgan-tiny": progesrgan_tiny,
    "segformer-tiny": segformer_tiny,
}
