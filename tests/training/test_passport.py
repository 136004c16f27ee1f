"""The passport of a model: read by the schemas of STAC and of the mlm extension themselves, and by its files."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest

import isamap
from isamap import training
from isamap.training.checkpoints import checkpoint
from isamap.training.checkpoints.passport import PASSPORT, write_passport
from tests.support.stac_schemas import errors

FORMER = Path(__file__).parents[1] / "fixtures" / "version1" / "checkpoint"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A copy of a stored checkpoint."""
    return Path(shutil.copytree(FORMER, tmp_path_factory.mktemp("passport") / "run"))


@pytest.fixture(scope="module")
def passport(trained) -> dict:
    return json.loads(write_passport(trained).path.read_text("utf-8"))


@pytest.fixture(scope="module")
def onnx_passport(trained) -> dict:
    training.export_onnx(trained, trained.parent / "small.onnx")
    return json.loads((trained.parent / "small.stac.json").read_text("utf-8"))


@pytest.mark.parametrize("item", ["passport", "onnx_passport"])
def test_the_schemas_of_stac_and_of_every_extension_agree(item, request):
    document = request.getfixturevalue(item)
    assert any("/mlm/v1.5.0/" in address for address in document["stac_extensions"])
    assert errors(document) == []


@pytest.mark.parametrize("path", ["properties mlm:name", "properties mlm:input", "assets model raster:bands", "id"])
def test_the_schemas_refuse_a_passport_that_lacks_a_field(passport, path):
    """The validation of this module can fail."""
    damaged = json.loads(json.dumps(passport))
    *above, last = path.split()
    del reduce(getitem, above, damaged)[last]
    assert errors(damaged) != []


def test_inputs_and_outputs_are_those_of_the_network(passport, trained):
    import torch

    described = checkpoint.load(trained)
    shape = passport["properties"]["mlm:input"][0]["input"]["shape"]
    logits = described.build()(torch.zeros(1, *shape[1:])).logits_BKHW
    assert list(logits.shape)[1:] == passport["properties"]["mlm:output"][0]["result"]["shape"][1:]


def test_the_onnx_passport_has_the_shape_of_the_graph(onnx_passport, trained):
    import onnx

    (graph_input,) = onnx.load(trained.parent / "small.onnx").graph.input
    sides = [side.dim_value or -1 for side in graph_input.type.tensor_type.shape.dim]
    assert onnx_passport["properties"]["mlm:input"][0]["input"]["shape"] == sides


def test_the_onnx_file_takes_units_that_no_one_scales(onnx_passport):
    (image,) = onnx_passport["properties"]["mlm:input"]
    assert "value_scaling" not in image and "NaN" in image["description"]


def test_scaling_is_that_of_each_band(passport, trained):
    scaling = passport["properties"]["mlm:input"][0]["value_scaling"]
    assert [(s["mean"], s["stddev"]) for s in scaling] == [(b.mean, b.std) for b in checkpoint.load(trained).bands]


@pytest.mark.parametrize(("item", "name"), [("passport", "run/weights.safetensors"), ("onnx_passport", "small.onnx")])
def test_the_checksum_is_that_of_the_file(item, name, trained, request):
    content = (trained.parent / name).read_bytes()
    asset = request.getfixturevalue(item)["assets"]["model"]
    assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    assert asset["file:size"] == len(content) and asset["href"] == f"./{Path(name).name}"


def test_other_files_of_the_checkpoint_stay_as_they_are(passport, trained):
    for path in FORMER.iterdir():
        assert (trained / path.name).read_bytes() == path.read_bytes()
    assert checkpoint.load(trained).fingerprint == checkpoint.load(FORMER).fingerprint


def test_the_same_checkpoint_gives_the_same_bytes(passport, trained):
    before = (trained / PASSPORT).read_bytes()
    assert write_passport(trained).path.read_bytes() == before


def test_the_command_writes_it_where_it_is_asked_to(trained, tmp_path, capsys):
    out = tmp_path / "here.json"
    assert isamap.main(["passport", "--checkpoint", str(trained), "--out", str(out)]) == 0
    item = json.loads(out.read_text("utf-8"))
    assert (tmp_path / item["assets"]["model"]["href"]).resolve() == (trained / "weights.safetensors").resolve()
    assert "mlm 1.5.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--checkpoint", "{trained}", "--out", "passport.txt"], "ends in .json"),
        (["--checkpoint", "gs://bucket/run"], "--out FILE.json"),
        (["--checkpoint", "{trained}/none"], "no checkpoint there"),
    ],
)
def test_mistakes_are_named(trained, words, reason, capsys):
    assert isamap.main(["passport", *(word.format(trained=trained) for word in words)]) == 2
    assert reason in capsys.readouterr().err


def test_the_card_begins_as_the_hub_reads_it(tmp_path):
    """https://huggingface.co/docs/hub/model-cards: YAML between two lines of three dashes."""
    import yaml

    former = checkpoint.load(FORMER)
    saved = checkpoint.save(former, former.build(), tmp_path / "new")
    head = yaml.safe_load((Path(saved.location) / checkpoint.CARD).read_text("utf-8").split("---\n")[1])
    assert head["license"] == "apache-2.0" and head["pipeline_tag"] == "image-segmentation"
    assert head["datasets"] == ["wuhan-2019-06"] and "simulated" in head["tags"]
