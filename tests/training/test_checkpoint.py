"""The checkpoint folder: round trip, damage, versions, standardisation."""

from __future__ import annotations

import json
import pickle
import pickletools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base.errors import Fault
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build
from tests.support.checkpoints import FACTS

BANDS = (ck.BandNorm("B4", "reflectance", 0.1, 0.05, 0.0, 1.0), ck.BandNorm("VV", "dB", -11.0, 4.0))
ROOT = Path(__file__).resolve().parents[2]


def network(model: str = "unet") -> torch.nn.Module:
    torch.manual_seed(3)
    made = build(model, [band.name for band in BANDS], {"widths": (4, 8)})
    made(torch.randn(4, 2, 8, 8))  # running statistics of their own
    return made


def described(made: torch.nn.Module, model: str = "unet", **changes) -> ck.Checkpoint:
    values = FACTS | {"composite": {"reducer": "mean"}, "metrics": {"miou": 0.9}}
    return ck.of_network(made, model, BANDS, **(values | changes))


@pytest.fixture
def saved(tmp_path):
    made = network()
    return ck.save(described(made), made, tmp_path / "run" / "best")


@pytest.mark.parametrize("model", ["crofusenet", "unet"])
def test_a_loaded_network_is_the_saved_one(model, tmp_path):
    made = network(model)
    ck.save(described(made, model), made, tmp_path / "best")
    x = torch.randn(2, 2, 16, 16)
    built = ck.load(tmp_path / "best").build()
    assert not built.training
    assert torch.equal(built(x).logits_BKHW, made.eval()(x).logits_BKHW)


def test_everything_comes_back(saved):
    assert ck.load(saved.location) == saved
    assert ck.load(saved.location).fingerprint == saved.fingerprint


def test_a_run_is_loaded_from_its_best_then_its_last(saved, tmp_path):
    made = network()
    run = tmp_path / "run"
    ck.save(described(made, metrics={"miou": 0.1}), made, run / "last")
    assert ck.load(run).metrics == {"miou": 0.9}
    (run / "best").rename(tmp_path / "elsewhere")
    assert ck.load(run).metrics == {"miou": 0.1}


@pytest.mark.parametrize("place", [".", "..", "../best"])
def test_the_folder_at_hand_may_be_named(saved, monkeypatch, place):
    monkeypatch.chdir(saved.location)
    assert ck.load(place).fingerprint == saved.fingerprint


def test_a_kill_between_two_renames_loses_nothing(saved, tmp_path):
    """The old checkpoint lies aside until the new one is in its place."""
    run = tmp_path / "run"
    (run / "best").rename(run / ".best.old")
    assert ck.load(run).metrics == saved.metrics


def test_saving_again_replaces_and_leaves_nothing_else(saved, tmp_path):
    made = network()
    ck.save(described(made, metrics={"miou": 0.95}), made, tmp_path / "run" / "best")
    assert ck.load(tmp_path / "run").metrics == {"miou": 0.95}
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["best"]


def test_the_fingerprint_follows_what_decides_a_map(saved):
    assert replace(saved, metrics={}, recipe={"lr": 1}, revision="x", dataset={}).fingerprint == saved.fingerprint
    for change in (
        {"weights_sha256": "0"},
        {"thresholds": {"impervious": 0.4}},
        {"bands": (*BANDS[:1], replace(BANDS[1], mean=-10.0))},
        {"lattice": 1},
        {"backscatter": "gamma0"},
        {"composite": {"reducer": "median"}},
    ):
        assert replace(saved, **change).fingerprint != saved.fingerprint, change


def test_the_same_network_has_the_same_bytes(saved, tmp_path):
    again = ck.save(described(network()), network(), tmp_path / "again")
    for name in (ck.WEIGHTS, ck.DESCRIPTION, ck.CARD):
        assert (tmp_path / "again" / name).read_bytes() == (Path(saved.location) / name).read_bytes()
    assert again.fingerprint == saved.fingerprint


def test_the_card_says_what_matters(saved):
    card = (Path(saved.location) / ck.CARD).read_text()
    assert saved.fingerprint in card and "simulated data" in card and "| VV | dB | -11 | 4 | - |" in card


def test_later_fields_leave_older_checkpoints_as_they_were(saved):
    """Where dates, target and origin are the usual ones they are not written."""
    text = json.loads((Path(saved.location) / ck.DESCRIPTION).read_text())
    assert not {"frames", "target", "origin"} & set(text)
    assert list(text)[:3] == ["version", "fingerprint", "model"]
    config = {"classes": 2, "widths": [4, 8], "up": "convT", "head": "conv3"}
    plain = replace(saved, weights_sha256="0", config=config)
    assert plain.fingerprint == "3b75a0438b19212c716038c95c4aadaa919b2f83aaabe1db7c5edeb8ff6e0a63"


def test_dates_and_target_decide_a_map_and_the_origin_does_not(saved, tmp_path):
    for change in ({"frames": 3}, {"target": "share"}):
        made = ck.rewrite(replace(saved, **change), tmp_path / "changed")
        assert made.fingerprint != saved.fingerprint and ck.load(tmp_path / "changed") == made
    assert replace(saved, origin={"start": "abc"}).fingerprint == saved.fingerprint


@pytest.mark.parametrize(
    ("augment", "names", "may"),
    [
        ([], ["B4"], False),
        (["flip"], ["VV"], False),
        (["drop"], ["B4"], True),
        (["drop"], ["B4", "B8"], False),
        (["sensor"], ["B4"], False),
        (["sensor"], ["B4", "B8"], True),
        (["sensor"], ["VV"], True),
        (["drop", "sensor"], ["B4", "VV"], False),
        (["drop", "sensor"], ["B4", "B8", "VV"], False),
    ],
)
def test_bands_may_be_missing_that_were_missing_in_training(augment, names, may):
    bands = (BANDS[0], replace(BANDS[0], name="B8"), BANDS[1])
    trained = ck.of_network(network(), "unet", BANDS, **FACTS)
    assert replace(trained, bands=bands, recipe={"augment": augment}).may_lack(names) is may


def test_nothing_is_pickled(saved, monkeypatch):
    """Published checkpoints are safetensors, JSON and Markdown: loading them runs no code."""
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch.load"))
    monkeypatch.setattr(pickle, "loads", lambda *_, **__: pytest.fail("pickle.loads"))
    ck.load(saved.location).build()
    for file in Path(saved.location).iterdir():
        data = file.read_bytes()
        assert not data.startswith(b"PK") and file.suffix in (".safetensors", ".json", ".md"), file
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, AttributeError)):
            list(pickletools.genops(data))


def test_the_card_says_how_to_load_the_weights(saved, tmp_path, monkeypatch):
    """Its lines are run, with safetensors alone."""
    lines = (Path(saved.location) / ck.CARD).read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(saved.location)
    names: dict = {}
    exec(lines, names)
    assert names["about"]["model"] == "unet"
    assert torch.equal(names["weights"]["head.weight"], saved.build().state_dict()["head.weight"])


def test_the_card_says_how_sure_its_scores_are(tmp_path):
    made = network()
    metrics = {"miou": 0.9, "kappa": None, "intervals": {"miou": [0.8512, 0.9321], "kappa": None}}
    ck.save(
        described(made, metrics=metrics, origin={"taken": ["fine-tuned from checkpoint abc."]}), made, tmp_path / "c"
    )
    text = (tmp_path / "c" / ck.CARD).read_text()
    for words in ("- miou: 0.9 [0.85, 0.93]", "- kappa: None\n", "Fine-tuned from checkpoint abc.", "Apache-2.0"):
        assert words in text, words


def test_a_newer_folder_that_waits_is_read_first(saved, tmp_path):
    """wholefolder.py: on mounts that cannot rename folders it is the whole one."""
    made = network()
    ck.save(described(made, metrics={"miou": 0.95}), made, tmp_path / "run" / ".best.new")
    for place in (tmp_path / "run", tmp_path / "run" / "best"):
        assert ck.load(place).metrics == {"miou": 0.95}


def change(folder: str, **values) -> None:
    file = Path(folder) / ck.DESCRIPTION
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint there"):
        ck.load(tmp_path)


def test_another_version_is_refused(saved):
    change(saved.location, version=2)
    with pytest.raises(ValueError, match="checkpoint version 2, this isamap reads version 1"):
        ck.load(saved.location)


def test_another_model_is_refused(saved):
    change(saved.location, model="swin")
    with pytest.raises(Fault, match="was changed after it was written"):
        ck.load(saved.location)
    with pytest.raises(ValueError, match="model 'swin' is not known"):
        replace(saved, model="swin").build()


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 1}'])
def test_a_damaged_description_is_a_fault(saved, damage):
    (Path(saved.location) / ck.DESCRIPTION).write_text(damage)
    with pytest.raises(Fault, match=r"checkpoint.json"):
        ck.load(saved.location)


def test_damaged_weights_are_a_fault(saved):
    file = Path(saved.location) / ck.WEIGHTS
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(Fault, match="is damaged"):
        ck.load(saved.location).build()
    file.unlink()
    with pytest.raises(Fault, match="is missing"):
        ck.load(saved.location).build()


def test_weights_of_another_network_are_a_fault(saved):
    with pytest.raises(Fault, match="do not fit model unet"):
        replace(saved, config={"widths": [4, 8, 16]}).build()


@given(st.floats(-1, 2), st.booleans())
@settings(max_examples=30, deadline=None)
def test_values_are_clipped_then_standardised_and_missing_ones_zero(value, valid):
    """Reflectance clipped to 0..1, dB not at all, then z-scores (docs/reference/networks.md, "CroFuseNet: open
    points").
    """
    values = np.full((2, 1, 1), value)
    found = ck.normalise(values, np.full((2, 1, 1), valid), BANDS)
    expected = [(min(max(value, 0), 1) - 0.1) / 0.05, (value + 11) / 4] if valid else [0, 0]
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-5, atol=1e-5)
    assert found.dtype == np.float32


def test_missing_values_may_be_anything():
    values = np.array([[[np.nan]], [[np.inf]]])
    assert (ck.normalise(values, np.zeros((2, 1, 1), dtype=bool), BANDS) == 0).all()


@pytest.mark.long
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=9),
    st.sampled_from([None, 0.0, -3.5]),
    st.sampled_from([None, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_arrays_and_tensors_are_standardised_to_the_same_bits(values, low, high):
    """Training takes tensors, maps take arrays: also for infinite values and those that are no numbers."""
    bands = (ck.BandNorm("B4", "1", 0.1, 0.05, low, high), ck.BandNorm("VV", "dB", -11.0, 4.0))
    values_BHW = np.stack([np.array([values], np.float32)] * 2)
    valid_BHW = np.arange(values_BHW.size).reshape(values_BHW.shape) % 4 != 3
    tensors = ck.standardise(torch.from_numpy(values_BHW), torch.from_numpy(valid_BHW), bands)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(ck.normalise(values_BHW, valid_BHW, bands), tensors.numpy())


def test_normalising_leaves_its_input_alone():
    values = np.full((2, 3, 3), 0.5, dtype=np.float32)
    ck.normalise(values, np.ones((2, 3, 3), dtype=bool), BANDS)
    assert (values == 0.5).all()


@pytest.mark.parametrize("wrong", [{"std": 0.0}, {"std": float("nan")}, {"mean": float("inf")}])
def test_a_standardisation_that_divides_by_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="band B4"):
        replace(BANDS[0], **wrong)


@pytest.mark.long
def test_a_checkpoint_is_loaded_without_the_training_libraries():
    """docs/reference/performance.md, "P1": inference takes checkpoints, and has no room for these."""
    heavy = ["pytorch_lightning", "torchmetrics", "sklearn", "geopandas", "pandas", "matplotlib", "ee", "rasterio"]
    code = "import sys, isamap.training.checkpoints.checkpoint, isamap.training.models as models"
    code += f"; print([n for n in {heavy} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
