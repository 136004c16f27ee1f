"""Which filters of a network can be removed, and what each removal touches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from torch import nn

from isamap.training.models import constructor_values
from isamap.training.models.bilinear import BilinearUNet
from isamap.training.models.classical import SVM, RandomForest
from isamap.training.models.crofusenet import CroFuseNet
from isamap.training.models.deeplabv3plus import DeepLabV3Plus
from isamap.training.models.densenet import FCDenseNet
from isamap.training.models.ensemble import Ensemble
from isamap.training.models.esrgan import ProgESRGAN
from isamap.training.models.fcn8s import FCN8s
from isamap.training.models.fcn_resnet50 import FCNResNet50
from isamap.training.models.hrnet import BasicBlock, HRNet, ResolutionExchange
from isamap.training.models.jointseg import JointSeg
from isamap.training.models.layers import DoubleConv, check_choice
from isamap.training.models.mlp import MLP
from isamap.training.models.output import Network
from isamap.training.models.resnet import Bottleneck
from isamap.training.models.runetpp import RUNetPP
from isamap.training.models.segformer import SegFormer
from isamap.training.models.slim import WHOLE, WITHIN_BLOCKS, Slim
from isamap.training.models.spectral_index import SpectralIndex
from isamap.training.models.student import Student
from isamap.training.models.temporal import UTAE
from isamap.training.models.unet import UNet


@dataclass(frozen=True)
class Reader:
    """A convolution that reads a group's channels, from its input channel `first` on."""

    conv: str
    first: int = 0


@dataclass(frozen=True)
class Group:
    """Filters that are kept or removed together: number j of every maker's, and what reads them.

    makers: a convolution and its batch normalisation each, by their names in the network. kept: how many stay. at: the
    buffer that says where the kept ones are added, where they keep their places in a sum.
    """

    filters: int
    kept: int
    makers: tuple[tuple[str, str], ...]
    readers: tuple[Reader, ...] = ()
    at: str = ""


def groups_of(network: Network, slim: Slim) -> tuple[Group, ...]:
    """All groups of which filters go; ValueError where the network cannot be pruned, or already was."""
    find_groups = GROUPS.get(type(network))
    if find_groups is None:
        prunable = ", ".join(sorted(network_type.__name__ for network_type in GROUPS))
        why = UNPRUNED.get(type(network), "isamap does not know its blocks")
        raise ValueError(f"{type(network).__name__} cannot be pruned ({why}): filter pruning is for {prunable}")
    if (constructor_values(network) | vars(network.config))["prune"] != WHOLE:
        raise ValueError("this network was pruned before: prune the checkpoint it was made from, with a larger --ratio")
    groups = tuple(group for group in find_groups(network, slim) if group.kept < group.filters)
    if not groups:
        raise ValueError(
            f"ratio {slim.ratio:g} rounded to {slim.round_to} removes no filter of this network: "
            "use a larger --ratio, or --round-to 1"
        )
    return groups


def hrnet_groups(network: HRNet, slim: Slim) -> Iterator[Group]:
    """HRNet's (LandCover3m section 3.4): block-inner channels; by scheme also block ends, or all that the sums tie
    together.

    The stem stays: instance normalisation follows its first convolution. The last block's end before a fusion stays in
    any scheme but groups.
    """
    yield from _inner(network, slim)
    if slim.scheme == "literal":
        yield from _ends(network, slim)
    if slim.scheme == "groups":
        for group in (_layer1(network), *_branches(network), *_chains(network), _hidden(network)):
            yield replace(group, kept=slim.outer(group.filters))


def block_groups(network: Network, slim: Slim) -> Iterator[Group]:
    """Channels that only the next convolution of a U-Net's or a ResNet's block reads; other schemes are refused."""
    check_choice(f"scheme of {type(network).__name__}", slim.scheme, WITHIN_BLOCKS[1:])
    for name, module in network.named_modules():
        if isinstance(module, DoubleConv):
            filters, makers = _filters(network, f"{name}.0.0"), ((f"{name}.0.0", f"{name}.0.1"),)
            yield Group(filters, slim.inner(filters), makers, (Reader(f"{name}.1.0"),))
    yield from _inner(network, slim)


def _inner(network: Network, slim: Slim) -> Iterator[Group]:
    for name, block in network.named_modules():
        count = {BasicBlock: 2, Bottleneck: 3}.get(type(block), 0)
        for conv_number in range(1, count):
            filters = getattr(block, f"conv{conv_number}").out_channels
            makers, reader = (
                ((f"{name}.conv{conv_number}", f"{name}.bn{conv_number}"),),
                Reader(f"{name}.conv{conv_number + 1}"),
            )
            yield Group(filters, slim.inner(filters), makers, (reader,))


def _ends(network: HRNet, slim: Slim) -> Iterator[Group]:
    """Block ends that are added to what goes past the block."""
    for name, block in network.layer1.named_children():
        if not isinstance(block, Bottleneck):
            raise TypeError(f"layer1.{name} of {type(network).__name__} is no bottleneck")
        yield _end(f"layer1.{name}", 3, block.conv3.out_channels, slim)
        if block.downsample is not None:
            path, filters = f"layer1.{name}.downsample", block.downsample.outputs
            yield Group(filters, slim.added(filters), ((f"{path}.0", f"{path}.1"),), at=f"{path}.at")
    for name, exchange in _exchanges(network):
        for branch, blocks in enumerate(exchange.branches):
            for block_index in range(len(list(blocks.children())) - 1):
                path = f"{name}.branches.{branch}.{block_index}"
                yield _end(path, 2, _filters(network, f"{path}.conv2"), slim)


def _end(block: str, conv: int, filters: int, slim: Slim) -> Group:
    return Group(filters, slim.added(filters), ((f"{block}.conv{conv}", f"{block}.bn{conv}"),), at=f"{block}.at")


def _layer1(network: HRNet) -> Group:
    blocks = [f"layer1.{block_index}" for block_index in range(len(network.layer1))]
    makers = [(f"{block}.conv3", f"{block}.bn3") for block in blocks]
    makers.append(("layer1.0.downsample.0", "layer1.0.downsample.1"))
    readers = [f"{block}.conv1" for block in blocks[1:]] + ["first.0", "transitions.0.0"]
    return _tied(network, makers, [Reader(name) for name in readers])


def _branches(network: HRNet) -> Iterator[Group]:
    """A branch's channels from its transition to the head: the identity sums of all modules tie them together."""
    # The head reads all branches side by side: where each one's channels begin.
    starts = list(accumulate(network.widths, initial=0))
    for branch in range(len(network.widths)):
        first = "first" if branch == 0 else f"transitions.{branch - 1}"
        makers, readers = [(f"{first}.0", f"{first}.1")], []
        if branch and branch < len(network.transitions):
            readers.append(Reader(f"transitions.{branch}.0"))
        for name, exchange in _exchanges(network):
            if branch < len(exchange.branches):
                for block_index in range(len(list(exchange.branches[branch].children()))):
                    block = f"{name}.branches.{branch}.{block_index}"
                    makers.append((f"{block}.conv2", f"{block}.bn2"))
                    readers.append(Reader(f"{block}.conv1"))
                makers += [_last(*path) for path in _paths(name, exchange) if path[0] == branch]
                readers += [_opening(*path) for path in _paths(name, exchange) if path[1] == branch]
        yield _tied(network, makers, [*readers, Reader("head.0", starts[branch])])


def _chains(network: HRNet) -> Iterator[Group]:
    """Between the halvings of a fusion's way from a finer branch."""
    for name, exchange in _exchanges(network):
        for target, source, path in _paths(name, exchange):
            for step in range(target - source - 1):
                yield _tied(network, [(f"{path}.{step}.0", f"{path}.{step}.1")], [Reader(f"{path}.{step + 1}.0")])


def _hidden(network: HRNet) -> Group:
    return _tied(network, [("head.0", "head.1")], [Reader("head.3")])


def _exchanges(network: HRNet) -> Iterator[tuple[str, ResolutionExchange]]:
    return ((name, module) for name, module in network.named_modules() if isinstance(module, ResolutionExchange))


def _paths(exchange_name: str, exchange: ResolutionExchange) -> Iterator[tuple[int, int, str]]:
    """Target, source and name of every way between two branches of a fusion."""
    every = range(len(exchange.branches))
    for target in every:
        for source in every:
            if source != target:
                yield target, source, f"{exchange_name}.fusion.paths.{target}.{source}"


def _last(target: int, source: int, path: str) -> tuple[str, str]:
    path = path if source > target else f"{path}.{target - source - 1}"
    return f"{path}.0", f"{path}.1"


def _opening(target: int, source: int, path: str) -> Reader:
    return Reader(f"{path}.0" if source > target else f"{path}.0.0")


def _filters(network: nn.Module, conv: str) -> int:
    module = network.get_submodule(conv)
    if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        raise TypeError(f"{conv} of {type(network).__name__} is no convolution")
    return module.out_channels


def _tied(network: nn.Module, makers: list[tuple[str, str]], readers: list[Reader]) -> Group:
    filters = _filters(network, makers[0][0])
    return Group(filters, filters, tuple(makers), tuple(readers))


# network -> its groups by a rule of widths; such a network's constructor values are prune, ratio and round_to
GROUPS: dict[type[nn.Module], Callable[..., Iterator[Group]]] = {
    BilinearUNet: block_groups,
    CroFuseNet: block_groups,
    DeepLabV3Plus: block_groups,
    FCNResNet50: block_groups,
    HRNet: hrnet_groups,
    RUNetPP: block_groups,
    UNet: block_groups,
}
# network -> why not: filters are silenced by the batch normalisation behind them, and read by few
_BARE = "its convolutions have no batch normalisation, by which filters are silenced"
# DenseNet normalises what a convolution reads, not what it gives, and each reader has statistics of its own.
_ALL_READ = "each of its filters is read by all later layers of its block"
UNPRUNED: dict[type[nn.Module], str] = {
    **dict.fromkeys((FCN8s, JointSeg, ProgESRGAN, SegFormer), _BARE),
    **dict.fromkeys((MLP, RandomForest, SVM, SpectralIndex, Student), "it looks at single pixels and has no filters"),
    FCDenseNet: _ALL_READ,
    UTAE: "its dates are normalised by groups of filters, by which none can be silenced",
    Ensemble: "prune its members, then join them",
}
