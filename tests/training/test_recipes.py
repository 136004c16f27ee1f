"""Recipes: the paper's settings, and settings typed after --set."""

from __future__ import annotations

import json

import pytest

from training.losses import build_loss
from training.models import build, parameter_count
from training.recipes import RECIPES, override, recipe

SIX = ("B2", "B3", "B4", "B8", "VV", "VH")


def test_crofusenet_is_the_papers():
    """S002 section IV-A and III-B: Adam 1e-4, poly 0.9, batch 32, 400 epochs, patience 50, loss 1 / 1 / 0.8."""
    found = recipe("crofusenet")
    assert (found.lr, found.power, found.batch, found.epochs, found.patience) == (1e-4, 0.9, 32, 400, 50)
    assert found.bands == SIX
    assert found.loss == "crofuse" and dict(found.loss_values) == {"alpha": 1.0, "beta": 0.8}
    assert parameter_count(build(found.model, SIX, found.config)) == 36_215_970


def test_the_baseline_differs_in_network_and_loss_only():
    """S002 section IV-A: the compared networks have the same hyperparameters."""
    ours, baseline = recipe("crofusenet").to_json(), recipe("unet").to_json()
    differing = {key for key in ours if ours[key] != baseline[key]}
    assert differing == {"name", "model", "loss", "loss_values"}


def test_tiny_is_for_cpus():
    assert parameter_count(build("crofusenet", SIX, recipe("crofusenet-tiny").config)) == 2_269_070


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_and_is_json(name):
    found = recipe(name)
    assert found.name == name
    build(found.model, SIX, found.config)
    build_loss(found.loss, found.loss_values)
    json.dumps(found.to_json(), allow_nan=False)


def test_settings_are_typed():
    words = {"epochs": "3", "batch": "16", "lr": "1e-3", "augment": "no", "bands": "B4, VV", "rotate": "any"}
    found = recipe("crofusenet", words)
    assert (found.epochs, found.batch, found.lr, found.augment) == (3, 16, 1e-3, False)
    assert found.bands == ("B4", "VV") and found.rotate == "any"


def test_settings_of_network_and_loss():
    """Case 4 of Table IV with the loss of section V-A's case 1."""
    words = {"model.cfm": "concat", "model.mfa": "no", "model.widths": "8,16", "loss.alpha": "0", "loss.beta": "0"}
    found = recipe("crofusenet", words)
    assert dict(found.config) == {"cfm": "concat", "mfa": False, "widths": (8, 16)}
    assert dict(found.loss_values) == {"alpha": 0.0, "beta": 0.0}


def test_settings_may_have_their_kind_already():
    assert override(recipe("unet"), {"epochs": 2, "bands": ("B4",)}).bands == ("B4",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epoch": "3"}, "setting 'epoch' is not known: did you mean epochs"),
        ({"zzz": "3"}, "setting 'zzz' is not known: expected bands, epochs"),
        ({"epochs": "three"}, "epochs=three: expected a whole number, such as epochs=400"),
        ({"epochs": "0"}, "epochs=0: expected a whole number of 1 or more"),
        ({"batch": "1.5"}, "batch=1.5: expected a whole number"),
        ({"lr": "-1"}, "expected lr above 0"),
        ({"lr": "nan"}, "expected lr above 0"),
        ({"augment": "maybe"}, "augment=maybe: expected yes or no"),
        ({"rotate": "wild"}, "rotate=wild: expected one of quarter, any"),
        ({"device": "tpu"}, "device=tpu: expected one of auto, cpu, gpu"),
        ({"loss.alpha": "much"}, "loss.alpha=much: expected a number"),
        ({"model": "unet"}, "setting 'model' is not known"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_expected(settings, words):
    with pytest.raises(ValueError, match=words):
        recipe("crofusenet", settings)


def test_an_unknown_recipe():
    with pytest.raises(ValueError, match="recipe 'yolo' is not known: choose one of crofusenet"):
        recipe("yolo")
