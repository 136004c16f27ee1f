"""The networks by name; each takes named bands and gives `Output`. `module:Class` names one of another package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from torch import nn

from isamap.training.models.bilinear import BilinearUNet, BilinearUNetConfig
from isamap.training.models.classical import SVM, RandomForest, RandomForestConfig, SVMConfig
from isamap.training.models.crofusenet import CroFuseConfig, CroFuseNet
from isamap.training.models.deeplabv3plus import DeepLabV3Plus, DeepLabV3PlusConfig
from isamap.training.models.densenet import FCDenseNet, FCDenseNetConfig
from isamap.training.models.ensemble import Ensemble, EnsembleConfig
from isamap.training.models.esrgan import ProgESRGAN, ProgESRGANConfig
from isamap.training.models.fcn8s import FCN8s, FCN8sConfig
from isamap.training.models.fcn_resnet50 import FCNResNet50, FCNResNet50Config
from isamap.training.models.hrnet import HRNet, HRNetConfig
from isamap.training.models.jointseg import JointSeg, JointSegConfig
from isamap.training.models.mlp import MLP, MLPConfig
from isamap.training.models.output import Network, Output, is_sar
from isamap.training.models.runetpp import RUNetPP, RUNetPPConfig
from isamap.training.models.segformer import SegFormer, SegFormerConfig
from isamap.training.models.spectral_index import SpectralIndex, SpectralIndexConfig
from isamap.training.models.student import Student, StudentConfig
from isamap.training.models.temporal import UTAE, UTAEConfig
from isamap.training.models.unet import UNet, UNetConfig
from isamap.training.plugins import address, is_address, load

__all__ = [
    "MODELS",
    "Network",
    "Output",
    "build",
    "constructor_values",
    "full_name",
    "is_sar",
    "model_named",
    "parameter_count",
    "stated",
]


@dataclass(frozen=True)
class Model:
    """A network's class, its constructor values' class, where it comes from, and values that make it small.

    small: constructor values with which a step takes milliseconds; what holds for every network is tested with them.
    """

    network: type[Network]
    config: type
    paper: str
    small: Mapping[str, Any] = field(default_factory=dict)


def build(name: str, bands: Sequence[str], config: Mapping[str, Any] | None = None) -> Network:
    """The named network for these bands; `config` overrides its constructor values.

    Weights are random: seed torch before. ValueError for an unknown name or constructor value.
    """
    model = model_named(name)
    values = dict(config or {})
    value_names = {value.name for value in fields(model.config)}
    if unknown := sorted(set(values) - value_names):
        raise ValueError(
            f"{name} has no constructor value {', '.join(unknown)}: it knows {', '.join(sorted(value_names))}"
        )
    make: Callable[..., Network] = model.network  # every network takes its bands and its own class of values
    return make(bands, model.config(**values))


# Set from here: an ensemble builds its members by this registry, which knows its class, and that would be a circle.
Ensemble.made = staticmethod(build)


def constructor_values(network: Network) -> dict[str, Any]:
    """The constructor values of a network but its bands, as `build` takes them; JSON can hold them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in stated(network.config).items()}


def stated(config: Any) -> dict[str, Any]:
    """A dataclass's values but later ones that hold their default (models/validity.py)."""
    unstated = {f.name for f in fields(config) if f.metadata.get("later") and getattr(config, f.name) == f.default}
    return {name: value for name, value in asdict(config).items() if name not in unstated}


def parameter_count(network: nn.Module) -> int:
    """Trainable numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def model_named(name: str) -> Model:
    """The registry's entry, or that of another package (training/plugins.py); ValueError for a name of neither."""
    if name == ENSEMBLE:  # of trained networks: nothing that is trained, so no entry of the registry
        return Model(Ensemble, EnsembleConfig, "mean of several networks")
    if is_address(foreign := full_name(name)):
        return _foreign(foreign)
    if name not in MODELS and name not in DISTILLED:
        raise ValueError(f"model {name!r} is not known: choose one of {', '.join(MODELS)}")
    return MODELS[name] if name in MODELS else DISTILLED[name]


def full_name(name: str) -> str:
    """The name that a checkpoint keeps: ours as it is, of another package's entry point its `module:Class`."""
    return name if name in MODELS or name in DISTILLED else address("network", name)


def _foreign(name: str) -> Model:
    """A network of another package: a `Model`, or a `Network` whose class attribute `Config` is its values' class."""
    entry = load("network", name)
    if isinstance(entry, Model):
        return entry
    if not (isinstance(entry, type) and issubclass(entry, Network)):
        raise ValueError(f"network {name} is a {type(entry).__name__}: expected a class derived from isamap's Network")
    config = getattr(entry, "Config", None)
    if not (isinstance(config, type) and is_dataclass(config)):
        raise ValueError(f"network {name} lacks the class attribute Config: a dataclass of its constructor values")
    return Model(entry, config, f"of package {name.partition('.')[0].partition(':')[0]}")


ENSEMBLE = "ensemble"
_SMALL_UNET = {"widths": (4, 6, 8)}
MODELS: dict[str, Model] = {
    "crofusenet": Model(CroFuseNet, CroFuseConfig, "CroFuseNet, DOI 10.1109/JSTARS.2023.3250461", small=_SMALL_UNET),
    "unet": Model(UNet, UNetConfig, "CroFuseNet's U-Net baseline", small=_SMALL_UNET),
    "runetpp": Model(RUNetPP, RUNetPPConfig, "RU-Net++", small={"base": 8, "aspp_mid": 8}),
    "hrnet": Model(
        HRNet,
        HRNetConfig,
        "LandCover3m's HRNet with instance normalisation, DOI 10.3390/rs12091418",
        small={"width": 4},
    ),
    "jointseg": Model(
        JointSeg,
        JointSegConfig,
        "JointSeg, arXiv 2505.05367; blocks ours",
        small={**_SMALL_UNET, "middle": 6, "fine": 4},
    ),
    "bilinear_unet": Model(
        BilinearUNet, BilinearUNetConfig, "JointSeg's comparison: bilinear enlargement, then U-Net", small=_SMALL_UNET
    ),
    "progesrgan": Model(
        ProgESRGAN,
        ProgESRGANConfig,
        "JointSeg's Prog-ESRGAN and U-Net at 1 m; details ours",
        small={**_SMALL_UNET, "features": 6, "growth": 4, "blocks": 1},
    ),
    "fcn8s": Model(FCN8s, FCN8sConfig, "CroFuseNet's FCN baseline (Long et al., 2015)", small={"fc": 8, "base": 4}),
    "fcn_resnet50": Model(
        FCNResNet50, FCNResNet50Config, "FCN on ResNet-50 at output stride 8", small={"base": 4, "width": 8}
    ),
    "deeplabv3plus": Model(
        DeepLabV3Plus,
        DeepLabV3PlusConfig,
        "CroFuseNet's DeepLabV3+ baseline (Chen et al., 2018)",
        small={"base": 4, "width": 8, "early": 4},
    ),
    "fcdensenet": Model(
        FCDenseNet, FCDenseNetConfig, "LandCover3m's FC-DenseNet baseline (Jegou et al., 2017)", small={"size": "56"}
    ),
    "segformer": Model(SegFormer, SegFormerConfig, "SegFormer, arXiv 2105.15203", small={"base": 4, "decoder": 8}),
    "utae": Model(UTAE, UTAEConfig, "U-TAE, arXiv 2107.07933, light", small={"widths": (8, 16), "heads": 4}),
    "mlp": Model(MLP, MLPConfig, "a perceptron of each pixel, of embeddings", small={"hidden": (4,)}),
    "random_forest": Model(
        RandomForest, RandomForestConfig, "CroFuseNet's RF baseline, per pixel (Breiman, 2001)", small={"trees": 3}
    ),
    "svm": Model(SVM, SVMConfig, "CroFuseNet's SVM baseline, per pixel"),
    "index": Model(SpectralIndex, SpectralIndexConfig, "an index and its threshold", small={"index": "pisi"}),
}
# networks that learn from another network's probabilities (inference/student): no recipe trains them
DISTILLED: dict[str, Model] = {
    "student": Model(Student, StudentConfig, "ours: a checkpoint inside Earth Engine", small={"hidden": (4,)}),
}
