"""The networks as the papers and their comparisons have them, with the bands, classes and patch that each counts on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isamap.training.models.jointseg import SMALL, WIDE
from isamap.training.models.runetpp import PLAIN

S2_10M = ("B2", "B3", "B4", "B8")
SAR = ("VV", "VH")
CROFUSENET_BANDS = (*S2_10M, *SAR)
S2_TEN = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
JOINTSEG_BANDS = (*S2_TEN, *SAR)
RUNETPP_BANDS = ("B4", "B3", "B2")
UNET64: Mapping[str, Any] = {"widths": (64, 128, 256, 512, 1024), "head": "1x1"}
STAGE3: Mapping[str, Any] = {"channel_att_at": "stage3"}  # where Table 2 of RU-Net++ prints channel attention
CASES: Mapping[str, Mapping[str, Any]] = {
    "case1": {"cfm": "none", "mfa": False},
    "case2": {"cfm": "none"},
    "case3": {"mfa": False},
    "case4": {"cfm": "concat"},
}


@dataclass(frozen=True)
class Configuration:
    """A network with constructor values, the bands it is counted with, the side of its patch and its pixels' size."""

    paper: str
    model: str
    bands: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    side_px: int = 128
    step_m: float = 10.0
    dates: int = 0


def _crofusenet(model: str, bands: tuple[str, ...] = CROFUSENET_BANDS, **config: Any) -> Configuration:
    return Configuration("CroFuseNet", model, bands, config)


def _runetpp(**config: Any) -> Configuration:
    return Configuration("RU-Net++", "runetpp", RUNETPP_BANDS, config, 512, 16.0)


def _landcover3m(**config: Any) -> Configuration:
    """PlanetScope: four bands, 513-px crops of 3 m."""
    return Configuration("LandCover3m", "hrnet", S2_10M, config, 513, 3.0)


def _jointseg(model: str, side_px: int, bands: tuple[str, ...] = JOINTSEG_BANDS, *, dates: int = 0, **config: Any):
    return Configuration("JointSeg", model, bands, config, side_px, 10.0, dates)


# name -> configuration; parameters and operations of each are in docs/reference/networks.md and in tests
CONFIGURATIONS: dict[str, Configuration] = {
    "crofusenet (case 5)": _crofusenet("crofusenet"),
    "crofusenet, 4 hidden units": _crofusenet("crofusenet", least_hidden=4),
    **{f"crofusenet {case}": _crofusenet("crofusenet", **config) for case, config in CASES.items()},
    "unet 32": _crofusenet("unet"),
    "unet 32, S2 alone": _crofusenet("unet", S2_10M),
    "unet 32, S1 alone": _crofusenet("unet", SAR),
    "unet 64": _crofusenet("unet", **UNET64),
    "fcn8s fc 4096": _crofusenet("fcn8s", fc=4096),
    "fcn8s fc 1024": _crofusenet("fcn8s"),
    "fcn_resnet50": _crofusenet("fcn_resnet50"),
    "deeplabv3plus": _crofusenet("deeplabv3plus"),
    "hrnet W48": _crofusenet("hrnet", classes=2, width=48, stem="hrnet", norm="batch"),
    "hrnet W18": _crofusenet("hrnet", classes=2, width=18, stem="hrnet", norm="batch"),
    "segformer B0": Configuration("SegFormer", "segformer", CROFUSENET_BANDS),
    "segformer B2": Configuration("SegFormer", "segformer", CROFUSENET_BANDS, {"size": "b2"}),
    "random_forest": _crofusenet("random_forest"),
    "svm": _crofusenet("svm"),
    "runetpp table": _runetpp(**STAGE3),
    "runetpp, attention at the end": _runetpp(),
    "runetpp text": _runetpp(variant="text", **STAGE3),
    "runetpp dilated": _runetpp(variant="dilated", **STAGE3),
    "runetpp baseline": _runetpp(**PLAIN),
    "hrnet, 10 outputs": _landcover3m(classes=10),
    "hrnet, 7 classes": _landcover3m(),
    "hrnet, stem one": _landcover3m(stem="one"),
    "hrnet, stem hrnet": _landcover3m(classes=10, stem="hrnet"),
    "hrnet pruned A8": _landcover3m(classes=10, prune="inner", ratio=0.4, round_to=8),
    "hrnet pruned C8": _landcover3m(classes=10, prune="groups", ratio=0.4, round_to=8),
    "hrnet pruned literal": _landcover3m(classes=10, prune="literal", ratio=0.4),
    "fcdensenet 56": Configuration("LandCover3m", "fcdensenet", CROFUSENET_BANDS, {"size": "56"}),
    "fcdensenet 67": Configuration("LandCover3m", "fcdensenet", CROFUSENET_BANDS),
    "fcdensenet 103": Configuration("LandCover3m", "fcdensenet", CROFUSENET_BANDS, {"size": "103"}),
    "jointseg lean": _jointseg("jointseg", 64),
    "jointseg, 8 dates": _jointseg("jointseg", 64, dates=8),
    "jointseg wide": _jointseg("jointseg", 64, **WIDE),
    "jointseg small": _jointseg("jointseg", 64, **SMALL),
    "progesrgan literal": _jointseg("progesrgan", 32, S2_TEN),
    "bilinear_unet": _jointseg("bilinear_unet", 64),
    "bilinear_unet, 7 levels": _jointseg("bilinear_unet", 64, widths=(24, 36, 60, 100, 160, 256, 352)),
}
