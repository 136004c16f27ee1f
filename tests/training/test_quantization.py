"""8 bits: the weights by the definition, logits near fp32's, the same bits however they are called, and the command."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import isamap
from isamap import inference, training
from isamap.gee_export.base.errors import Fault
from isamap.inference.mapping.predict import Predictor
from isamap.training.accuracy import quantization as judged
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.runtimes import RUNTIMES, folded, open_forward, precision_of
from isamap.training.runtimes.precisions import cpu_multiplies
from isamap.training.runtimes.probabilities import probabilities_of
from isamap.training.runtimes.quantization import of_shape, quantized_graph
from tests.inference.conftest import LEGEND, NAMES, small_network, stored_scene, write_tif
from tests.inference.mapping.test_predict import HEIGHT, LATTICE, whole
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread
from tests.training.test_bad_input import kept  # noqa: F401
from tests.training.test_runtimes import NETWORKS, image_of, logits, relative

pytestmark = pytest.mark.skipif(not cpu_multiplies(precision_of("int8")), reason="this processor has no VNNI")
INTEGERS = ("onnx", "openvino")
LIMITS = {"segformer": 0.08}
QUICK = ("unet", "bilinear_unet", "fcn8s")
QUICK_FIRST = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in NETWORKS]


@cache
def graph_of(name: str) -> bytes:
    return quantized_graph(folded(small_network(name)), list(image_of(name, 6).split(1)))


@cache
def forward_of(name: str, runtime: str):
    return RUNTIMES[runtime].of_graph(lambda shape: of_shape(graph_of(name), shape), precision_of("int8"))


@pytest.mark.parametrize("runtime", INTEGERS)
@pytest.mark.parametrize("name", QUICK_FIRST)
def test_every_network_computes_in_8_bits(name, runtime):
    """Within 5 % of the largest logit on images of the calibration; 8 % with attention, rounded twice."""
    x = image_of(name, 6)
    error = relative(logits(forward_of(name, runtime), x), logits(small_network(name), x))
    assert error < LIMITS.get(name, 0.05) and b"QuantizeLinear" in graph_of(name)


def test_weights_are_rounded_to_255_steps_of_each_output_channel():
    """Jacob et al. 2018, section 2: here symmetric, of 8 bits with sign."""
    network = folded(small_network("unet"))
    tensors = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(graph_of("unet")).graph.initializer
    }
    names = [
        name.removesuffix("_quantized")
        for name, values in tensors.items()
        if values.dtype == np.int8 and values.ndim == 4
    ]
    weights = {name: values.detach().numpy() for name, values in network.named_parameters() if values.ndim == 4}
    assert names
    checked = 0
    for name in names:
        stored, scale = tensors[f"{name}_quantized"], tensors[f"{name}_scale"]
        alike = [w for w in weights.values() if w.shape == stored.shape and np.abs(w).max() > 0]
        axis = 0 if len(scale) == stored.shape[0] else 1
        steps = scale.reshape([-1 if at == axis else 1 for at in range(4)])
        expected = [np.rint(w / steps) for w in alike]
        assert any(np.abs(e - stored).max() <= 1 for e in expected)
        checked += any(
            np.allclose(np.abs(w).max(axis=tuple({0, 1, 2, 3} - {axis})), 127 * scale, rtol=1e-5) for w in alike
        )
    assert checked == len(names)


def test_the_last_layer_keeps_its_numbers():
    """Its logits have more than 256 values, which 8 bits could not say."""
    output = logits(forward_of("unet", "onnx"), torch.randn(1, len(NAMES), 64, 64))
    assert len(output[0, 1].unique()) > 1000


@pytest.mark.parametrize("runtime", INTEGERS)
def test_neither_batch_nor_threads_change_a_bit(runtime):
    """docs/reference/performance.md, "P3": the ranges are fixed, so an image alone and in a batch are the same."""
    forward, x = forward_of("unet", runtime), image_of("unet", 6)
    alone = torch.cat([logits(forward, x[i : i + 1]) for i in range(len(x))])
    assert torch.equal(logits(forward, x), alone)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda i: logits(forward, x[i % 6][None]), range(24)))
    assert torch.equal(torch.cat(again), alone.repeat(4, 1, 1, 1))


@pytest.mark.parametrize("runtime", INTEGERS)
def test_neither_workers_nor_cuts_change_a_pixel(runtime):
    """docs/reference/performance.md, "P3": one worker, three, and two jobs give the same map."""
    predictor = Predictor(probabilities_of(forward_of("unet", runtime)), len(NAMES), 1, LEGEND)
    mapped = whole(predictor, LATTICE, workers=1)
    np.testing.assert_array_equal(whole(predictor, LATTICE, workers=3), mapped)
    parts = [whole(predictor, LATTICE, rows=rows) for rows in (range(46), range(46, HEIGHT))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), mapped)


def test_a_graph_of_another_size_is_refused():
    graph = quantized_graph(folded(small_network("jointseg")), [torch.zeros(1, 2, len(NAMES), 16, 16)])
    with pytest.raises(ValueError, match=r"2 x 6 x 32 x 32 .*quantized network takes 2 x 6 x 16 x 16"):
        of_shape(graph, (2, len(NAMES), 32, 32))


@pytest.fixture
def town(make) -> str:
    """Both classes in every split; for `kept` of test_bad_input too."""
    return make(spread(6, 3, 1), seed=3).storage.url


def quantized(kept: Path, town: str, folder: Path, *words: str) -> int:  # noqa: F811
    return isamap.main(["quantize", "--checkpoint", str(kept), "--data", town, "--out", str(folder), *words])


@pytest.fixture
def copy(kept, town, tmp_path) -> Path:  # noqa: F811
    assert quantized(kept, town, tmp_path / "int8", "--max-loss", "0.05") == 0
    return tmp_path / "int8"


def test_the_command_prints_what_8_bits_cost(kept, town, tmp_path, capsys):  # noqa: F811
    """The figures are those that evaluate gives."""
    assert quantized(kept, town, tmp_path / "int8", "--max-loss", "0.05", "--patches", "4") == 0
    printed = capsys.readouterr().out
    assert "ranges from 4 patches of the train split" in printed and "data are simulated" in printed
    for name in INTEGERS:
        report = training.evaluate(tmp_path / "int8", town, "val", runtime=name, precision="int8")
        assert f"{name + ' int8':<16} {report.scores.miou:.4f} (" in printed
    assert f"{'torch fp32':<16} {isamap.training.evaluate(kept, town, 'val').scores.miou:.4f} " in printed


def test_the_copy_is_the_same_checkpoint_with_a_graph(copy, kept):  # noqa: F811
    before, after = ck.load(kept), ck.load(copy)
    assert after.fingerprint == before.fingerprint and after.origin["quantized"]["split"] == "train"
    facts = json.loads((copy / "int8.json").read_text())
    assert facts["accuracy"]["split"] == "val" and set(facts["accuracy"]["by_way"]) > {"torch fp32"}
    assert {*facts["accuracy"]["changed"]} == {f"{name} int8" for name in INTEGERS}


def test_the_same_patches_give_the_same_bytes(copy, kept, town, tmp_path):  # noqa: F811
    assert quantized(kept, town, tmp_path / "again", "--max-loss", "0.05") == 0
    assert (tmp_path / "again" / "int8.onnx").read_bytes() == (copy / "int8.onnx").read_bytes()


def test_more_loss_than_the_limit_writes_nothing(kept, town, tmp_path, capsys, monkeypatch):  # noqa: F811
    """The largest fall of any measure with any runtime counts."""
    values = iter([(0.8, 0.7), (0.8, 0.7), (0.79, 0.6951)])
    none = np.zeros(4, np.uint8)
    monkeypatch.setattr(judged, "_measured", lambda *_: (dict(zip(judged.MEASURES, next(values), strict=True)), none))
    assert quantized(kept, town, tmp_path / "int8") == 2
    assert (
        "lower MIoU by 0.0100 on the val split with openvino int8, the limit is --max-loss 0.005"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "int8").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--split", "test"], "so that test stays unseen"),
        (["--judge", "test"], "so that test stays unseen"),
        (["--patches", "0"], "expected a whole number of 1 or more"),
    ],
)
def test_wrong_words_are_one_sentence(kept, town, tmp_path, capsys, words, sentence):  # noqa: F811
    assert quantized(kept, town, tmp_path / "int8", *words) == 2
    assert sentence in capsys.readouterr().err


def test_a_checkpoint_without_a_graph_is_refused(kept):  # noqa: F811
    with pytest.raises(ValueError, match="has no 8-bit graph; make a checkpoint with one by `isamap quantize`"):
        open_forward(ck.load(kept), runtime="openvino", precision="int8")


def test_the_graph_of_other_weights_is_refused(copy):
    changed = ck.load(copy)
    network = changed.build()
    with torch.no_grad():
        network.head.bias.add_(1)
    ck.save(changed, network, copy.parent / "other")
    for name in ck.FURTHER:
        shutil.copy(copy / name, copy.parent / "other" / name)
    with pytest.raises(ValueError, match="is of another network"):
        open_forward(ck.load(copy.parent / "other"), runtime="onnx", precision="int8")


def test_a_damaged_graph_is_a_fault(copy):
    data = bytearray((copy / "int8.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "int8.onnx").write_bytes(data)
    with pytest.raises(Fault, match="is damaged"):
        open_forward(ck.load(copy), runtime="onnx", precision="int8")


def test_another_threshold_keeps_the_graph(copy, town, tmp_path):
    words = ["calibrate", "--checkpoint", str(copy), "--data", town, "--out", str(tmp_path / "best")]
    assert isamap.main(words) == 0
    open_forward(ck.load(tmp_path / "best"), runtime="onnx", precision="int8")


def test_maps_say_int8_and_which_graph(copy, tmp_path):
    """Of the same checkpoint quantized otherwise it would be another map."""
    scene = write_tif(tmp_path / "scene.tif", stored_scene(70, 50))
    options = {"input": scene, "runtime": "onnx", "precision": "int8", "progress": False}
    report = inference.map_region(copy, out=tmp_path / "map.tif", **options)
    import rasterio

    with rasterio.open(report.path) as stored:
        tags = stored.tags()
    digest = json.loads((copy / "int8.json").read_text())["graph_sha256"]
    assert tags["precision"] == "int8" and digest.startswith(tags["int8"])
    assert report.change.pixels > 0 and str(report.change) in str(report)
    assert inference.map_region(copy, out=tmp_path / "map.tif", **options).already_there
    plain = inference.map_region(copy, out=tmp_path / "plain.tif", input=scene, progress=False)
    assert plain.change is None
    with rasterio.open(plain.path) as stored:
        assert "int8" not in stored.tags()
