"""Recipes: the paper's settings, and settings typed after --set."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from isamap.gee_export.base.band_globs import expanded
from isamap.gee_export.base.scheme import SEVEN
from isamap.training.losses import LOSSES, build_loss
from isamap.training.models import MODELS, build, parameter_count
from isamap.training.models.layers import SqueezeExcitation
from isamap.training.models.output import Output
from isamap.training.recipes import RECIPES, Recipe, override, papers, recipe
from isamap.training.recipes.recipe import TARGETS
from isamap.training.samples import target
from isamap.training.samples.augment import AUGMENTATIONS

SIX = ("B2", "B3", "B4", "B8", "VV", "VH")


def test_crofusenet_is_the_papers():
    """CroFuseNet section IV-A and III-B: Adam 1e-4, poly 0.9, batch 32, 400 epochs, patience 50, loss 1 / 1 / 0.8."""
    found = recipe("crofusenet")
    assert (found.lr, found.power, found.batch, found.epochs, found.patience) == (1e-4, 0.9, 32, 400, 50)
    assert found.bands == SIX
    assert found.loss == "crofuse" and dict(found.loss_values) == {"alpha": 1.0, "beta": 0.8}
    literal = recipe("crofusenet", {"model.least_hidden": 1})
    assert parameter_count(build(literal.model, SIX, literal.config)) == 36_215_970
    # level 1: two blocks of 32 channels with 4 hidden units instead of 2
    assert parameter_count(build(found.model, SIX, found.config)) == 36_215_970 + 2 * 2 * (32 + 32 + 1)


@pytest.mark.long
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_and_is_json(name):
    found = recipe(name)
    assert found.name == name
    with torch.device("meta"):
        bands = ("B4_mean", "VV_mean") if "-year" in name else found.bands or SIX
        network = build(found.model, bands, found.config)
    assert network.config.classes == {"isa": 2, "landcover3m": 7}[found.scheme]
    build_loss(found.loss, found.loss_values)
    json.dumps(found.to_json(), allow_nan=False)


def test_schemes_and_targets_of_recipes_are_those_of_datasets():
    """Named twice, as recipes know no datasets."""
    assert set(TARGETS) == set(target.LAYERS)


def test_every_network_has_a_recipe_and_every_papers_recipe_a_tiny_one():
    assert {recipe(name).model for name in RECIPES} == set(MODELS)
    assert {f"{name}-tiny" for name in papers.RECIPES} <= set(RECIPES)


@pytest.mark.parametrize("name", ["unet", "fcn8s", "deeplabv3plus", "hrnet-crofusenet"])
def test_baselines_of_crofusenet_share_its_settings(name):
    """CroFuseNet section IV-A 2: "their hyperparameters are consistent with those of the proposed model"."""
    ours, baseline = recipe("crofusenet").to_json(), recipe(name).to_json()
    differing = {key for key in ours if ours[key] != baseline[key]}
    assert differing <= {"name", "model", "config", "loss", "loss_values"}


def test_hrnet_is_that_of_landcover3m():
    """LandCover3m section 3.2: SGD 0.01, momentum 0.9, 120 epochs, batch 32, weight 3 for impervious ground.

    Crops of 512 for the paper's 513, which the network cannot halve.
    """
    found = recipe("hrnet")
    assert (found.optimiser, found.lr, found.momentum, found.epochs, found.batch) == ("sgd", 0.01, 0.9, 120, 32)
    assert found.crop == 512 and found.scheme == "landcover3m" and found.loss == "weighted_cross_entropy"
    weights = dict(zip(SEVEN, found.loss_values["weights"], strict=True))
    assert weights.pop("impervious") == 3 and set(weights.values()) == {1}
    assert parameter_count(build("hrnet", ("B", "G", "R", "N"), found.config)) == 16_811_863


def test_runetpp_weighs_dice_and_focal_as_its_paper():
    """RU-Net++ eq. 4: 0.7 Dice + 0.3 focal."""
    found = recipe("runetpp")
    assert found.loss == "dice_focal" and dict(found.loss_values) == {"dice": 0.7, "focal": 0.3}


def test_the_cascade_is_trained_as_satlas():
    """docs/reference/networks.md, "Prog-ESRGAN": Adam 1e-4 (0.9, 0.99), averaged weights 0.999, L1 1.0 + GAN 0.1.

    Not its batch of 32: half of it fits a GPU of 139 GiB (test_memory.py).
    """
    found = recipe("progesrgan")
    assert (found.optimiser, found.lr, found.momentum, found.beta2, found.ema) == ("adam", 1e-4, 0.9, 0.99, 0.999)
    assert dict(found.loss_values) == {"sharp": 1.0, "adversarial": 0.1}
    assert found.sharpens and found.target == "fine"


def test_jointseg_learns_super_resolution():
    """Abstract: "integrating super-resolution and segmentation"; its comparison has no image to sharpen."""
    assert recipe("jointseg").sharpens and recipe("jointseg-tiny").sharpens
    assert dict(recipe("jointseg").loss_values) == {"sharp": 0.5, "low": 0.1}
    assert not recipe("bilinear-unet").loss_values


@pytest.mark.parametrize(("size", "patch_px"), [("", 32), ("-tiny", 16)])
def test_the_deep_baseline_has_jointsegs_size_and_sees_the_whole_patch(size, patch_px):
    """docs/reference/networks.md, "JointSeg: cost"; one level more would not halve the recipes' patches and crops."""
    recipes = (recipe(f"{name}{size}") for name in ("jointseg", "bilinear-unet-deep"))
    with torch.device("meta"):
        joint, deep = (build(found.model, SIX, found.config) for found in recipes)
    assert parameter_count(deep) == pytest.approx(parameter_count(joint), rel=0.06)
    assert patch_px < deep.halo and patch_px < joint.halo
    assert patch_px % deep.multiple == 0


@pytest.mark.parametrize("name", ["crofusenet", "crofusenet-tiny", "runetpp", "runetpp-tiny", "wuhan"])
def test_channel_attention_has_four_hidden_units_at_least(name):
    found = recipe(name)
    with torch.device("meta"):
        network = build(found.model, SIX, found.config)
    blocks = [module for module in network.modules() if isinstance(module, SqueezeExcitation)]
    assert blocks and min(block.squeeze.out_features for block in blocks) >= 4
    for block in blocks:
        assert block.squeeze.out_features == max(4, block.squeeze.in_features // 16)


def test_settings_are_typed():
    words = {"epochs": "3", "batch": "16", "lr": "1e-3", "augment": "mirror, rotate", "bands": "B4, VV"}
    found = recipe("crofusenet", words)
    assert (found.epochs, found.batch, found.lr) == (3, 16, 1e-3)
    assert found.bands == ("B4", "VV") and found.augment == ("mirror", "rotate")


@pytest.mark.parametrize("word", ["none", "no", ""])
def test_nothing_may_be_asked_for(word):
    assert recipe("crofusenet", {"augment": word}).augment == ()


def test_constructor_values_are_of_the_networks_kind():
    """A size that is a name stays one; several numbers; a share."""
    words = {"model.size": "56", "model.dropout": "0.1", "loss.weights": "1,3"}
    found = recipe("fcdensenet", words)
    assert dict(found.config) == {"classes": 7, "size": "56", "dropout": 0.1}
    assert dict(found.loss_values) == {"weights": (1.0, 3.0)}
    assert recipe("crofusenet", {"model.widths": "8"}).config["widths"] == (8,)


def test_dice_of_another_class_is_its_number():
    """As typed: impervious is the fifth of LandCover3m's seven classes."""
    found = recipe("runetpp", {"scheme": "landcover3m", "loss.positive": "4"})
    label = torch.full((1, 2, 2), 4, dtype=torch.uint8)
    sure = Output(20 * torch.nn.functional.one_hot(label.long(), 7).movedim(-1, 1).float())
    assert build_loss(found.loss, found.loss_values)(sure, label).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match=r"loss.positive=7: the network knows 7 classes"):
        build_loss("dice_focal", {"positive": 7.0})(sure, label)


def test_another_loss_starts_with_its_own_weights():
    found = recipe("crofusenet", {"loss": "symmetric_cross_entropy", "loss.beta": "2"})
    assert (found.loss, dict(found.loss_values)) == ("symmetric_cross_entropy", {"beta": 2.0})


def test_settings_of_network_and_loss():
    """Case 4 of Table IV with the loss of section V-A's case 1."""
    words = {"model.cfm": "concat", "model.mfa": "no", "model.widths": "8,16", "loss.alpha": "0", "loss.beta": "0"}
    found = recipe("crofusenet", words)
    assert dict(found.config) == {"least_hidden": 4, "cfm": "concat", "mfa": False, "widths": (8, 16)}
    assert dict(found.loss_values) == {"alpha": 0.0, "beta": 0.0}


def test_settings_may_have_their_kind_already():
    assert override(recipe("unet"), {"epochs": 2, "bands": ("B4",)}).bands == ("B4",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epoch": "3"}, "setting 'epoch' is not known: did you mean epochs"),
        ({"zzz": "3"}, "setting 'zzz' is not known: expected loss, bands, scheme"),
        ({"epochs": "three"}, "epochs=three: expected a whole number, such as epochs=400"),
        ({"epochs": "0"}, "epochs=0: expected a whole number of 1 or more"),
        ({"batch": "1.5"}, "batch=1.5: expected a whole number"),
        ({"lr": "-1"}, "expected lr above 0"),
        ({"lr": "nan"}, "expected lr above 0"),
        (
            {"augment": "maybe"},
            "augment=maybe: expected none, or any of flip, mirror, .*jitter, drop, radiometry, sensor, speckle joined",
        ),
        ({"model.widhts": "3"}, "setting 'model.widhts' is not known: did you mean model.widths"),
        ({"loss.bet": "3"}, "setting 'loss.bet' is not known: did you mean loss.beta"),
        ({"loss": "hinge"}, "loss=hinge: expected one of cross_entropy, crofuse"),
        ({"batch": "9", "devices": "2"}, "batch=9 cannot be shared equally by devices=2: use --set batch=8"),
        ({"ema": "1"}, "ema=1: expected 0 to below 1"),
        ({"clip": "-1"}, "clip=-1: expected 0 or more"),
        ({"clip": "inf"}, "clip=inf: expected 0 or more"),
        ({"crop": "-1"}, "crop=-1: expected 0 or more"),
        ({"optimiser": "lion"}, "optimiser=lion: expected one of adam, adamw, sgd"),
        ({"scheme": "landcover3m", "target": "share"}, "target=share is of impervious ground"),
        (
            {"target": "share"},
            "loss crofuse learns from whole classes, use --set loss=soft_cross_entropy or loss=share_error",
        ),
        (
            {"scheme": "landcover3m", "loss.dice": "1"},
            "loss.dice is of two classes, scheme=landcover3m has more: use --set loss",
        ),
        ({"scheme": "landcover3m", "loss": "dice_focal"}, "name Dice's class, such as loss.positive=4"),
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
    with pytest.raises(ValueError, match="recipe 'hrnet-tniy' is not known: did you mean hrnet-tiny"):
        recipe("hrnet-tniy")


def test_the_page_of_recipes_names_them_all():
    """docs/recipes.md: every recipe, setting, augmentation, loss and weight of a loss."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+)`", page))
    weights = {field.name for loss in LOSSES.values() for field in fields(loss)}
    settings = {field.name for field in fields(Recipe)} - {"name", "model", "config", "loss_values"}
    papers = {name for name in RECIPES if not name.endswith("-tiny")}
    assert not (papers | settings | weights | set(AUGMENTATIONS) | set(LOSSES)) - named


@pytest.mark.parametrize("base", ["crofusenet", "unet", "random_forest"])
@pytest.mark.parametrize("size", ["", "-tiny"])
def test_a_year_is_learned_as_a_month_is_but_for_the_bands(base, size):
    of_year, of_month = recipe(f"{base}-year{size}"), recipe(f"{base}{size}")
    assert replace(of_year, name=of_month.name, bands=of_month.bands) == of_month
    names = ("B4_p10", "NDVI_amplitude", "VV_asc_JJA_mean", "B4", "VV", "s2_observations", "s2_day", "A00")
    assert expanded(of_year.bands, names) == names[:3]
