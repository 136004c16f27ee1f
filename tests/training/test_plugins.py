"""Networks, losses and recipes of another package: the whole way with the user's consent, and no step without it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import isamap
from isamap import training
from isamap.gee_export.base.trust import VARIABLE, trusting
from isamap.training import plugins
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build, model_named
from isamap.training.recipes import Recipe, recipe
from tests.inference.conftest import stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extend.md").read_text(encoding="utf-8")
SIX = ("B2", "B3", "B4", "B8", "VV", "VH")


def block(language: str, name: str) -> str:
    return re.search(rf"^```{language} {name}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """The page's package as pip would have installed it: its module, and its entry points as metadata."""
    site = tmp_path / "site"
    facts = site / "roofnet-0.1.dist-info"
    facts.mkdir(parents=True)
    (site / "roofnet.py").write_text(block("python", "package"))
    groups = re.findall(r'\[project.entry-points."(.*)"\]\n(.*) = "(.*)"', block("toml", "pyproject"))
    (facts / "entry_points.txt").write_text("".join(f"[{group}]\n{name} = {value}\n" for group, name, value in groups))
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: roofnet\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delitem(sys.modules, "roofnet", raising=False)
    yield site
    sys.modules.pop("roofnet", None)


@pytest.fixture
def run(package, hamlet, tmp_path) -> Path:
    """A run of the page's network, as the page's command makes it."""
    words = ["--data", str(hamlet), "--out", str(tmp_path / "run"), "--set", "epochs=2", "batch=4", "model.width=16"]
    assert isamap.main(["train", "--trust", "roofnet", "--recipe", "roofnet", *words]) == 0
    return tmp_path / "run"


@pytest.mark.long
def test_a_network_of_another_package_is_trained_evaluated_mapped_and_exported(run, hamlet, tmp_path, capsys):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(40, 36))
    common = ["--trust", "roofnet", "--checkpoint", str(run)]
    assert isamap.main(["evaluate", *common, "--data", str(hamlet)]) == 0
    assert "impervious" in capsys.readouterr().out
    assert isamap.main(["map", *common, "--input", str(scene), "--out", str(tmp_path / "roof.tif")]) == 0
    assert (read_map(tmp_path / "roof.tif")[1] != 255).any()
    assert isamap.main(["onnx", *common, "--out", str(tmp_path / "roof.onnx")]) == 0
    image = np.random.default_rng(0).uniform(0, 0.4, (1, 6, 32, 32)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "roof.onnx"), providers=["CPUExecutionProvider"])
    kept = ck.load(run)
    with trusting(["roofnet"]), torch.no_grad():
        standard = torch.from_numpy(ck.normalise(image[0], np.ones(image[0].shape, bool), kept.bands))[None]
        expected = kept.build()(standard).logits_BKHW.softmax(dim=1)
    np.testing.assert_allclose(session.run(["probability"], {"image": image})[0], expected.numpy(), atol=1e-5)


@pytest.mark.long
def test_the_checkpoint_holds_the_address_of_the_class_and_the_package(run):
    """An entry point's name means another class where another package is installed."""
    kept = ck.load(run)
    assert kept.model == "roofnet:RoofNet" and kept.config == {"classes": 2, "width": 16}
    assert kept.recipe["loss"] == "roofnet:Tversky"
    assert kept.origin["code"] == ["roofnet:RoofNet (roofnet 0.1)", "roofnet:Tversky (roofnet 0.1)"]
    assert "roofnet:RoofNet (roofnet 0.1)" in (Path(kept.location) / "card.md").read_text()


@pytest.mark.long
def test_a_checkpoint_imports_no_code_by_itself(run, hamlet, tmp_path, capsys):
    sys.modules.pop("roofnet")
    words = {
        "evaluate": ["--data", str(hamlet)],
        "onnx": ["--out", str(tmp_path / "x.onnx")],
        "map": ["--input", str(write_tif(tmp_path / "s.tif", stored_scene(8, 8))), "--out", str(tmp_path / "m.tif")],
    }
    for command, options in words.items():
        assert isamap.main([command, "--checkpoint", str(run), *options]) == 2
        error = capsys.readouterr().err
        assert (
            "imports only with your consent" in error and "add --trust roofnet" in error and "\n" not in error.strip()
        )
    assert "roofnet" not in sys.modules


@pytest.mark.long
def test_the_consent_ends_with_the_command(run):
    with pytest.raises(ValueError, match="with your consent"):
        ck.load(run).build()


@pytest.mark.long
def test_a_setting_gives_the_consent_to_every_process(run, monkeypatch):
    monkeypatch.setenv(VARIABLE, "other, roofnet")
    assert type(ck.load(run).build()).__name__ == "RoofNet"
    code = (
        f"from isamap.training.checkpoints import checkpoint as ck; print(type(ck.load({str(run)!r}).build()).__name__)"
    )
    folders = f"{Path(isamap.__file__).parent}:{run.parent / 'site'}"
    answer = subprocess.run(
        [sys.executable, "-c", code], env={VARIABLE: "roofnet", "PYTHONPATH": folders}, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "RoofNet", answer.stderr


def test_a_package_trusted_in_python(package, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    training.trust("roofnet")
    assert build("roofnet", SIX).config.width == 8
    with pytest.raises(ValueError, match="--trust roof net: expected the name of a Python package"):
        training.trust("roof net")


def test_a_trusted_package_does_not_vouch_for_others(package):
    with trusting(["roofnet"]), pytest.raises(ValueError, match="code of the package roofnets"):
        model_named("roofnets:RoofNet")
    with trusting(["roofnet"]), pytest.raises(ValueError, match="code of the package os"):
        model_named("os:system")


def test_entry_points_are_listed_without_an_import(package, capsys):
    assert plugins.offered("network") == {"roofnet": "roofnet:RoofNet"}
    assert isamap.main(["models"]) == 0
    assert "roofnet = roofnet:RoofNet (roofnet 0.1)" in capsys.readouterr().out
    assert "roofnet" not in sys.modules


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("roofnet:Roof", "module roofnet has no Roof"),
        ("roofnet.missing:Net", "there is no module roofnet.missing here"),
        ("roofnet:recipe", "is a function: expected a class derived from isamap's Network"),
        ("roofnet:RoofNetConfig", "expected a class derived from isamap's Network"),
        ("roofnet:Network", "lacks the class attribute Config"),
    ],
)
def test_what_is_no_network_is_refused(package, name, words):
    with trusting(["roofnet"]), pytest.raises(ValueError, match=words):
        model_named(name)


def test_a_package_that_fails_is_named(package):
    (package / "broken.py").write_text("raise RuntimeError('no licence')")
    with trusting(["broken"]), pytest.raises(isamap.Fault, match="importing broken fails with RuntimeError: no lic"):
        model_named("broken:Net")
    (package / "needy.py").write_text("import a_module_that_is_not_there")
    with trusting(["needy"]), pytest.raises(isamap.Fault, match="importing needy fails: No module named 'a_module"):
        model_named("needy:Net")


@pytest.fixture
def toml(tmp_path):
    def written(text: str) -> str:
        (tmp_path / "own.toml").write_text(text)
        return str(tmp_path / "own.toml")

    return written


def test_a_recipe_of_a_file(package, toml):
    """The page's file: another recipe with changes, and a loss of the package."""
    with trusting(["roofnet"]):
        made = recipe(toml(block("toml", "recipe")), {"lr": "1e-3"})
    base = recipe("unet-tiny")
    assert (made.name, made.model, made.loss) == ("own", "unet", "roofnet:Tversky")
    assert made.config == {"widths": (4, 8)} and made.loss_values == {"miss": 0.8}
    assert (made.epochs, made.batch, made.lr, made.augment) == (2, 4, 1e-3, base.augment)


def test_a_recipe_of_a_file_names_its_network(package, toml):
    with trusting(["roofnet"]):
        made = recipe(toml('name = "roof"\nmodel = "roofnet"\nbands = ["B4", "B3"]\n[config]\nwidth = 4'))
    assert made == Recipe("roof", "roofnet:RoofNet", config={"width": 4}, bands=("B4", "B3"))


@pytest.mark.long
def test_a_recipe_of_a_file_trains_by_the_page_command(package, hamlet, toml, tmp_path):
    words = ["--recipe", toml(block("toml", "recipe")), "--data", str(hamlet), "--out", str(tmp_path / "toml")]
    assert isamap.main(["train", "--trust", "roofnet", *words]) == 0
    assert json.loads((tmp_path / "toml" / "report.json").read_text())["recipe"] == "own"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs = ", "is no TOML"),
        ("epochs = 3", 'expected base = "RECIPE"'),
        ('base = "unet-tiny"\nepoch = 3', "key epoch is not known: did you mean epochs"),
        ('base = "unet-tiny"\nepochs = "three"', "epochs=three: expected a whole number"),
        ('base = "unet-tiny"\nconfig = 3', "expected a table, such as .config."),
        ('base = "unet-tiny"\n[config]\nwidth = 3', "setting 'model.width' is not known: did you mean model.widths"),
        ('base = ["unet"]', "expected a text"),
        ('base = "yolo"', "recipe 'yolo' is not known"),
        ('model = "os:system"\n[config]\nx = 1', "with your consent"),
    ],
)
def test_a_wrong_file_is_refused(toml, text, words):
    with pytest.raises(ValueError, match=words):
        recipe(toml(text))


def test_a_missing_file_is_refused():
    with pytest.raises(ValueError, match=r"recipe missing\.toml: there is no such file"):
        recipe("missing.toml")


@pytest.mark.long
def test_a_fine_tuned_run_asks_for_consent_again(run, hamlet, tmp_path, capsys):
    sys.modules.pop("roofnet")
    words = ["train", "--from", str(run), "--data", str(hamlet), "--out", str(tmp_path / "more"), "--set", "epochs=1"]
    assert isamap.main(words) == 2
    assert "with your consent" in capsys.readouterr().err and not (tmp_path / "more").exists()
    assert isamap.main([*words, "batch=4", "--trust=roofnet"]) == 0
