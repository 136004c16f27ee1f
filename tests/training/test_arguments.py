"""Wrong arguments of the Python functions of training: refused by parameter, value and expected form."""

from __future__ import annotations

import pytest

from isamap import training
from isamap.training.models import MODELS
from isamap.training.recipes import recipe


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"data": None}, "data=None: expected the folder or gs:// address of a dataset, such as 'data/wuhan'"),
        ({"data": []}, r"data=\[\]: expected the folder"),
        ({"data": [3]}, r"data=\[3\]: expected the folder"),
        ({"data": ""}, "data='': expected the folder"),
        ({"out": None}, "out=None: expected a folder or gs:// address, such as 'runs/wuhan'"),
        ({"recipe": 3}, "recipe=3: expected a recipe's name, such as 'unet-tiny', or a Recipe"),
        ({"start": 3}, "start=3: expected a folder or gs:// address"),
        ({"settings": "epochs=1"}, r"settings='epochs=1': expected \{'epochs': 3\} or \['epochs=3'\]"),
        ({"settings": ["epochs"]}, r"settings=\['epochs'\]: expected KEY=VALUE, such as 'epochs=3'"),
        ({"settings": [3]}, r"settings=\[3\]: expected"),
        ({"settings": {3: 1}}, "settings key 3: expected a text"),
        ({"settings": {"epochs": 2.5}}, "epochs=2.5: expected a whole number, such as epochs="),
        ({"settings": {"epochs": True}}, "epochs=True: expected a whole number"),
        ({"settings": {"lr": None}}, "lr=None: expected a number"),
        ({"settings": {"bands": 3}}, "bands=3: expected names joined by commas"),
    ],
)
def test_train_refuses(hamlet, tmp_path, arguments, sentence):
    values = {"data": hamlet, "recipe": "unet-tiny", "out": tmp_path / "run"} | arguments
    with pytest.raises(ValueError, match=sentence):
        training.train(**values)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"checkpoint": None}, "checkpoint=None: expected a folder or gs:// address, such as 'runs/wuhan'"),
        ({"data": None}, "data=None: expected the folder"),
        ({"batch": 0}, "batch=0: expected a whole number of 1 or more"),
        ({"batch": "16"}, "batch='16': expected a whole number of 1 or more"),
    ],
)
@pytest.mark.parametrize("function", ["evaluate", "agreement"])
def test_evaluate_and_agreement_refuse(hamlet, tmp_path, function, arguments, sentence):
    out = {"out": tmp_path / "chips.json"} if function == "agreement" else {}
    with pytest.raises(ValueError, match=sentence):
        getattr(training, function)(**{"checkpoint": "runs/x", "data": hamlet} | out | arguments)


@pytest.mark.parametrize("arguments", [{"checkpoint": None}, {"data": None}, {"out": None}])
def test_prune_refuses(hamlet, tmp_path, arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"{name}=None: expected"):
        training.prune(**{"checkpoint": "runs/x", "data": hamlet, "out": tmp_path / "pruned"} | arguments)


def test_settings_may_be_words_as_on_the_command_line():
    words = recipe("unet-tiny", ["epochs=3", "lr=1e-3", "bands=B2,B3", "model.widths=4,8"])
    assert words == recipe("unet-tiny", {"epochs": 3, "lr": 1e-3, "bands": ("B2", "B3"), "model.widths": (4, 8)})


def test_a_whole_number_may_be_a_float():
    assert recipe("unet-tiny", {"epochs": 3.0}).epochs == 3


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        (
            "crofusenet",
            {"model.widths": "2-4-4-8-8"},
            "model.widths=2-4-4-8-8: expected numbers joined by commas, such",
        ),
        ("crofusenet", {"model.widths": [2.5, 4]}, "expected numbers joined by commas, such as model.widths="),
        ("crofusenet", {"model.mfa": "maybe"}, "model.mfa=maybe: expected yes or no, such as model.mfa=yes"),
        ("hrnet", {"model.width": "wide"}, "model.width=wide: expected a whole number, such as model.width=24"),
        ("hrnet", {"model.width": 2.5}, "model.width=2.5: expected a whole number"),
        ("hrnet", {"model.stem": 3}, "model.stem=3: expected a word, such as model.stem=paper"),
    ],
)
def test_constructor_values_of_another_kind_are_refused(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        recipe(name, settings)


@pytest.mark.parametrize("name", MODELS)
def test_small_values_are_of_the_right_kind(name):
    """What the registry says of each network passes the same check."""
    of_model = next(made for made in map(recipe, training.recipes.RECIPES) if made.model == name)
    values = {f"model.{key}": value for key, value in MODELS[name].small.items()}
    assert training.recipes.override(of_model, values).config.items() >= dict(MODELS[name].small).items()
