"""Pretrained encoders: published names mapped one to one, bands by name, licence kept; files made here by their layout.

The layouts are written down from the public programs (torchvision's resnet50, HRNet-Image-Classification, NVlabs'
SegFormer), apart from the rules under test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

import isamap
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.weights_file import read_weights
from isamap.training.models import build
from isamap.training.runs.backbone import Backbone, inflated
from tests.support.one_thread import one_thread  # noqa: F401

SIX = ("B2", "B3", "B4", "B8", "VV", "VH")
RGB = ("B4", "B3", "B2")
RESNETS = {"runetpp": {"base": 4, "aspp_mid": 8}, "fcn_resnet50": {"base": 4, "width": 8}, "deeplabv3plus": {"base": 4}}


def conv(name: str, outputs: int, inputs: int, side: int) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", torch.randn(outputs, inputs, side, side)


def norm(name: str, channels: int) -> Iterator[tuple[str, Tensor]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", torch.rand(channels) + 0.5
    yield f"{name}.num_batches_tracked", torch.tensor(7)


def bottleneck(name: str, inputs: int, width: int, project: bool) -> Iterator[tuple[str, Tensor]]:
    for number, (outputs, side) in enumerate(((width, 1), (width, 3), (4 * width, 1)), start=1):
        yield from conv(f"{name}.conv{number}", outputs, inputs if number == 1 else width, side)
        yield from norm(f"{name}.bn{number}", outputs)
    if project:
        yield from conv(f"{name}.downsample.0", 4 * width, inputs, 1)
        yield from norm(f"{name}.downsample.1", 4 * width)


def resnet50(base: int = 64, channels: int = 3, classes: int = 1000) -> dict[str, Tensor]:
    """A state_dict with the names and shapes of torchvision's resnet50."""
    torch.manual_seed(3)
    state = dict([*conv("conv1", base, channels, 7), *norm("bn1", base)])
    inputs = base
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            state |= dict(bottleneck(f"layer{layer}.{block}", inputs, base * 2 ** (layer - 1), block == 0))
            inputs = 4 * base * 2 ** (layer - 1)
    return state | {"fc.weight": torch.zeros(classes, inputs), "fc.bias": torch.zeros(classes)}


def hrnet(width: int, channels: int = 3) -> dict[str, Tensor]:
    """A state_dict with the names and shapes of HRNet-Image-Classification's HRNetV2, its classifier left out."""
    torch.manual_seed(4)
    state = dict([*conv("conv1", 64, channels, 3), *norm("bn1", 64), *conv("conv2", 64, 64, 3), *norm("bn2", 64)])
    for block in range(4):
        state |= dict(bottleneck(f"layer1.{block}", 64 if block == 0 else 256, 64, block == 0))
    widths = [width * 2**branch for branch in range(4)]
    state |= dict([*conv("transition1.0.0", width, 256, 3), *norm("transition1.0.1", width)])
    for stage, modules in ((1, 1), (2, 4), (3, 3)):
        source = 256 if stage == 1 else widths[stage - 1]
        place = f"transition{stage}.{stage}.0"
        state |= dict([*conv(f"{place}.0", widths[stage], source, 3), *norm(f"{place}.1", widths[stage])])
        for module in range(modules):
            state |= dict(exchange(f"stage{stage + 1}.{module}", widths[: stage + 1]))
    return state


def exchange(name: str, widths: list[int]) -> Iterator[tuple[str, Tensor]]:
    for branch, width in enumerate(widths):
        for block in range(4):
            for number in (1, 2):
                yield from conv(f"{name}.branches.{branch}.{block}.conv{number}", width, width, 3)
                yield from norm(f"{name}.branches.{branch}.{block}.bn{number}", width)
    for target in range(len(widths)):
        for source in range(len(widths)):
            place = f"{name}.fuse_layers.{target}.{source}"
            if source > target:
                yield from conv(f"{place}.0", widths[target], widths[source], 1)
                yield from norm(f"{place}.1", widths[target])
            for step in range(target - source):
                outputs = widths[target] if step == target - source - 1 else widths[source]
                yield from conv(f"{place}.{step}.0", outputs, widths[source], 3)
                yield from norm(f"{place}.{step}.1", outputs)


def mix_transformer(base: int, channels: int = 3) -> dict[str, Tensor]:
    """A state_dict with the names and shapes of NVlabs' mit_b0."""
    torch.manual_seed(5)
    state: dict[str, Tensor] = {}

    def dense(name: str, outputs: int, inputs: int, *sides: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(outputs, inputs, *sides), torch.randn(outputs)

    def layer_norm(name: str, width: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.rand(width), torch.randn(width)

    inputs = channels
    for stage, (factor, reduction) in enumerate(zip((1, 2, 5, 8), (8, 4, 2, 1), strict=True), start=1):
        width, side = base * factor, 7 if stage == 1 else 3
        dense(f"patch_embed{stage}.proj", width, inputs, side, side)
        layer_norm(f"patch_embed{stage}.norm", width)
        for block in range(2):
            name, inputs = f"block{stage}.{block}", width
            for part in ("norm1", "norm2", *(["attn.norm"] if reduction > 1 else [])):
                layer_norm(f"{name}.{part}", width)
            dense(f"{name}.attn.q", width, width)
            dense(f"{name}.attn.kv", 2 * width, width)
            dense(f"{name}.attn.proj", width, width)
            if reduction > 1:
                dense(f"{name}.attn.sr", width, width, reduction, reduction)
            dense(f"{name}.mlp.fc1", 4 * width, width)
            dense(f"{name}.mlp.fc2", width, 4 * width)
            dense(f"{name}.mlp.dwconv.dwconv", 4 * width, 1, 3, 3)
        layer_norm(f"norm{stage}", width)
    return state


@pytest.mark.parametrize("model", RESNETS)
def test_every_tensor_of_a_resnet50_is_taken_over(model, tmp_path):
    state, network = resnet50(base=4), build(model, RGB, RESNETS[model])
    torch.save(state, tmp_path / "resnet50.pth")
    start = Backbone(tmp_path / "resnet50.pth").into(network)
    assert (start.taken, start.unused, start.inflated) == (318, 2, ())
    ours = network.encoder.state_dict()
    assert len(ours) == 318
    for name, tensor in state.items():
        if not name.startswith("fc."):
            mapped = name.replace("conv1.", "stem.0.", 1) if name.startswith("conv1.") else name
            mapped = mapped.replace("bn1.", "stem.1.", 1) if name.startswith("bn1.") else mapped
            if name.startswith("layer"):
                mapped = f"layers.{int(name[5]) - 1}{name[6:]}"
            assert torch.equal(ours[mapped], tensor), name


def test_the_whole_hrnet_but_its_head_is_taken_over(tmp_path):
    state = hrnet(4)
    network = build("hrnet", RGB, {"width": 4, "stem": "hrnet", "norm": "batch"})
    head = {name: tensor.clone() for name, tensor in network.state_dict().items() if name.startswith("head.")}
    safetensors.torch.save_file(state, tmp_path / "hrnet.safetensors")
    start = Backbone(tmp_path / "hrnet.safetensors").into(network)
    assert (start.taken, start.unused) == (len(state), 0) == (len(network.state_dict()) - len(head), 0)
    assert torch.equal(network.state_dict()["stages.2.2.fusion.paths.3.0.2.0.weight"],
                       state["stage4.2.fuse_layers.3.0.2.0.weight"])  # fmt: skip
    assert torch.equal(network.state_dict()["transitions.1.0.weight"], state["transition2.2.0.0.weight"])
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in head.items())


def test_a_mix_transformer_is_taken_over(tmp_path):
    state, network = mix_transformer(4), build("segformer", RGB, {"base": 4, "decoder": 8})
    safetensors.torch.save_file(state, tmp_path / "mit.safetensors")
    start = Backbone(tmp_path / "mit.safetensors").into(network)
    assert (start.taken, start.unused) == (len(state), 0)
    assert torch.equal(network.encoder[1].blocks[0].mlp.dwconv.bias, state["block2.0.mlp.dwconv.dwconv.bias"])


def test_a_mix_transformer_of_the_same_weights_gives_the_authors_features():
    """Against torch's own attention, which has one matrix for query, key and value."""
    network = build("segformer", RGB, {"base": 4, "decoder": 8, "drop_path": 0.0}).eval()
    attention = network.encoder[3].blocks[0].attn  # no reduction
    theirs = torch.nn.MultiheadAttention(32, 8, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat((attention.q.weight, attention.kv.weight)))
        theirs.in_proj_bias.copy_(torch.cat((attention.q.bias, attention.kv.bias)))
        theirs.out_proj.load_state_dict(attention.proj.state_dict())
        x = torch.randn(2, 6, 32)
        torch.testing.assert_close(attention(x, (2, 3)), theirs(x, x, x)[0], atol=1e-5, rtol=1e-4)


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path):
    state = resnet50(base=4)
    del state["layer3.4.bn2.bias"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"it lacks what the network calls encoder\.layers\.2\.4\.bn2\.bias"):
        Backbone(tmp_path / "a.pth").into(build("fcn_resnet50", RGB, RESNETS["fcn_resnet50"]))


@pytest.mark.parametrize("prefix", ["module.encoder_q.", "backbone."])
def test_a_prefix_and_a_wrapper_do_not_matter(prefix, tmp_path):
    """SSL4EO-S12's MoCo files, and torchvision's segmentation networks."""
    wrapped = {"epoch": 3, "state_dict": {prefix + name: tensor for name, tensor in resnet50(base=4).items()}}
    torch.save(wrapped, tmp_path / "moco.pth")
    assert Backbone(tmp_path / "moco.pth").into(build("fcn_resnet50", RGB, RESNETS["fcn_resnet50"])).taken == 318


def test_bands_are_taken_by_name_and_others_start_from_the_mean(tmp_path):
    """Half as many bands in the file: every filter counts half."""
    state, network = resnet50(base=4), build("fcn_resnet50", SIX, RESNETS["fcn_resnet50"])
    torch.save(state, tmp_path / "resnet50.pth")
    start = Backbone(tmp_path / "resnet50.pth").into(network)
    assert (start.kept, start.inflated) == (("B2", "B3", "B4"), ("B8", "VV", "VH"))
    red, green, blue = state["conv1.weight"].unbind(dim=1)
    mean = (red + green + blue) / 3
    expected = torch.stack((blue, green, red, mean, mean, mean), dim=1) / 2
    torch.testing.assert_close(network.encoder.stem[0].weight.detach(), expected)


def test_fewer_bands_keep_their_filters():
    weight = torch.randn(2, 3, 3, 3)
    assert torch.equal(inflated(weight, RGB, ("B3", "B4")), weight[:, [1, 0]])
    radar = torch.randn(2, 2, 3, 3)
    assert torch.equal(inflated(radar, ("VV", "VH"), ("VH_asc", "VV_desc")), radar[:, [1, 0]])


def test_thirteen_channels_are_sentinel_2s(tmp_path):
    state, network = resnet50(base=4, channels=13), build("fcn_resnet50", SIX[:4], RESNETS["fcn_resnet50"])
    torch.save(state, tmp_path / "ssl4eo.pth")
    Backbone(tmp_path / "ssl4eo.pth").into(network)
    assert torch.equal(network.encoder.stem[0].weight, state["conv1.weight"][:, [1, 2, 3, 7]])


@pytest.fixture
def small(tmp_path) -> Path:
    torch.save(resnet50(base=4, channels=4), tmp_path / "four.pth")
    return tmp_path / "four.pth"


def test_other_channels_need_their_bands(small):
    network = build("fcn_resnet50", SIX[:4], RESNETS["fcn_resnet50"])
    with pytest.raises(ValueError, match="reads 4 bands, name them by --backbone-bands"):
        Backbone(small).into(network)
    with pytest.raises(ValueError, match="reads 4 bands, 2 are named by --backbone-bands"):
        Backbone(small, ("B4", "B8")).into(network)
    assert Backbone(small, ("B8", "B4", "B3", "B2")).into(network).kept == ("B2", "B3", "B4", "B8")


@pytest.mark.long
def test_an_encoder_of_another_size_is_refused(small):
    with pytest.raises(ValueError, match=r"encoder.stem.1.weight is \(4,\) there and \(8,\) in the network"):
        Backbone(small, SIX[:4]).into(build("fcn_resnet50", SIX[:4], {"base": 8, "width": 8}))
    with pytest.raises(ValueError, match=r"stem\.1\.weight is \(4,\) there and \(64,\)"):
        Backbone(small, SIX[:4]).into(build("hrnet", SIX[:4], {"width": 4}))
    with pytest.raises(ValueError, match="no published weights of a UNet, only of RUNetPP"):
        Backbone(small, SIX[:4]).into(build("unet", SIX[:4], {"widths": (4, 8)}))


class Evil:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"conv1.weight": Evil(tmp_path / "evil")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"are no plain tensors of torch\.save"):
        read_weights(tmp_path / "evil.pth")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.pth", b"no weights", "are no plain tensors of torch.save"),
        ("a.safetensors", b"no weights", "cannot be read as safetensors"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=words):
        read_weights(tmp_path / name)


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="holds no tensors by name"):
        read_weights(tmp_path / "a.pth")
    with pytest.raises(ValueError, match="there is no such file"):
        read_weights(tmp_path / "b.pth")


@pytest.mark.long
def test_a_run_from_a_backbone_says_so_and_whose_licence_it_has(hamlet, tmp_path, capfd):
    weights = tmp_path / "resnet50.safetensors"
    safetensors.torch.save_file(resnet50(base=4), weights, {"license": "BSD-3-Clause"})
    words = ["train", "--data", str(hamlet), "--recipe", "fcn_resnet50-tiny", "--backbone", str(weights), "--set"]
    sets = ["model.base=4", "model.width=8", "epochs=1", "batch=4", "lr=1e-9"]
    assert isamap.main([*words, *sets, "--out", str(tmp_path / "run")]) == 0
    printed = capfd.readouterr().out
    assert "encoder started from resnet50.safetensors: 318 tensors, 2 not used; bands B2, B3, B4 by name" in printed
    kept = ck.load(tmp_path / "run")
    assert kept.origin["backbone"]["licence"] == "BSD-3-Clause"
    card = (Path(kept.location) / "card.md").read_text()
    assert 'license: "other"' in card and "as far as that of the weights they started from" in card
    deep = kept.build().encoder.layers[3][2].conv3.weight
    torch.testing.assert_close(deep.detach(), resnet50(base=4)["layer4.2.conv3.weight"], atol=1e-6, rtol=0)
    note = json.loads((tmp_path / "run" / "run.json").read_text())
    assert note["backbone"]["sha256"] == kept.origin["backbone"]["sha256"]
    assert isamap.main(["passport", "--checkpoint", str(tmp_path / "run"), "--out", str(tmp_path / "p.json")]) == 0
    item = json.loads((tmp_path / "p.json").read_text())["properties"]
    assert item["license"] == "other" and "licence: BSD-3-Clause" in item["description"]


def test_a_backbone_beside_a_checkpoint_is_refused(hamlet, tmp_path, capsys):
    words = ["train", "--data", str(hamlet), "--out", str(tmp_path / "x"), "--backbone", "a.pth", "--from", "runs/a"]
    assert isamap.main(words) == 2
    assert "leave --backbone out" in capsys.readouterr().err
    assert isamap.main(["train", "--data", str(hamlet), "--out", str(tmp_path / "x"), "--backbone-licence", "MIT"]) == 2
    assert "name it with --backbone" in capsys.readouterr().err
