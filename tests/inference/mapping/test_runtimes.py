"""Maps by other runtimes and precisions: as near to torch's as they compute, and the same however the work is cut."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio

import isamap
from isamap import inference
from isamap.inference.mapping.predict import Predictor
from isamap.training.runtimes import RUNTIMES, folded, precision_of
from isamap.training.runtimes.precisions import cpu_multiplies
from isamap.training.runtimes.probabilities import probabilities_of
from tests.inference.conftest import LEGEND, NAMES, small_network
from tests.inference.mapping.test_predict import HEIGHT, LATTICE, whole

ROOT = Path(__file__).resolve().parents[3]
WAYS = [("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]
# with statistics of the window, many layers, and ten times finer: in CI's second half
MAPPED = ["unet", *(pytest.param(name, marks=pytest.mark.long) for name in ("crofusenet", "hrnet", "jointseg"))]


@cache
def predictor_of(name: str, runtime: str, precision: str) -> Predictor:
    numbers = precision_of(precision)
    if not cpu_multiplies(numbers):
        pytest.skip(f"this processor has no {precision}")
    network = small_network(name)
    return Predictor(
        probabilities_of(RUNTIMES[runtime].open(folded(network), numbers, "cpu")), len(NAMES), network.scale, LEGEND
    )


@pytest.mark.long
@pytest.mark.parametrize(("runtime", "precision"), WAYS)
@pytest.mark.parametrize("name", MAPPED)
def test_neither_workers_nor_cuts_change_a_pixel(name, runtime, precision):
    """docs/reference/performance.md, "P3", for every runtime and precision: one worker, three, and two jobs give the
    same map.
    """
    predictor = predictor_of(name, runtime, precision)
    mapped = whole(predictor, LATTICE, workers=1)
    np.testing.assert_array_equal(whole(predictor, LATTICE, workers=3), mapped)
    parts = [whole(predictor, LATTICE, rows=rows) for rows in (range(46), range(46, HEIGHT))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), mapped)
    plain = whole(Predictor(probabilities_of(small_network(name)), len(NAMES), predictor.scale, LEGEND), LATTICE)
    steps = 1 if precision == "fp32" else 16
    np.testing.assert_allclose(mapped[1].astype(int), plain[1].astype(int), atol=steps)


def test_the_map_says_what_ran_and_another_runtime_is_another_map(run, scene, tmp_path):
    out = tmp_path / "map.tif"
    inference.map_region(run, input=scene, out=out, runtime="onnx", progress=False)
    assert said(out) == ("onnx", "fp32")
    assert inference.map_region(run, input=scene, out=out, runtime="onnx", progress=False).already_there
    with pytest.raises(ValueError, match="runtime onnx there, torch asked"):
        inference.map_region(run, input=scene, out=out, progress=False)


def said(out: Path) -> tuple[str, str]:
    with rasterio.open(out) as mapped:
        return mapped.tags()["runtime"], mapped.tags()["precision"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--runtime", "tflite"], "choose one of torch, onnx, openvino"),
        (["--precision", "fp8"], "choose one of fp32"),
        (["--device", "tpu"], "expected auto, cpu or gpu"),
        (["--device", "gpu", "--runtime", "openvino"], "runs on the CPU"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_read(run, tmp_path, capsys, words, sentence):
    paths = ["--checkpoint", str(run), "--input", str(tmp_path / "none.tif"), "--out", str(tmp_path / "map.tif")]
    assert isamap.main(["map", *paths, *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.long
def test_a_map_by_openvino_starts_without_torch(run, scene, tmp_path):
    """The second one of a checkpoint: its graph is kept. Importing torch would take longer than a small map, and
    asyncio, which requests to servers need, a fiftieth of it.
    """
    options = {"input": scene, "runtime": "openvino", "progress": False}
    inference.map_region(run, out=tmp_path / "first.tif", **options)
    words = f"map --checkpoint {run} --input {scene} --out {tmp_path / 'second.tif'} --runtime openvino"
    code = f"import isamap, sys; print(isamap.main({words.split()!r}), {{'torch', 'asyncio'}} & {{*sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "0 set()"
    for name in ("", "_prob"):
        first, second = (tmp_path / f"{base}{name}.tif" for base in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_the_level_of_compression_changes_no_pixel(run, scene, tmp_path, monkeypatch):
    files = [tmp_path / "5.tif", tmp_path / "6.tif"]
    inference.map_region(run, input=scene, out=files[0], progress=False)
    monkeypatch.setattr("isamap.inference.map_files.cog.MAP_LEVEL", 6)
    inference.map_region(run, input=scene, out=files[1], progress=False)
    for name in ("", "_prob"):
        pixels = [rasterio.open(file.with_stem(file.stem + name)).read() for file in files]
        np.testing.assert_array_equal(*pixels)
