"""The names that published weights have of our networks' encoders: rules that turn one into the other.

ResNet-50 as torchvision, timm and SSL4EO-S12 name it; HRNetV2 as HRNet-Image-Classification and timm; the Mix
Transformer as NVlabs/SegFormer. Ours are the names on the right (docs/pretrained.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isamap.training.models.deeplabv3plus import DeepLabV3Plus
from isamap.training.models.fcn_resnet50 import FCNResNet50
from isamap.training.models.hrnet import HRNet
from isamap.training.models.output import Network
from isamap.training.models.runetpp import RUNetPP
from isamap.training.models.segformer import SegFormer

Rule = tuple[str, str]  # pattern of a whole published name, and our name


@dataclass(frozen=True)
class Names:
    """first: a published name by which programs' own prefixes are found. inside: what starts our names."""

    first: str
    rules: tuple[Rule, ...]
    inside: tuple[str, ...]

    def ours(self, published: Iterable[str]) -> dict[str, str]:
        """Published name -> ours, of those that the rules know; a prefix such as "module.encoder_q." does not count."""
        published = list(published)
        prefix = next((name.removesuffix(self.first) for name in published if name.endswith(self.first)), "")
        renamed = {}
        for name in published:
            for pattern, ours in self.rules if name.startswith(prefix) else ():
                if match := re.fullmatch(pattern, name.removeprefix(prefix)):
                    renamed[name] = match.expand(ours)
                    break
        return renamed


def _layers(first: int, last: int, pattern: str, ours: str) -> list[Rule]:
    """A rule for each of the published layers, whose number is one more than ours."""
    return [(pattern.format(layer), ours.format(layer - first)) for layer in range(first, last + 1)]


RESNET = Names(
    "conv1.weight",
    (
        (r"conv1\.(.*)", r"encoder.stem.0.\1"),
        (r"bn1\.(.*)", r"encoder.stem.1.\1"),
        *_layers(1, 4, r"layer{}\.(.*)", r"encoder.layers.{}.\g<1>"),
    ),
    ("encoder.",),
)
HRNET = Names(
    "conv1.weight",
    (
        (r"conv1\.(.*)", r"stem.0.\1"),
        (r"bn1\.(.*)", r"stem.1.\1"),
        (r"conv2\.(.*)", r"stem.3.0.\1"),
        (r"bn2\.(.*)", r"stem.3.1.\1"),
        (r"layer1\.(.*)", r"layer1.\1"),
        (r"transition1\.0\.(.*)", r"first.\1"),
        (r"transition1\.1\.0\.(.*)", r"transitions.0.\1"),
        (r"transition2\.2\.0\.(.*)", r"transitions.1.\1"),
        (r"transition3\.3\.0\.(.*)", r"transitions.2.\1"),
        *_layers(2, 4, r"stage{}\.(\d+)\.branches\.(.*)", r"stages.{}.\g<1>.branches.\g<2>"),
        *_layers(2, 4, r"stage{}\.(\d+)\.fuse_layers\.(.*)", r"stages.{}.\g<1>.fusion.paths.\g<2>"),
    ),
    ("stem.", "layer1.", "first.", "transitions.", "stages."),
)
SEGFORMER = Names(
    "patch_embed1.proj.weight",
    (
        *_layers(1, 4, r"patch_embed{}\.(.*)", r"encoder.{}.embedding.\g<1>"),
        *_layers(1, 4, r"block{}\.(\d+\..*)\.dwconv\.dwconv\.(.*)", r"encoder.{}.blocks.\g<1>.dwconv.\g<2>"),
        *_layers(1, 4, r"block{}\.(.*)", r"encoder.{}.blocks.\g<1>"),
        *_layers(1, 4, r"norm{}\.(.*)", r"encoder.{}.norm.\g<1>"),
    ),
    ("encoder.",),
)
ENCODERS: Mapping[type[Network], Names] = {
    RUNetPP: RESNET,
    FCNResNet50: RESNET,
    DeepLabV3Plus: RESNET,
    HRNet: HRNET,
    SegFormer: SEGFORMER,
}


def names_of(network: Network) -> Names:
    """The published names of a network's encoder.

    A network of another package states its own as the class attribute `published_names`. ValueError where there are
    none.
    """
    names = ENCODERS.get(type(network)) or getattr(network, "published_names", None)
    if not isinstance(names, Names):
        networks = ", ".join(network_class.__name__ for network_class in ENCODERS)
        raise ValueError(
            f"--backbone: there are no published weights of a {type(network).__name__}, only of {networks}"
        )
    return names
