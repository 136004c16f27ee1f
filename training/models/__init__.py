"""The networks by name; each takes named bands and gives `Output`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import nn

from training.models.bilinear import BilinearUNet, BilinearUNetConfig
from training.models.classical import SVM, RandomForest, RandomForestConfig, SVMConfig
from training.models.crofusenet import CroFuseConfig, CroFuseNet
from training.models.deeplabv3plus import DeepLabV3Plus, DeepLabV3PlusConfig
from training.models.densenet import FCDenseNet, FCDenseNetConfig
from training.models.esrgan import ProgESRGAN, ProgESRGANConfig
from training.models.fcn8s import FCN8s, FCN8sConfig
from training.models.fcn_resnet50 import FCNResNet50, FCNResNet50Config
from training.models.hrnet import HRNet, HRNetConfig
from training.models.jointseg import JointSeg, JointSegConfig
from training.models.output import Network, Output, is_sar
from training.models.runetpp import RUNetPP, RUNetPPConfig
from training.models.unet import UNet, UNetConfig

__all__ = ["MODELS", "Network", "Output", "build", "constructor_values", "is_sar", "model_named", "parameter_count"]


@dataclass(frozen=True)
class Model:
    """A network's class, its constructor values' class, and where it comes from."""

    network: type[Network]
    config: type
    paper: str


def build(name: str, bands: Sequence[str], config: Mapping[str, Any] | None = None) -> Network:
    """The named network for these bands; `config` overrides its constructor values.

    Weights are random: seed torch before. ValueError for an unknown name or constructor value.
    """
    model = model_named(name)
    values = dict(config or {})
    known = {field.name for field in fields(model.config)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"{name} has no constructor value {', '.join(unknown)}: it knows {', '.join(sorted(known))}")
    make: Callable[..., Network] = model.network  # every network takes its bands and its own class of values
    return make(bands, model.config(**values))


def constructor_values(network: Network) -> dict[str, Any]:
    """All constructor values of a network but its bands, as `build` takes them; JSON can hold them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(network.config).items()}


def parameter_count(network: nn.Module) -> int:
    """Trainable numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def model_named(name: str) -> Model:
    """The registry's entry; ValueError for a name that is not in it."""
    if name not in MODELS:
        raise ValueError(f"model {name!r} is not known: choose one of {', '.join(MODELS)}")
    return MODELS[name]


MODELS: dict[str, Model] = {
    "crofusenet": Model(CroFuseNet, CroFuseConfig, "S002 CroFuseNet, DOI 10.1109/JSTARS.2023.3250461"),
    "unet": Model(UNet, UNetConfig, "S002's U-Net baseline"),
    "runetpp": Model(RUNetPP, RUNetPPConfig, "S001 RU-Net++"),
    "hrnet": Model(HRNet, HRNetConfig, "S003 HRNet with instance normalisation, DOI 10.3390/rs12091418"),
    "jointseg": Model(JointSeg, JointSegConfig, "S000 JointSeg, arXiv 2505.05367; blocks ours"),
    "bilinear_unet": Model(BilinearUNet, BilinearUNetConfig, "S000's comparison: bilinear enlargement, then U-Net"),
    "progesrgan": Model(ProgESRGAN, ProgESRGANConfig, "S000 Prog-ESRGAN and U-Net at 1 m; details ours"),
    "fcn8s": Model(FCN8s, FCN8sConfig, "S002's FCN baseline (Long et al., 2015)"),
    "fcn_resnet50": Model(FCNResNet50, FCNResNet50Config, "FCN on ResNet-50 at output stride 8"),
    "deeplabv3plus": Model(DeepLabV3Plus, DeepLabV3PlusConfig, "S002's DeepLabV3+ baseline (Chen et al., 2018)"),
    "fcdensenet": Model(FCDenseNet, FCDenseNetConfig, "S003's FC-DenseNet baseline (Jegou et al., 2017)"),
    "random_forest": Model(RandomForest, RandomForestConfig, "S002's RF baseline, per pixel (Breiman, 2001)"),
    "svm": Model(SVM, SVMConfig, "S002's SVM baseline, per pixel"),
}
