"""Names of the version before: recipes, losses, unfinished runs and studies still answer to them, with a note."""

from __future__ import annotations

import json

import pytest
import torch

import training
from reproduction.reproduce import studied
from tests.support.one_thread import one_thread  # noqa: F401
from tests.training.test_loop import JUDGED, weights
from training.checkpoints import checkpoint as ck
from training.recipes import Recipe, recipe
from training.runs.run_lock import NOTE, claim


@pytest.mark.parametrize(
    ("former", "name"),
    [("hrnet-s002", "hrnet-crofusenet"), ("unet-s003-tiny", "unet-landcover3m-tiny")],
)
def test_a_recipe_answers_to_its_former_name(former, name, capsys):
    assert recipe(former) == recipe(name)
    assert f"note: recipe {former} is now called {name}" in capsys.readouterr().err


def test_a_name_of_today_brings_no_note(capsys):
    recipe("hrnet-crofusenet")
    assert capsys.readouterr().err == ""


def test_the_loss_answers_to_its_former_value(capsys):
    assert recipe("progesrgan", {"loss.judge": "8"}).loss_values["discriminator"] == 8
    assert "note: setting loss.judge is now called discriminator" in capsys.readouterr().err


def test_a_stored_recipe_of_before_is_read_in_todays_names():
    old = Recipe("unet-s003", "unet", scheme="s003", loss="cross_entropy", loss_values={"judge": 8})
    assert (old.name, old.scheme, dict(old.loss_values)) == ("unet-landcover3m", "landcover3m", {"discriminator": 8})


def test_a_run_of_before_is_the_same_run(tmp_path):
    wanted = {"data": "d", "recipe": recipe("unet-landcover3m").to_json()}
    claim(tmp_path / "run", wanted)
    note = tmp_path / "run" / NOTE
    document = json.loads(note.read_text())
    document["recipe"] |= {"name": "unet-s003", "scheme": "s003"}
    note.write_text(json.dumps(document))
    claim(tmp_path / "run", wanted)
    with pytest.raises(ValueError, match="holds another run: lr is"):
        claim(tmp_path / "run", {"data": "d", "recipe": recipe("unet-landcover3m", {"lr": 0.5}).to_json()})


@pytest.mark.long
def test_an_adversarial_run_of_before_is_resumed(pairs, tmp_path):
    """resume.ckpt and run.json as the version before wrote them; two epochs more give what a whole run gives."""
    settings = JUDGED | {"epochs": "2"}
    training.train(pairs, "jointseg", tmp_path / "through", settings=settings)

    def stop(_, epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(pairs, "jointseg", tmp_path / "run", settings=settings, after_epoch=stop)
    resume, note = tmp_path / "run" / "resume.ckpt", tmp_path / "run" / NOTE
    document = torch.load(resume, weights_only=True)
    state = document["state_dict"]
    ours = [name for name in state if name.startswith("discriminator.")]
    assert ours
    for name in ours:
        state[name.replace("discriminator.", "judge.", 1)] = state.pop(name)
    torch.save(document, resume)
    note.write_text(note.read_text().replace('"discriminator"', '"judge"'))
    training.train(pairs, "jointseg", tmp_path / "run", settings=settings)
    assert ck.load(tmp_path / "run" / "last").metrics["epoch"] == 2
    assert weights(tmp_path / "run") == weights(tmp_path / "through")


def test_a_study_answers_to_its_papers_number(capsys):
    assert studied("S002-table2").name == "crofusenet-table2"
    assert "note: study S002-table2 is now called crofusenet-table2" in capsys.readouterr().err
    assert studied("s000-bilinear").name == "jointseg-bilinear"
