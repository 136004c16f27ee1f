"""An Apple GPU, as torch would tell of one: used for maps and trainings in fp32, not by what computes in float64."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from isamap.training import recipes
from isamap.training.fitting import loop
from isamap.training.gpu import FLOAT64, MPS, gpu_of
from isamap.training.models import MODELS
from isamap.training.runs.fitness import check_device
from isamap.training.runtimes import check_forward
from tests.inference.conftest import small_network
from tests.training.test_runtimes import OTHERS, described

FOREST = "random_forest"


@pytest.fixture(autouse=True)
def apple(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac, as far as torch says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


def test_maps_are_made_on_it_where_the_runtime_and_the_network_can(tmp_path):
    unet, forest = described("unet", tmp_path / "unet"), described(FOREST, tmp_path / "forest")
    assert {check_forward(unet, device=name) for name in ("auto", "gpu", MPS)} == {MPS}
    assert {check_forward(unet, runtime=name, device="auto") for name in OTHERS} == {"cpu"}
    assert check_forward(forest, device="auto") == "cpu"


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("unet", {"device": "auto", "precision": "bf16"}, "precision bf16: an Apple GPU is used in fp32 alone"),
        ("unet", {"device": "cuda"}, "this machine has no GPU that torch can use"),
        (FOREST, {"device": "gpu"}, "this machine has no GPU that torch can use"),
    ],
)
def test_what_it_cannot_do_is_refused(tmp_path, name, how, words):
    with pytest.raises(ValueError, match=words):
        check_forward(described(name, tmp_path), **how)


@pytest.mark.parametrize("name", MODELS)
def test_only_networks_that_are_kept_off_it_hold_float64(name):
    held = any(tensor.dtype == torch.float64 for tensor in small_network(name).state_dict().values())
    assert not held or issubclass(MODELS[name].network, FLOAT64)


def test_trainings_use_it_in_fp32():
    recipe = recipes.recipe("unet-tiny")
    check_device(replace(recipe, device="gpu"))
    for precision in ("bf16", "fp16"):
        with pytest.raises(ValueError, match=f"precision={precision}: an Apple GPU is used in fp32 alone"):
            check_device(replace(recipe, precision=precision))


@pytest.mark.parametrize(("name", "accelerator"), [("unet", "auto"), (FOREST, "cpu")])
def test_a_trainer_looks_for_it_where_the_network_can_use_it(monkeypatch, tmp_path, name, accelerator):
    chosen = []
    monkeypatch.setattr(loop.pl, "Trainer", lambda **how: chosen.append(how["accelerator"]))
    recipe = recipes.recipe("unet-tiny")
    plan = SimpleNamespace(recipe=recipe, network=small_network(name), folder=tmp_path, steps_per_epoch=1, loggers=())
    loop._trainer(plan, [])
    assert chosen == [accelerator]


def test_cudas_comes_first_and_computes_forests_too(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert {check_forward(described(name, tmp_path / name), device="auto") for name in ("unet", FOREST)} == {"cuda"}
    check_device(replace(recipes.recipe("unet-tiny"), device="gpu", precision="fp16"))


def test_without_any_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert gpu_of() == ""
