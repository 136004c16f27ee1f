"""Settings of training beyond the papers': schedule, rates, frozen layers, parts of a batch, balanced draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from isamap import training
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.checkpoint import BandNorm
from isamap.training.fitting.task import Task
from isamap.training.models import build
from isamap.training.recipes import Recipe, recipe
from isamap.training.recipes.optimisers import layer_groups, optimiser, schedule
from isamap.training.samples.augment import CHANCES, Augmented, augment
from isamap.training.samples.data import open_source
from isamap.training.samples.patches import BalancedOrder, balanced_weights
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread

TINY = {"model.widths": "4,8", "batch": "4", "augment": "none", "device": "cpu"}


def rates_of(changes: dict, steps: int = 10, epoch: int = 5) -> list[float]:
    selection = recipe("unet-tiny", {"lr": 1.0, **changes})
    made = optimiser(selection, [nn.Parameter(torch.zeros(1))])
    falling, rates = schedule(selection, made, steps, epoch=epoch), []
    for _ in range(steps):
        rates.append(made.param_groups[0]["lr"])
        made.step()
        falling.step()
    return rates


def test_cosine_is_half_a_wave():
    """Loshchilov and Hutter 2017, equation 5 with one period and 0 as its lowest rate."""
    assert rates_of({"schedule": "cosine"}) == pytest.approx(
        [(1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    )


def test_the_rate_rises_in_the_first_epochs():
    assert rates_of({"power": 0.0, "warmup": 0.8}) == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 7])


def test_layers_have_their_own_rates():
    network = build("unet", ("B2", "B3"), {"widths": (4, 8)})
    selection = Recipe("x", "unet", lr=0.5, rates=("encoder:0.1", "encoder.blocks.1:0.01"))
    made = optimiser(selection, layer_groups(network, selection.rates, selection.lr))
    rate = {id(weight): group["lr"] for group in made.param_groups for weight in group["params"]}
    by_name = {name: rate[id(weight)] for name, weight in network.named_parameters()}
    assert by_name["encoder.blocks.0.0.0.weight"] == 0.05
    assert by_name["encoder.blocks.1.0.0.weight"] == 0.005
    assert by_name["head.weight"] == 0.5 and len(by_name) == len(rate)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rates": "encoder"}, "rates=encoder: expected LAYER:FACTOR"),
        ({"rates": "encoder:-1"}, "expected LAYER:FACTOR with a factor of 0 or more"),
        ({"schedule": "step"}, "schedule=step: expected one of poly, cosine"),
        ({"warmup": "-1"}, "warmup=-1: expected 0 or more"),
        (
            {"accumulate": "3", "batch": "8"},
            "batch=8 cannot be cut into accumulate=3 parts for devices=1: use --set batch=9",
        ),
        ({"deterministic": "maybe"}, "deterministic=maybe: expected yes or no, such as deterministic=yes"),
        ({"accumulate": "2", "batch": "6", "devices": "2"}, "accumulate=2 parts for devices=2: use --set batch=8"),
        ({"thaw": "1", "devices": "2"}, "layers thaw on one device only"),
        ({"sampling": "rare"}, "sampling=rare: expected one of each, balanced"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        recipe("unet-tiny", settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"freeze": "backbone"}, "the network has no layer backbone: its layers are encoder, decoder, head"),
        ({"rates": "backbone:0.1"}, "the network has no layer backbone"),
        ({"freeze": "encoder,decoder,head"}, "nothing is left to learn"),
    ],
)
def test_layers_that_are_not_there_are_refused_before_a_folder_is_claimed(hamlet, tmp_path, settings, words):
    with pytest.raises(ValueError, match=words):
        training.train(hamlet, "unet-tiny", tmp_path / "run", settings={**TINY, **settings})
    assert not (tmp_path / "run").exists()


def test_frozen_layers_keep_weights_and_statistics(hamlet, tmp_path):
    selection = {**TINY, "epochs": "2", "freeze": "encoder"}
    torch.manual_seed(recipe("unet-tiny").seed)
    before = build("unet", ("B2", "B3", "B4", "B8", "VV", "VH"), {"widths": (4, 8)}).state_dict()
    run = training.train(hamlet, "unet-tiny", tmp_path / "run", settings=selection)
    after = ck.load(run.folder / "last").build().state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed and not [name for name in changed if name.startswith("encoder.")]


def test_frozen_layers_thaw(hamlet, tmp_path, monkeypatch):
    learning, original = [], Task.training_step

    def noting(task, batch, at):
        encoder = task.network.encoder
        learning.append((next(encoder.parameters()).requires_grad, encoder.blocks[0][0][1].training))
        return original(task, batch, at)

    monkeypatch.setattr(Task, "training_step", noting)
    selection = {**TINY, "epochs": "2", "freeze": "encoder", "thaw": "1"}
    training.train(hamlet, "unet-tiny", tmp_path / "run", settings=selection)
    assert learning == [(False, False)] * 2 + [(True, True)] * 2


@pytest.mark.long
def test_parts_of_a_batch_learn_what_the_whole_does(hamlet, tmp_path):
    """FCN-8s has no batch normalisation; without dropout its gradient is the mean of those of the parts."""
    selection = {
        "model.fc": "8",
        "model.base": "4",
        "model.dropout": "0",
        "epochs": "2",
        "augment": "none",
        "optimiser": "sgd",
    }
    states = []
    for parts in ("1", "4"):
        settings = {**selection, "batch": "8", "accumulate": parts, "device": "cpu", "ema": "0.5"}
        run = training.train(hamlet, "fcn8s-tiny", tmp_path / parts, settings=settings)
        states.append(ck.load(run.folder / "last").build().state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.long
@pytest.mark.parametrize(("word", "expected"), [("yes", True), ("no", False)])
def test_deterministic_algorithms_are_a_setting(hamlet, tmp_path, monkeypatch, word, expected):
    actual = []
    original = Task.training_step

    def noting(self, *arguments):
        actual.append(torch.are_deterministic_algorithms_enabled())
        return original(self, *arguments)

    monkeypatch.setattr(Task, "training_step", noting)
    training.train(hamlet, "unet-tiny", tmp_path, settings={"epochs": "1", "deterministic": word, "device": "cpu"})
    assert set(actual) == {expected}


def test_a_later_setting_is_in_json_only_where_it_is_set():
    """Runs and checkpoints of before keep their bytes."""
    later = {"schedule", "warmup", "rates", "freeze", "thaw", "accumulate", "sampling", "deterministic"}
    assert not later & set(recipe("unet").to_json())
    stored = recipe("unet", {"rates": "encoder:0.1", "schedule": "cosine"}).to_json()
    assert stored["rates"] == ["encoder:0.1"] and stored["schedule"] == "cosine" and "warmup" not in stored


def test_balanced_draws_make_classes_equally_likely(make):
    """Three patches are bare, one is all built: half of the draws are to be of that one."""

    def change(image, label):
        label[:] = change.count == 3
        change.count += 1
        return image, label

    change.count = 0
    data = make(spread(4, 1, 1), change=change).storage.url
    source = open_source([data])
    weights = balanced_weights(source.split("train"))
    np.testing.assert_allclose(weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2])
    order = BalancedOrder(np.repeat(weights, 500) / 500, seed=1)
    drawn = np.array(list(order))
    assert len(drawn) == 2000 and (drawn >= 1500).mean() == pytest.approx(0.5, abs=0.05)
    assert list(order) == drawn.tolist()
    order.set_epoch(1)
    assert list(order) != drawn.tolist()


def images(dates: int = 0) -> Augmented:
    shape = (40, *([dates] if dates else []), 3, 4, 4)
    image, valid = torch.randn(shape), torch.rand(shape) > 0.2
    return Augmented(image.masked_fill(~valid, 0.0), valid, torch.zeros(40, 4, 4, dtype=torch.uint8))


@pytest.mark.parametrize("dates", [0, 2])
def test_jitter_is_a_gain_and_an_offset_of_each_band(dates):
    batch = images(dates)
    chances = np.random.default_rng(0).random((40, CHANCES))
    made = augment(batch, chances, ["jitter"])
    assert not made.image_BCHW[~batch.valid_BCHW].any() and torch.equal(made.valid_BCHW, batch.valid_BCHW)
    flat, jittered, valid = (x.movedim(-3, 1).flatten(2) for x in (batch.image_BCHW, made.image_BCHW, batch.valid_BCHW))
    gains = []
    for patch in range(40):
        for band in range(3):
            keep = valid[patch, band]
            gain, offset = np.polyfit(flat[patch, band][keep], jittered[patch, band][keep], 1)
            np.testing.assert_allclose(gain * flat[patch, band][keep] + offset, jittered[patch, band][keep], atol=1e-4)
            assert 0.8 <= gain <= 1.2 and -0.2 <= offset <= 0.2
            gains.append(round(float(gain), 6))
    assert len(set(gains)) == 120
    assert torch.equal(augment(batch, chances, ["jitter"]).image_BCHW, made.image_BCHW)


@pytest.mark.parametrize("dates", [0, 2])
def test_a_dropped_band_is_missing_on_all_dates(dates):
    batch = images(dates)
    made = augment(batch, np.random.default_rng(1).random((40, CHANCES)), ["drop"])
    lost = (batch.valid_BCHW & ~made.valid_BCHW).movedim(-3, 1).flatten(2).any(dim=2)
    assert lost.sum(dim=1).max() == 1 and 4 <= lost.sum() <= 16 and lost.any(dim=0).all()
    assert not made.image_BCHW[~made.valid_BCHW].any()
    gone = ~made.valid_BCHW.movedim(-3, 1).flatten(2)[lost]
    assert gone.all()


def of_units(*units: str) -> tuple[BandNorm, ...]:
    return tuple(BandNorm(f"band {at}", unit, 0.0, 1.0) for at, unit in enumerate(units))


@pytest.mark.parametrize("dates", [0, 2])
def test_a_dropped_sensor_takes_its_bands_and_no_other(dates):
    """Counted by hand: of three bands the last is in dB; a quarter of patches lose bands 0 and 1, or band 2."""
    batch = replace(images(dates), bands=of_units("reflectance", "reflectance", "dB"))
    made = augment(batch, np.random.default_rng(1).random((40, CHANCES)), ["sensor"])
    lost = (batch.valid_BCHW & ~made.valid_BCHW).movedim(-3, 1).flatten(2).any(dim=2)
    kinds = {tuple(row) for row in lost.tolist()}
    assert kinds == {(False, False, False), (True, True, False), (False, False, True)} and 4 <= lost[:, 0].sum() <= 16
    assert not made.image_BCHW[~made.valid_BCHW].any()


def test_an_image_of_one_sensor_keeps_it():
    batch = replace(images(0), bands=of_units(*["reflectance"] * 3))
    made = augment(batch, np.zeros((40, CHANCES)), ["sensor"])
    assert torch.equal(made.valid_BCHW, batch.valid_BCHW)
