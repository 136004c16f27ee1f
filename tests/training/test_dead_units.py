"""Hidden units of channel attention that start dead: counted on patches, told before the first step."""

from __future__ import annotations

import pytest
import torch

from isamap.training import train
from isamap.training.fitting.dead_units import DeadUnits, dead_units
from isamap.training.models import build, constructor_values
from isamap.training.models.layers import SqueezeExcitation
from isamap.training.recipes import recipe
from tests.support.one_thread import one_thread  # noqa: F401

BANDS = ("B2", "B3", "VV")


@pytest.fixture
def network():
    """Four blocks, two of each level, with biases that no image can turn: all units alive."""
    torch.manual_seed(0)
    network = build("crofusenet", BANDS, {"widths": (8, 16), "least_hidden": 4})
    for block in blocks(network):
        torch.nn.init.constant_(block.squeeze.bias, 1e6)
    return network


def blocks(network):
    return [module for module in network.modules() if isinstance(module, SqueezeExcitation)]


def test_units_and_whole_blocks_are_counted(network):
    first, second, *_ = blocks(network)
    torch.nn.init.constant_(first.squeeze.bias, -1e6)
    with torch.no_grad():
        second.squeeze.bias[1] = -1e6
    assert dead_units(network, torch.randn(3, 3, 16, 16)) == DeadUnits(5, 16, 1, 4)


def test_a_unit_that_one_image_wakes_is_not_dead(network):
    block = blocks(network)[0]
    seen = []
    block.squeeze.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = torch.randn(3, 3, 16, 16)
    dead_units(network, x)
    with torch.no_grad():  # unit 0 answers to the first image alone
        means = seen[0] - seen[0].mean(dim=0)
        block.squeeze.weight[0], block.squeeze.bias[0] = means[0], -(seen[0][1:] @ means[0]).max() - 1e-6
    assert dead_units(network, x).units == 0


def test_counting_changes_neither_weights_nor_statistics_nor_chance(network):
    before, random = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    dead_units(network, torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.long
def test_training_tells_it_before_the_first_step(hamlet, tmp_path, capsys):
    settings = {"model.widths": "4,8,8", "model.least_hidden": "1", "epochs": "1", "batch": "4", "seed": "0"}
    train(hamlet, "crofusenet-tiny", tmp_path / "run", settings=settings)
    assert "of 6 hidden units that give 0" in capsys.readouterr().err


@pytest.mark.long
def test_a_network_without_channel_attention_tells_nothing(hamlet, tmp_path, capsys):
    train(hamlet, "unet-tiny", tmp_path / "run", settings={"model.widths": "4,8", "epochs": "1", "batch": "4"})
    assert "hidden units" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "values"), [("crofusenet", {"widths": (8, 16)}), ("runetpp", {"base": 8})])
def test_checkpoints_that_do_not_say_it_keep_their_network(name, values):
    """Constructor values without it: c // 16 hidden units, at least 1."""
    former = build(name, ("B2", "B3", "VV"), values)
    assert "least_hidden" not in constructor_values(former)
    assert {block.squeeze.out_features for block in blocks(former)} == {
        max(1, block.squeeze.in_features // 16) for block in blocks(former)
    }
    assert blocks(build(name, BANDS, {**recipe(name).config, **values}))[0].squeeze.out_features >= 4


def test_attention_of_former_checkpoints_stays_after_the_last_layer():
    def places(config):
        return {
            name.split(".")[1] for name in build("runetpp", BANDS, config).state_dict() if name[:10] == "attention."
        }

    assert places({"base": 8}) == {"1", "4"}
    assert places({"base": 8, **recipe("runetpp").config}) == {"1", "3"}
