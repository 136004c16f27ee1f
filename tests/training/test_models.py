"""The networks: sizes of docs/reference/networks.md, shapes, gradients, reach, bands by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isamap.training.models import build, parameter_count
from isamap.training.models.cost import flop
from isamap.training.models.crofusenet import CroFuseConfig, CrossFusion
from isamap.training.models.layers import SqueezeExcitation

S2, S1 = ("B2", "B3", "B4", "B8"), ("VV", "VH")
SMALL = (4, 8, 12)


@pytest.mark.long
@pytest.mark.parametrize(
    ("config", "parameters", "gflop"),
    [
        ({"up": "bilinear"}, 38_828_610, 31.02),
        ({"head": "1x1"}, 36_214_434, 24.52),
        ({"head": "conv_bn_relu"}, 36_215_976, 24.575),
        ({"widths": (8, 16, 32, 64, 128)}, 2_269_070, 1.56),
    ],
)
def test_crofusenet_has_the_sizes_of_its_switches(config, parameters, gflop):
    """docs/reference/networks.md, "CroFuseNet: sizes": the switches, 4 optical and 2 SAR bands; its cases stand in
    test_listing.py.
    """
    with torch.device("meta"):
        network = build("crofusenet", S2 + S1, config).eval()
    assert parameter_count(network) == parameters
    assert flop(network, 128) / 1e9 == pytest.approx(gflop, abs=0.006)


def test_crofusenet_without_fusion_and_aggregation_is_the_unet():
    """docs/reference/networks.md, "CroFuseNet: open points": Case 1's shared branch is the U-Net baseline."""
    case_1 = build("crofusenet", S2 + S1, {"cfm": "none", "mfa": False})
    shared = [m for n, m in case_1.named_children() if n.startswith("shared")]
    assert sum(parameter_count(module) for module in shared) == parameter_count(build("unet", S2 + S1))


NETWORKS = [
    ("crofusenet", {"widths": SMALL}),
    ("crofusenet", {"widths": SMALL, "cfm": "concat", "mfa": False, "up": "bilinear"}),
    ("crofusenet", {"widths": SMALL, "cfm": "none", "head": "conv_bn_relu"}),
    ("unet", {"widths": SMALL}),
    ("unet", {"widths": SMALL, "up": "bilinear", "head": "1x1", "classes": 7}),
]


@pytest.mark.parametrize(("name", "config"), NETWORKS)
def test_every_parameter_gets_a_finite_gradient(name, config):
    torch.manual_seed(0)
    network = build(name, S2 + S1, config)
    output = network(torch.randn(2, 6, 32, 32))
    sum(logits.square().sum() for logits in (output.logits_BKHW, *output.side_logits)).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0 or ".excite" in parameter_name or ".squeeze" in parameter_name, (
            parameter_name
        )


def test_squeeze_excitation_sees_the_whole_window():
    assert build("crofusenet", S2 + S1, {"widths": SMALL}).halo is None


def test_crofusenet_finds_optical_and_sar_bands_by_name():
    """The same bands in another order, with the same weights, give the same logits."""
    torch.manual_seed(1)
    sorted_bands, mixed = S2 + S1, ("VV", "B2", "B3", "VH", "B4", "B8")
    network = build("crofusenet", sorted_bands, {"widths": SMALL}).eval()
    second = build("crofusenet", mixed, {"widths": SMALL}).eval()
    second.load_state_dict(network.state_dict())
    x = torch.randn(1, 6, 16, 16)
    shuffled = x[:, [sorted_bands.index(name) for name in mixed]]
    assert torch.equal(network(x).logits_BKHW, second(shuffled).logits_BKHW)


def test_cross_fusion_multiplies_and_takes_the_larger():
    """CroFuseNet eqs. 3 to 5: products beside maxima; then the level above, pooled, beside their fusion."""
    fusion = CrossFusion(2, 3, CroFuseConfig(widths=(2, 2)))
    fusion.optical = fusion.sar = fusion.fuse = fusion.join = torch.nn.Identity()
    o, s, above = torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4), torch.rand(1, 3, 8, 8)
    expected = torch.cat((o * s, torch.where(o > s, o, s), above.reshape(1, 3, 4, 2, 4, 2).amax(dim=(3, 5))), dim=1)
    assert torch.equal(fusion(o, s, above), expected)


def test_squeeze_excitation_weights_channels_by_their_means():
    """CroFuseNet eqs. 7 to 10 written with numpy."""
    attention = SqueezeExcitation(4, 2)
    x = torch.randn(2, 4, 6, 6)
    p = {name: value.detach().numpy() for name, value in attention.named_parameters()}
    means = x.numpy().mean(axis=(2, 3))
    hidden = np.maximum(means @ p["squeeze.weight"].T + p["squeeze.bias"], 0)
    weights = 1 / (1 + np.exp(-(hidden @ p["excite.weight"].T + p["excite.bias"])))
    np.testing.assert_allclose(attention(x).detach().numpy(), x.numpy() * weights[:, :, None, None], rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: build("resnet", S2), "model 'resnet' is not known: choose one of crofusenet"),
        (lambda: build("unet", S2, {"cfm": "none"}), "unet has no constructor value cfm"),
        (lambda: build("crofusenet", S2), "needs at least one optical and one SAR band"),
        (lambda: build("crofusenet", S2 + S1, {"cfm": "add"}), "choose one of cross, concat, none"),
        (lambda: build("unet", ("B2", "B2")), "each once"),
        (
            lambda: build("unet", S2)(torch.zeros(1, 4, 128, 120)),
            "128 x 120 pixels: both sides must be multiples of 16",
        ),
        (lambda: build("unet", S2)(torch.zeros(1, 3, 128, 128)), "3 channels"),
    ],
)
def test_wrong_networks_and_inputs_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_jointseg_of_one_step_is_the_first_step_of_two():
    """With the same weights, logits and image of four times the size are what the second step starts from."""
    small = {"widths": (4, 6), "blocks": 1, "middle": 4, "middle_blocks": 1, "fine": 4, "fine_blocks": 1}
    bands, x = ("B4", "B3", "B2"), torch.randn(1, 3, 8, 8)
    two, one = (build("jointseg", bands, {**small, "steps": steps}).eval() for steps in (2, 1))
    one.load_state_dict({name: value for name, value in two.state_dict().items() if name in one.state_dict()})
    with torch.no_grad():
        whole, first = two(x), one(x)
    assert one.scale == 4 and first.logits_BKHW.shape == (1, 2, 32, 32)
    torch.testing.assert_close(first.logits_BKHW, whole.side_logits[0])
    torch.testing.assert_close(first.image, whole.image_4x)
