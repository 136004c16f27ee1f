"""The networks as the papers and their comparisons have them, with the bands, classes and patch that each counts on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.models.jointseg import SMALL, WIDE
from training.models.runetpp import PLAIN

S2_10M = ("B2", "B3", "B4", "B8")
SAR = ("VV", "VH")
S002_BANDS = (*S2_10M, *SAR)
S2_TEN = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
S000_BANDS = (*S2_TEN, *SAR)
S001_BANDS = ("B4", "B3", "B2")
UNET64: dict[str, Any] = {"widths": (64, 128, 256, 512, 1024), "head": "1x1"}
CASES: dict[str, dict[str, Any]] = {
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


def _s002(model: str, bands: tuple[str, ...] = S002_BANDS, **config: Any) -> Configuration:
    return Configuration("S002", model, bands, config)


def _s001(**config: Any) -> Configuration:
    return Configuration("S001", "runetpp", S001_BANDS, config, 512, 16.0)


def _s003(**config: Any) -> Configuration:
    """PlanetScope: four bands, 513-px crops of 3 m."""
    return Configuration("S003", "hrnet", S2_10M, config, 513, 3.0)


def _s000(model: str, side_px: int, bands: tuple[str, ...] = S000_BANDS, *, dates: int = 0, **config: Any):
    return Configuration("S000", model, bands, config, side_px, 10.0, dates)


# name -> configuration; parameters and operations of each are in docs/reference/networks.md and in tests
CONFIGURATIONS: dict[str, Configuration] = {
    "crofusenet (case 5)": _s002("crofusenet"),
    **{f"crofusenet {case}": _s002("crofusenet", **config) for case, config in CASES.items()},
    "unet 32": _s002("unet"),
    "unet 32, S2 alone": _s002("unet", S2_10M),
    "unet 32, S1 alone": _s002("unet", SAR),
    "unet 64": _s002("unet", **UNET64),
    "fcn8s fc 4096": _s002("fcn8s", fc=4096),
    "fcn8s fc 1024": _s002("fcn8s"),
    "fcn_resnet50": _s002("fcn_resnet50"),
    "deeplabv3plus": _s002("deeplabv3plus"),
    "hrnet W48": _s002("hrnet", classes=2, width=48, stem="hrnet", norm="batch"),
    "hrnet W18": _s002("hrnet", classes=2, width=18, stem="hrnet", norm="batch"),
    "random_forest": _s002("random_forest"),
    "svm": _s002("svm"),
    "runetpp table": _s001(),
    "runetpp text": _s001(variant="text"),
    "runetpp dilated": _s001(variant="dilated"),
    "runetpp baseline": _s001(**PLAIN),
    "hrnet, 10 outputs": _s003(classes=10),
    "hrnet, 7 classes": _s003(),
    "hrnet, stem one": _s003(stem="one"),
    "hrnet, stem hrnet": _s003(classes=10, stem="hrnet"),
    "hrnet pruned A8": _s003(classes=10, prune="inner", ratio=0.4, round_to=8),
    "hrnet pruned C8": _s003(classes=10, prune="groups", ratio=0.4, round_to=8),
    "hrnet pruned literal": _s003(classes=10, prune="literal", ratio=0.4),
    "fcdensenet 56": Configuration("S003", "fcdensenet", S002_BANDS, {"size": "56"}),
    "fcdensenet 67": Configuration("S003", "fcdensenet", S002_BANDS),
    "fcdensenet 103": Configuration("S003", "fcdensenet", S002_BANDS, {"size": "103"}),
    "jointseg lean": _s000("jointseg", 64),
    "jointseg, 8 dates": _s000("jointseg", 64, dates=8),
    "jointseg wide": _s000("jointseg", 64, **WIDE),
    "jointseg small": _s000("jointseg", 64, **SMALL),
    "progesrgan literal": _s000("progesrgan", 32, S2_TEN),
    "bilinear_unet": _s000("bilinear_unet", 64),
}
